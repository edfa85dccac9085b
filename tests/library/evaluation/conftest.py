"""Three tiny networks and a few images, for each test anew."""

from tests.support.passes import dataset, networks, read_counts  # noqa: F401 - fixtures
