"""Fixtures: three tiny networks and six images."""

from tests.support.passes import dataset, networks, read_counts  # noqa: F401 - fixtures
