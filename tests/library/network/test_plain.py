"""The reference network: counted by hand, and distinguished from wrong settings."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
import torch
from torch import nn

from convnextpose_check.checks.network import (
    check_guide_parameters,
    check_heatmap_grid,
    check_multiply_adds,
    check_paper_gmacs,
    check_paper_parameters,
    check_parameter_count,
    check_state_element_count,
)
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.network import plain as parts
from convnextpose_check.network.cost import multiply_add_count, parameter_count, skeleton_network
from convnextpose_check.variants import Architecture, Catalogue, Variant


def altered(variant: Variant, **changes: object) -> Variant:
    """The variant with another architecture and its figures kept."""
    architecture = msgspec.structs.replace(variant.architecture, **changes)
    return msgspec.structs.replace(variant, architecture=architecture)


def counted_by_hand(a: Architecture) -> tuple[int, int]:
    """Parameters and multiply-adds of the convolutions, from the description alone."""
    parameters = multiply_adds = 0

    def convolution(c_in: int, c_out: int, kernel: int, side: int, groups: int = 1) -> None:
        nonlocal parameters, multiply_adds
        weights = c_out * (c_in // groups) * kernel * kernel
        parameters += weights + c_out
        multiply_adds += weights * side * side

    def norm(channels: int) -> None:
        nonlocal parameters
        parameters += 2 * channels

    side, before = 64, 3
    for stage, (depth, width) in enumerate(zip(a.blocks, a.channels, strict=True)):
        if stage == 0:
            convolution(3, width, 4, side)
            norm(width)
        else:
            side //= 2
            norm(before)
            convolution(before, width, 2, side)
        for _ in range(depth):
            convolution(width, width, 7, side, groups=width)
            norm(width)
            convolution(width, 4 * width, 1, side)
            convolution(4 * width, width, 1, side)
        before = width
    norm(before)
    for layer in range(3):
        convolution(before, before, 3, side, groups=before)
        norm(before)
        convolution(before, a.head_channels, 1, side)
        side *= 2 if layer < a.head_upsamplings else 1
        before = a.head_channels
    convolution(before, a.joints * a.depth_bins, 1, side)
    return parameters, multiply_adds


@pytest.mark.parametrize("name", ["XS", "S", "M", "L"])
def test_counts_of_each_variant_are_those_by_hand_and_pass_every_check(
    catalogue: Catalogue, name: str
) -> None:
    variant = catalogue[name]
    network = skeleton_network(variant.architecture)

    parameters, multiply_adds = counted_by_hand(variant.architecture)

    assert check_parameter_count(variant, network) == variant.parameters == parameters
    assert check_multiply_adds(variant, network) == variant.multiply_adds == multiply_adds
    assert check_state_element_count(variant, network) == variant.state_elements
    assert check_paper_parameters(variant, parameters) == parameters / 1e6
    assert check_guide_parameters(variant, variant.state_elements) == variant.state_elements / 1e6
    assert check_paper_gmacs(variant, multiply_adds) == multiply_adds / 1e9
    assert check_heatmap_grid(variant, network)[0] == 18


@pytest.mark.parametrize(
    ("name", "upsamplings"), [("XS", 3), ("S", 3), ("M", 2), ("L", 2), ("XS", 1), ("L", 1)]
)
def test_wrong_upsampling_is_seen_in_the_multiply_adds_alone(
    catalogue: Catalogue, name: str, upsamplings: int
) -> None:
    """Upsampling has no weights: the parameters agree, the multiply-adds tell."""
    variant = catalogue[name]
    wrong = altered(variant, head_upsamplings=upsamplings)
    network = skeleton_network(wrong.architecture)

    check_parameter_count(variant, network)
    with pytest.raises(CheckFailedError, match=rf"{name} has multiply-adds .* expected"):
        check_multiply_adds(variant, network)
    with pytest.raises(CheckFailedError, match=r"GMACs.*upsample"):
        check_paper_gmacs(variant, multiply_add_count(network))
    with pytest.raises(
        CheckFailedError, match=rf"{name} has heatmap .joints, depth, height, width. "
    ):
        check_heatmap_grid(variant, network)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("check", "name", "reported", "slack", "unit", "what"),
    [
        (check_paper_parameters, "XS", 3.53, 0.005, 1e6, "million parameters"),
        (check_guide_parameters, "S", 7.45, 0.005, 1e6, "million state dict elements"),
        (check_paper_gmacs, "XS", 0.82, 0.05, 1e9, "GMACs"),
    ],
)
def test_reported_values_are_met_within_their_slack(
    check: Callable[[Variant, int], float],
    name: str,
    reported: float,
    slack: float,
    unit: float,
    what: str,
    sign: int,
    catalogue: Catalogue,
) -> None:
    near, far = (round((reported + sign * slack * share) * unit) for share in (0.98, 1.02))
    assert check(catalogue[name], near) == near / unit
    with pytest.raises(CheckFailedError, match=rf"{name} has \d\.\d\d\d {what}") as caught:
        check(catalogue[name], far)
    assert (caught.value.code, caught.value.expected) == ("wrong-count", reported)
    assert caught.value.obtained == far / unit
    assert ("upsample" in caught.value.remedy) is (what == "GMACs")


def test_value_that_is_not_reported_is_an_error(catalogue: Catalogue) -> None:
    xs = catalogue["XS"]
    without = msgspec.structs.replace(
        xs, guide=None, paper=msgspec.structs.replace(xs.paper, gmacs=None)
    )
    for check in (check_paper_gmacs, check_guide_parameters):
        with pytest.raises(CheckFailedError, match=r"\[bad-variants-file\] .* of XS"):
            check(without, xs.multiply_adds)


@pytest.mark.parametrize(("name", "parameters"), [("XS", 3_602_312), ("S", 7_587_008)])
def test_the_guides_depth_of_64_gives_neither_table(
    catalogue: Catalogue, name: str, parameters: int
) -> None:
    variant = catalogue[name]
    network = skeleton_network(altered(variant, depth_bins=64).architecture)

    assert parameter_count(network) == parameters
    with pytest.raises(CheckFailedError, match=rf"{name} has parameters ") as caught:
        check_parameter_count(variant, network)
    assert (caught.value.code, caught.value.obtained) == ("wrong-count", parameters)
    assert caught.value.expected == variant.parameters
    with pytest.raises(CheckFailedError, match=rf"{name} has state dict elements "):
        check_state_element_count(variant, network)


@pytest.mark.parametrize(
    ("name", "millions"), [("XS", 3.52), ("S", 7.43), ("M", 7.57), ("L", 8.35)]
)
def test_the_guides_17_joints_give_neither_table(
    catalogue: Catalogue, name: str, millions: float
) -> None:
    network = skeleton_network(altered(catalogue[name], joints=17).architecture)

    assert round(parameter_count(network) / 1e6, 2) == millions
    with pytest.raises(CheckFailedError, match="million parameters"):
        check_paper_parameters(catalogue[name], parameter_count(network))


def test_peak_of_a_heatmap_is_found_in_the_order_x_y_z() -> None:
    heatmaps = torch.full((2, 3, 4, 5, 6), -100.0)
    heatmaps[0, 1, 3, 2, 5] = 100.0

    cells_xyz = parts.soft_argmax(heatmaps)

    assert cells_xyz.shape == (2, 3, 3)
    assert cells_xyz[0, 1].tolist() == [5.0, 2.0, 3.0]
    torch.testing.assert_close(cells_xyz[1, 0], torch.tensor([2.5, 2.0, 1.5]))


def test_softmax_is_taken_over_the_whole_volume_of_a_joint() -> None:
    """Two peaks in different depths share their weight by height, as one volume."""
    heatmaps = torch.full((1, 1, 2, 1, 4), -100.0)
    heatmaps[0, 0, 0, 0, 0] = 0.0
    heatmaps[0, 0, 1, 0, 3] = torch.log(torch.tensor(3.0))

    x, _, z = parts.soft_argmax(heatmaps)[0, 0].tolist()

    assert x == pytest.approx(0.75 * 3)
    assert z == pytest.approx(0.75)


def test_upsampling_keeps_the_corners() -> None:
    """Bilinear with align_corners: corner cells keep their values, which the other kind blends."""
    layer = parts.HeadLayer(1, 1, upsamples=True).eval()
    nn.init.dirac_(layer.dwconv.weight)
    nn.init.ones_(layer.pwconv.weight)
    for convolution in (layer.dwconv, layer.pwconv):
        assert convolution.bias is not None
        nn.init.zeros_(convolution.bias)
    image = torch.tensor([[[[0.0, 3.0], [6.0, 9.0]]]])

    doubled = layer(image)[0, 0] * (1 + layer.norm.eps) ** 0.5

    torch.testing.assert_close(
        doubled,
        torch.tensor([[0.0, 1, 2, 3], [2, 3, 4, 5], [4, 5, 6, 7], [6, 7, 8, 9]]),
    )


def test_network_has_the_parts_that_the_description_names(tiny: Architecture) -> None:
    """No layer norm, no GELU, no layer scale; torch's default eps; biases everywhere."""
    network = parts.ConvNeXtPose(tiny)
    kinds = {type(module) for module in network.modules() if not list(module.children())}

    assert kinds == {nn.Conv2d, nn.BatchNorm2d}
    assert all(m.bias is not None for m in network.modules() if isinstance(m, nn.Conv2d))
    assert {m.eps for m in network.modules() if isinstance(m, nn.BatchNorm2d)} == {1e-5}


def test_parts_are_computed_in_the_described_order(tiny: Architecture) -> None:
    """The block and the head layer against their formulas, written out once more."""
    torch.manual_seed(0)
    network = parts.ConvNeXtPose(tiny).eval()
    block, layer = next(iter(network.backbone.stages[0].children())), network.head.deconv_layers_2
    assert isinstance(block, parts.Block)
    x = torch.randn(1, 2, 8, 8)

    expected = x + block.pwconv2(block.pwconv1(block.norm(block.dwconv(x))).clamp(min=0))
    torch.testing.assert_close(block(x), expected)
    y = torch.randn(1, 6, 4, 4)
    doubled = nn.UpsamplingBilinear2d(scale_factor=2)(
        layer.pwconv(layer.norm(layer.dwconv(y))).clamp(min=0)
    )
    torch.testing.assert_close(layer(y), doubled)
