"""The optimized network agrees with the reference network."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from convnextpose_check.checkpoints.find import CheckpointFiles
from convnextpose_check.evaluation.predict import predict
from convnextpose_check.human36m.crops import read_crops, to_input
from convnextpose_check.human36m.samples import Dataset, load_dataset
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.miniature.record import read_record
from convnextpose_check.network import fast as fast_network
from convnextpose_check.network.layout import build_network, modern_state
from convnextpose_check.network.plain import ConvNeXtPose
from convnextpose_check.variants import Architecture, Catalogue
from tests.support.runs import evaluation_of

CELLS = 3e-3
"""The reference network in float32 differs from float64 by up to 1e-3, the fast one by less."""

MILLIMETERS = 5e-3
"""Of the few samples here; M moves by 1.3e-3."""

EACH = ["XS", "M", *(pytest.param(name, marks=pytest.mark.slow) for name in ("S", "L"))]
"""Of the two, one ends without upsampling and one with it, like S and L."""


@pytest.fixture(scope="module")
def plain(miniature: Miniature, catalogue: Catalogue) -> Callable[[str], ConvNeXtPose]:
    """The miniature's networks by name."""
    files = CheckpointFiles([miniature.checkpoints], catalogue)

    @cache
    def load(name: str) -> ConvNeXtPose:
        state = modern_state(files.load(name).network)
        return build_network(catalogue[name].architecture, state, torch.device("cpu"))

    return load


@pytest.fixture(scope="module")
def dataset(miniature: Miniature, fixtures: Path) -> Dataset:
    return load_dataset(miniature.dataset, read_record(fixtures).dataset, limit=8)


@pytest.fixture(scope="module")
def crops(dataset: Dataset) -> Tensor:
    pixels = [crop.pixels_rgb for crop in read_crops(dataset.samples[:3], 2)]
    return to_input(torch.from_numpy(np.stack([p for p in pixels if p is not None])))


@pytest.mark.parametrize("name", EACH)
def test_positions_and_errors_are_those_of_the_reference_network(
    name: str, plain: Callable[[str], ConvNeXtPose], dataset: Dataset
) -> None:
    cpu = torch.device("cpu")
    expected, obtained = (
        evaluation_of(network, dataset, cpu, flip=True, batch_size=4, workers=2)
        for network in (plain(name), fast_network.FastConvNeXtPose(plain(name)))
    )
    assert abs(expected.error_mm - obtained.error_mm) < MILLIMETERS
    np.testing.assert_allclose(obtained.cells_xyz, expected.cells_xyz, atol=CELLS)


def test_neither_the_reference_network_nor_crops_are_changed(
    plain: Callable[[str], ConvNeXtPose], crops: Tensor
) -> None:
    """Blocks add in place: that must not change the crops or the weights."""
    network, given = plain("XS"), crops.clone()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    fast = fast_network.FastConvNeXtPose(network)

    first, again = predict(fast, crops, flip=True), predict(fast, crops, flip=True)

    assert torch.equal(first, again)
    assert torch.equal(crops, given)
    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


def not_aligned(side: int) -> Any:
    rows = torch.eye(side)[None]
    return torch.nn.functional.interpolate(rows, scale_factor=2, mode="linear")[0].T


def not_upsampled(heatmaps: Any, _: Any) -> Any:
    from convnextpose_check.network.plain import soft_argmax

    return soft_argmax(heatmaps)


BROKEN: dict[str, tuple[str, str, Any]] = {
    "norm-after": ("XS", "fuse_conv_bn_eval", lambda convolution, _norm: convolution),
    "norm-before": ("XS", "norm_before", lambda _norm, convolution: convolution),
    "corners": ("M", "upsampling_matrix", not_aligned),
    "upsampling": ("M", "soft_argmax", not_upsampled),
}


@pytest.mark.parametrize(("name", "part", "wrong"), BROKEN.values(), ids=BROKEN)
def test_each_wrong_optimization_is_noticed(
    name: str,
    part: str,
    wrong: Any,
    plain: Callable[[str], ConvNeXtPose],
    crops: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"convnextpose_check.network.fast.{part}", wrong)
    fast = fast_network.FastConvNeXtPose(plain(name))
    both = [predict(one, crops[:1], flip=True) for one in (fast, plain(name))]

    assert float((both[0] - both[1]).abs().max()) > CELLS


def test_padded_convolution_is_never_merged_with_the_norm_before_it(tiny: Architecture) -> None:
    """The padding would be of the values that the norm maps to 0, so the border would be wrong."""
    from convnextpose_check.network.plain import ConvNeXtPose

    network = ConvNeXtPose(tiny)
    padded = network.head.deconv_layers_1.dwconv

    with pytest.raises(ValueError, match="padding"):
        fast_network.norm_before(network.backbone.norm, padded)


HALF_UNIT = 2**-24
"""Rounding a number to float32 changes it by this share of it at most."""


def with_numbers_of_the_published(tiny: Architecture) -> ConvNeXtPose:
    """A network whose variances are spread around eps, from 1e-12 to 1e-4, as in the real XS."""
    from convnextpose_check.network.plain import ConvNeXtPose

    generator = torch.Generator().manual_seed(0)
    network = ConvNeXtPose(tiny).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var = 10 ** (
                torch.rand(module.num_features, generator=generator) * 8 - 12
            )
            module.running_mean = torch.randn(module.num_features, generator=generator) * 0.01
            module.weight.uniform_(-0.3, 0.3, generator=generator)
            module.bias.uniform_(-1, 1, generator=generator)
    return network


def test_folding_is_exact_to_the_last_bit_of_float32(tiny: Architecture) -> None:
    plain = with_numbers_of_the_published(tiny)
    backbone, head = plain.backbone, plain.head
    expected: list[tuple[Tensor, Tensor]] = []
    for index, (between, stage) in enumerate(
        zip(backbone.downsample_layers, backbone.stages, strict=True)
    ):
        first, second = between.children()
        is_before = index > 0
        convolution, norm = (second, first) if is_before else (first, second)
        expected.append(folded_in_float64(convolution, norm, is_before))
        for block in stage.children():
            expected.append(folded_in_float64(block.dwconv, block.norm, is_before=False))
            expected += [in_float64(block.pwconv1), in_float64(block.pwconv2)]
    for layer in (head.deconv_layers_1, head.deconv_layers_2, head.deconv_layers_3):
        expected.append(folded_in_float64(layer.dwconv, layer.norm, is_before=False))
        expected.append(in_float64(layer.pwconv))
    expected.append(in_float64(head.final_layer))

    fast = fast_network.FastConvNeXtPose(plain)

    convolutions = [part for part in fast.modules() if isinstance(part, torch.nn.Conv2d)]
    for convolution, exact in zip(convolutions, expected, strict=True):
        assert convolution.weight.dtype == torch.float32
        for obtained, numbers in zip(in_float64(convolution), exact, strict=True):
            difference = (obtained - numbers).abs()
            assert (difference <= numbers.abs() * HALF_UNIT * (1 + 1e-6)).all()


def in_float64(convolution: Any) -> tuple[Tensor, Tensor]:
    """Weight and bias."""
    return convolution.weight.double(), convolution.bias.double()


def folded_in_float64(convolution: Any, norm: Any, is_before: bool) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution with the BatchNorm after or before it."""
    weight, bias = in_float64(convolution)
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    shift = norm.bias.double() - norm.running_mean.double() * scale
    if is_before:
        bias = bias + torch.einsum("oihw,i->o", weight, shift)
        return torch.einsum("oihw,i->oihw", weight, scale), bias
    return torch.einsum("oihw,o->oihw", weight, scale), bias * scale + shift


def test_volume_far_from_zero_neither_overflows_nor_vanishes() -> None:
    heatmaps = torch.full((1, 2, 4, 3, 3), -1e4)
    heatmaps[0, 0, 1, 2, 0] = 1e4

    cells_xyz = fast_network.soft_argmax(heatmaps, None)

    assert cells_xyz[0, 0].tolist() == [0.0, 2.0, 1.0]
    assert cells_xyz[0, 1].tolist() == [1.0, 1.0, 1.5]


@pytest.mark.parametrize("volume_numbers", [1, 2**30])
def test_size_of_the_pieces_does_not_matter(
    volume_numbers: int,
    plain: Callable[[str], ConvNeXtPose],
    crops: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fast = fast_network.FastConvNeXtPose(plain("XS"))
    expected = predict(fast, crops, flip=False)
    for name in ("VOLUME_NUMBERS", "WIDE_NUMBERS"):
        monkeypatch.setattr(f"convnextpose_check.network.fast.{name}", volume_numbers)

    torch.testing.assert_close(predict(fast, crops, flip=False), expected, atol=CELLS, rtol=0)
