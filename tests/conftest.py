"""Shared fixtures: the synthetic data set, the catalogue and a tiny architecture."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from convnextpose_check.synthetic.build import SyntheticData, cached_synthetic_data
from convnextpose_check.variants import Architecture, Catalogue, read_catalogue


def pytest_configure(config: pytest.Config) -> None:
    """Set up ``-n``: one process for each file, in their order, with one thread of torch each.

    Tests of a file share expensive fixtures. Files with few tests run whole processes, and xdist
    would run them last. More threads, or threads that spin while they wait, take the cores from
    the other processes.
    """
    if getattr(config.option, "numprocesses", None):
        config.option.dist = "loadfile"
        config.option.loadscopereorder = False
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # workers start with both
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def fixtures(pytestconfig: pytest.Config) -> Path:
    """The folder of recorded data."""
    return pytestconfig.rootpath / "fixtures"


@pytest.fixture(scope="session")
def synthetic(fixtures: Path) -> SyntheticData:
    """The generated data set and archives."""
    return cached_synthetic_data(fixtures)


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    """The published variants."""
    return read_catalogue()


@pytest.fixture(scope="session")
def tiny() -> Architecture:
    """An architecture of the same form as the published ones, a thousand times smaller."""
    return Architecture(
        backbone="tiny",
        blocks=(1, 1, 1, 1),
        channels=(2, 3, 4, 5),
        head_channels=6,
        head_upsamplings=2,
        depth_bins=7,
        joints=18,
    )
