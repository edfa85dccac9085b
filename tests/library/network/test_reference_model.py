"""The reference model: counts computed by hand, and wrong settings detected."""

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
from convnextpose_check.variants import Architecture, Catalogue, ReportedValue

NAMES = ("XS", "S", "M", "L")


def count_by_hand(a: Architecture) -> tuple[int, int]:
    """Parameters and multiply-adds of the convolutions, from the architecture alone."""
    parameters = multiply_adds = 0

    def add_convolution(c_in: int, c_out: int, kernel: int, side: int, groups: int = 1) -> None:
        nonlocal parameters, multiply_adds
        weights = c_out * (c_in // groups) * kernel * kernel
        parameters += weights + c_out
        multiply_adds += weights * side * side

    def add_norm(channels: int) -> None:
        nonlocal parameters
        parameters += 2 * channels

    side, channels_in = 64, 3
    for stage, (depth, width) in enumerate(zip(a.blocks, a.channels, strict=True)):
        if stage == 0:
            add_convolution(3, width, 4, side)
            add_norm(width)
        else:
            side //= 2
            add_norm(channels_in)
            add_convolution(channels_in, width, 2, side)
        for _ in range(depth):
            add_convolution(width, width, 7, side, groups=width)
            add_norm(width)
            add_convolution(width, 4 * width, 1, side)
            add_convolution(4 * width, width, 1, side)
        channels_in = width
    add_norm(channels_in)
    for layer in range(3):
        add_convolution(channels_in, channels_in, 3, side, groups=channels_in)
        add_norm(channels_in)
        add_convolution(channels_in, a.head_channels, 1, side)
        side *= 2 if layer < a.head_upsamplings else 1
        channels_in = a.head_channels
    add_convolution(channels_in, a.joints * a.depth_bins, 1, side)
    return parameters, multiply_adds


@pytest.mark.parametrize("name", NAMES)
def test_variant_counts_equal_counts_by_hand(catalogue: Catalogue, name: str) -> None:
    """``tests/validation`` counts the networks themselves."""
    variant = catalogue[name]

    parameters, multiply_adds = count_by_hand(variant.architecture)

    assert (parameters, multiply_adds) == (variant.parameters, variant.multiply_adds)
    paper = variant.paper
    for value, reported, slack in (
        (parameters / 1e6, paper.parameters_millions, MILLIONS_SLACK),
        (variant.state_elements / 1e6, variant.guide, MILLIONS_SLACK),
        (multiply_adds / 1e9, paper.gmacs, GMACS_SLACK),
    ):
        assert check_reported_value("millions", value, reported, slack, name) == value


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
    with pytest.raises(CheckFailedError, match=rf"\[bad-variants-file\] .*no {what} of XS"):
        check_reported_value(what, near, None, slack, "XS")
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
