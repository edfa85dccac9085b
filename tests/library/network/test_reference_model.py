"""Reported values have a tolerance; soft-argmax averages the volume."""

from __future__ import annotations

import pytest
import torch

from convnextpose_check.checks.network import (
    GMACS_SLACK,
    MILLIONS_SLACK,
    check_reported_value,
)
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.network import reference as parts
from convnextpose_check.variants import ReportedValue


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("value", "slack", "largest", "what"),
    [
        (3.53, MILLIONS_SLACK, 0.005, "million parameters"),
        (0.82, GMACS_SLACK, 0.05, "GMACs"),
    ],
)
def test_check_reported_value_uses_slack(
    value: float, slack: float, largest: float, what: str, sign: int
) -> None:
    reported = ReportedValue(value, "table 1")
    near, far = (value + sign * largest * share for share in (0.98, 1.02))
    assert check_reported_value(what, near, reported, slack, "XS") == near
    with pytest.raises(CheckFailedError, match=rf"XS has \d\.\d\d\d {what}") as caught:
        check_reported_value(what, far, reported, slack, "XS")
    assert (caught.value.code, caught.value.expected) == ("wrong-count", value)
    assert caught.value.obtained == far
    assert ("upsample" in caught.value.remedy) is (what == "GMACs")


def test_soft_argmax_averages_whole_volume_and_returns_xyz() -> None:
    """The second joint has two peaks with weights 1 and 3 at different depths."""
    heatmaps = torch.full((1, 3, 4, 5, 6), -100.0)
    heatmaps[0, 0, 3, 2, 5] = 100.0
    heatmaps[0, 1, 0, 0, 0], heatmaps[0, 1, 1, 0, 3] = 0.0, torch.log(torch.tensor(3.0))

    cells_xyz = parts.soft_argmax(heatmaps)

    expected = torch.tensor([[[5.0, 2.0, 3.0], [0.75 * 3, 0.0, 0.75], [2.5, 2.0, 1.5]]])
    torch.testing.assert_close(cells_xyz, expected)
