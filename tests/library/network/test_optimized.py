"""The optimized network agrees with the reference network, in the memory format of its device.

``tests/validation`` compares the two at full size, for every variant.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from msgspec.structs import replace
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from convnextpose_check.evaluation.predict import predict
from convnextpose_check.network import optimized as optimized_model
from convnextpose_check.network.layout import build_network
from convnextpose_check.network.optimized import OptimizedConvNeXtPose
from convnextpose_check.network.reference import ConvNeXtPose, soft_argmax
from convnextpose_check.synthetic.weights import seeded_state
from convnextpose_check.variants import Architecture, Catalogue

CELLS = 3e-3
"""The reference model in float32 differs from float64 by up to 2e-3, the optimized by less."""

HALF_UNIT = 2**-24
"""Rounding a number to float32 changes it by this share of it at most."""


@pytest.fixture(scope="module", params=[2, 3])
def plain(request: pytest.FixtureRequest, tiny: Architecture) -> ConvNeXtPose:
    architecture = replace(tiny, head_upsamplings=request.param)
    return build_network(architecture, seeded_state(architecture, 1), torch.device("cpu"))


@pytest.fixture(scope="module")
def crops() -> Tensor:
    return torch.randn(3, 3, 256, 256, generator=torch.Generator().manual_seed(1))


def difference_cells(one: Any, other: Any, crops: Tensor) -> float:
    found = [predict(network, crops, flip=True) for network in (one, other)]
    return float((found[0] - found[1]).abs().max())


def test_positions_are_those_of_the_reference_network_which_is_not_changed(
    plain: ConvNeXtPose, crops: Tensor
) -> None:
    """Blocks add in place: that must not change the crops or the weights."""
    given = crops.clone()
    before = {key: tensor.clone() for key, tensor in plain.state_dict().items()}
    fast = OptimizedConvNeXtPose(plain)

    weights = [part.weight for part in fast.modules() if isinstance(part, nn.Conv2d)]
    assert all(w.is_contiguous(memory_format=torch.channels_last) for w in weights)
    assert difference_cells(fast, plain, crops) < CELLS
    assert difference_cells(fast, fast, crops) == 0
    assert torch.equal(crops, given)
    assert all(torch.equal(tensor, before[key]) for key, tensor in plain.state_dict().items())


@pytest.mark.parametrize("numbers", [1, 2**30])
def test_size_of_the_pieces_does_not_matter(
    numbers: int, plain: ConvNeXtPose, crops: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VOLUME_ELEMENTS_CPU", "BLOCK_ELEMENTS"):
        monkeypatch.setattr(optimized_model, name, numbers)

    assert difference_cells(OptimizedConvNeXtPose(plain), plain, crops) < CELLS


def not_aligned(side: int) -> Any:
    rows = torch.eye(side)[None]
    return nn.functional.interpolate(rows, scale_factor=2, mode="linear")[0].T


BROKEN: dict[str, tuple[int, str, Any]] = {
    "norm-after": (2, "fuse_conv_bn_eval", lambda convolution, _norm: convolution),
    "norm-before": (2, "fuse_bn_conv", lambda _norm, convolution: convolution),
    "corners": (3, "upsampling_matrix", not_aligned),
    "upsampling": (3, "soft_argmax", lambda heatmaps, _: soft_argmax(heatmaps)),
}


@pytest.mark.parametrize(
    ("plain", "part", "wrong"), BROKEN.values(), ids=BROKEN, indirect=["plain"]
)
def test_each_wrong_optimization_is_noticed(
    plain: ConvNeXtPose, part: str, wrong: Any, crops: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimized_model, part, wrong)

    assert difference_cells(OptimizedConvNeXtPose(plain), plain, crops[:1]) > CELLS


def test_padded_convolution_is_never_merged_with_the_norm_before_it(plain: ConvNeXtPose) -> None:
    """The padding would be of the values that the norm maps to 0, so the border would be wrong."""
    with pytest.raises(ValueError, match="padding"):
        optimized_model.fuse_bn_conv(plain.backbone.norm, plain.head.deconv_layers_1.dwconv)


def with_numbers_of_the_published(tiny: Architecture) -> ConvNeXtPose:
    """A network whose variances are spread around eps, from 1e-12 to 1e-4, as in the real XS."""
    generator = torch.Generator().manual_seed(0)
    network = ConvNeXtPose(tiny).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            spread = torch.rand(module.num_features, generator=generator)
            module.running_var = 10 ** (spread * 8 - 12)
            module.running_mean = torch.randn(module.num_features, generator=generator) * 0.01
            module.weight.uniform_(-0.3, 0.3, generator=generator)
            module.bias.uniform_(-1, 1, generator=generator)
    return network


def test_folding_is_exact_to_the_last_bit_of_float32(tiny: Architecture) -> None:
    """Of the convolution with the BatchNorm behind it, and of those with one before them."""
    plain = with_numbers_of_the_published(tiny)
    folded = [part for part in OptimizedConvNeXtPose(plain).body if isinstance(part, nn.Conv2d)]

    for between, obtained in zip(plain.backbone.downsample_layers, folded, strict=True):
        assert obtained.bias is not None
        norm, convolution = sorted(between.children(), key=lambda part: isinstance(part, nn.Conv2d))
        exact = folded_in_float64(convolution, norm, is_before=obtained is not folded[0])
        for rounded, numbers in zip((obtained.weight, obtained.bias), exact, strict=True):
            assert rounded.dtype == torch.float32
            difference = (rounded.double() - numbers).abs()
            assert (difference <= numbers.abs() * HALF_UNIT * (1 + 1e-6)).all()


def folded_in_float64(convolution: Any, norm: Any, is_before: bool) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution with the BatchNorm after or before it."""
    weight, bias = convolution.weight.double(), convolution.bias.double()
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    shift = norm.bias.double() - norm.running_mean.double() * scale
    if is_before:
        bias = bias + torch.einsum("oihw,i->o", weight, shift)
        return torch.einsum("oihw,i->oihw", weight, scale), bias
    return torch.einsum("oihw,o->oihw", weight, scale), bias * scale + shift


def test_volume_far_from_zero_neither_overflows_nor_vanishes() -> None:
    heatmaps = torch.full((1, 2, 4, 3, 3), -1e4)
    heatmaps[0, 0, 1, 2, 0] = 1e4

    cells_xyz = optimized_model.soft_argmax(heatmaps, None)

    assert cells_xyz[0, 0].tolist() == [0.0, 2.0, 1.0]
    assert cells_xyz[0, 1].tolist() == [1.0, 1.0, 1.5]


def traced(architecture: Architecture, images: int) -> list[tuple[str, Any, Any]]:
    """Name, inputs and output of each operation on a GPU, with tensors that hold no data."""
    seen: list[tuple[str, Any, Any]] = []

    class Watching(TorchDispatchMode):  # type: ignore[no-untyped-call]  # untyped in torch
        def __torch_dispatch__(
            self, func: Any, _types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            output = func(*args, **(kwargs or {}))
            seen.append((func._schema.name.removeprefix("aten::"), args, output))
            return output

    meta = torch.device("meta")
    network = OptimizedConvNeXtPose(ConvNeXtPose(architecture), meta)
    with torch.inference_mode(), Watching():  # type: ignore[no-untyped-call]
        output = network(torch.zeros(images, 3, 256, 256, device=meta))
    assert output.shape == (images, 18, 3)
    return seen


@pytest.mark.parametrize("upsamplings", [2, 3])
def test_gpu_convolves_in_rows_and_upsamples_in_channels_last(
    tiny: Architecture, upsamplings: int
) -> None:
    """The other ways are slow there."""
    seen = traced(replace(tiny, head_upsamplings=upsamplings), 2)
    convolutions = [(*args[:2], output) for op, args, output in seen if op == "conv2d"]

    assert len(convolutions) == 4 + 3 * sum(tiny.blocks) + 2 * 3
    for tensors in convolutions:
        assert {tensor.dtype for tensor in tensors} == {torch.float32}
        assert all(tensor.is_contiguous() for tensor in tensors)
    upsampled = [args[0] for op, args, _ in seen if op == "upsample_bilinear2d"]
    assert len(upsampled) == 2
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in upsampled)


def test_gpu_writes_each_volume_once_in_pieces_that_a_grid_holds(
    tiny: Architecture, catalogue: Catalogue
) -> None:
    """The soft-argmax takes a quarter of M's time, all of it for memory."""
    of_m = catalogue["M"].architecture
    narrow = replace(of_m, blocks=tiny.blocks, channels=tiny.channels, head_channels=6)
    volume = torch.Size(reversed(of_m.grid_whd))

    seen = traced(narrow, 128)

    products = [
        output.shape[:-2].numel()
        for op, args, output in seen
        if op == "matmul" and args[0].dim() == 2
    ]
    large = [op for op, _, out in seen if isinstance(out, Tensor) and out.shape[2:] == volume]
    assert 50_000 < max(products) < 65_536
    assert large == ["matmul", "exp_"] * len(products)
