"""The reference model: counts computed by hand, and wrong settings detected."""

from __future__ import annotations

import pytest
import torch
from msgspec.structs import replace
from torch import nn

from convnextpose_check.checks.network import (
    GMACS_SLACK,
    MILLIONS_SLACK,
    check_count,
    check_heatmap_grid,
    check_reported_value,
)
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.network import reference as parts
from convnextpose_check.network.layout import (
    build_meta_network,
    count_multiply_adds,
    count_parameters,
    count_state_elements,
)
from convnextpose_check.variants import Architecture, Catalogue, ReportedValue
from tests.support.archives import tiny_variant

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


def test_wrong_architecture_changes_counts_or_heatmap_grid(tiny: Architecture) -> None:
    """Upsampling has no weights: it changes multiply-adds, but not parameters."""
    network = build_meta_network(tiny)
    parameters, multiply_adds = count_by_hand(tiny)
    elements = sum(tensor.numel() for tensor in network.state_dict().values())
    variant = replace(
        tiny_variant(tiny, "XS"), parameters=parameters, multiply_adds=multiply_adds,
        state_elements=elements,
    )  # fmt: skip

    assert count_parameters(network) == check_count("parameters", parameters, parameters, "XS")
    assert count_multiply_adds(network) == multiply_adds
    assert count_state_elements(network.state_dict()) == elements
    assert check_heatmap_grid(variant, network) == (18, 7, 32, 32)
    upsampled = build_meta_network(replace(tiny, head_upsamplings=3))
    assert count_parameters(upsampled) == parameters
    with pytest.raises(CheckFailedError, match=r"XS has \d+ multiply-adds: expected"):
        check_count("multiply-adds", count_multiply_adds(upsampled), multiply_adds, "XS")
    with pytest.raises(CheckFailedError, match=r"heatmap shape \(J, D, H, W\): "):
        check_heatmap_grid(variant, upsampled)
    deeper = build_meta_network(replace(tiny, depth_bins=8))
    with pytest.raises(CheckFailedError, match=r" has \d+ parameters: ") as caught:
        check_count("parameters", count_parameters(deeper), parameters, "XS")
    assert (caught.value.code, caught.value.expected) == ("wrong-count", parameters)
    assert caught.value.obtained == count_by_hand(replace(tiny, depth_bins=8))[0]
    assert count_state_elements(deeper.state_dict()) != elements


@pytest.mark.parametrize("name", NAMES)
def test_wrong_settings_miss_reported_counts(catalogue: Catalogue, name: str) -> None:
    """The guide's 17 joints and 64 depth bins, and other numbers of upsampling layers."""
    variant = catalogue[name]
    architecture = variant.architecture

    for upsamplings in {1, 2, 3} - {architecture.head_upsamplings}:
        _, multiply_adds = count_by_hand(replace(architecture, head_upsamplings=upsamplings))
        gmacs = multiply_adds / 1e9
        with pytest.raises(CheckFailedError, match=r"GMACs.*upsample"):
            check_reported_value("GMACs", gmacs, variant.paper.gmacs, GMACS_SLACK, name)
    for changes in ({"joints": 17}, {"depth_bins": 64}):
        parameters, _ = count_by_hand(replace(architecture, **changes))
        if parameters != variant.parameters:  # M and L have a depth of 64
            what, millions = "million parameters", parameters / 1e6
            reported = variant.paper.parameters_millions
            with pytest.raises(CheckFailedError, match=what):
                check_reported_value(what, millions, reported, MILLIONS_SLACK, name)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("value", "slack", "what"),
    [
        (3.53, MILLIONS_SLACK, "million parameters"),
        (7.45, MILLIONS_SLACK, "million state dict elements"),
        (0.82, GMACS_SLACK, "GMACs"),
    ],
)
def test_check_reported_value_uses_slack(value: float, slack: float, what: str, sign: int) -> None:
    reported = ReportedValue(value, "table 1")
    near, far = (value + sign * slack * share for share in (0.98, 1.02))
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


def test_reference_model_has_described_layers(tiny: Architecture) -> None:
    """No LayerNorm, GELU or layer scale; torch's default eps; biases everywhere."""
    network = parts.ConvNeXtPose(tiny)
    kinds = {type(module) for module in network.modules() if not list(module.children())}

    assert kinds == {nn.Conv2d, nn.BatchNorm2d}
    assert all(m.bias is not None for m in network.modules() if isinstance(m, nn.Conv2d))
    assert {m.eps for m in network.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-5}


def test_block_and_head_layer_compute_described_formulas(tiny: Architecture) -> None:
    """The formulas are those of the docstrings, written with other operations."""
    torch.manual_seed(0)
    network = parts.ConvNeXtPose(tiny).eval()
    block, layer = next(iter(network.backbone.stages[0].children())), network.head.deconv_layers_2
    assert isinstance(block, parts.Block)
    x = torch.randn(1, 2, 8, 8)

    expected = x + block.pwconv2(block.pwconv1(block.norm(block.dwconv(x))).clamp(min=0))
    torch.testing.assert_close(block(x), expected)
    y = torch.randn(1, 6, 4, 4)
    upsampled_y = nn.UpsamplingBilinear2d(scale_factor=2)(
        layer.pwconv(layer.norm(layer.dwconv(y))).clamp(min=0)
    )
    torch.testing.assert_close(layer(y), upsampled_y)
