"""The network that the collection's good checkpoint holds, and the miniature for its memory."""

from __future__ import annotations

import pytest

from convnextpose_check.miniature.build import Miniature, cached_miniature
from convnextpose_check.miniature.record import CAMERAS_FILE
from convnextpose_check.variants import Architecture


@pytest.fixture(scope="session")
def miniature(pytestconfig: pytest.Config) -> Miniature:
    """The generated data set and archives."""
    return cached_miniature(pytestconfig.rootpath / "fixtures" / CAMERAS_FILE)


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
