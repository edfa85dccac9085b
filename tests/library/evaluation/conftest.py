"""Three tiny networks and a few images, for each test anew."""

from tests.support.passes import dataset, networks, reads  # noqa: F401 - fixtures
