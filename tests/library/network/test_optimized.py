"""The optimized model agrees with the reference model, in the memory format of its device.

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
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.synthetic.weights import seeded_state
from convnextpose_check.variants import Architecture, Catalogue

ATOL_CELLS = 3e-3
"""The reference model in float32 differs from float64 by up to 2e-3."""

HALF_UNIT = 2**-24
"""Largest relative rounding error of float32."""


@pytest.fixture(scope="module", params=[2, 3])
def reference(request: pytest.FixtureRequest, tiny: Architecture) -> ConvNeXtPose:
    architecture = replace(tiny, head_upsamplings=request.param)
    return build_network(architecture, seeded_state(architecture, 1), torch.device("cpu"))


def max_difference_cells(one: Any, other: Any, crops: Tensor) -> float:
    found = [predict(network, crops, flip=True) for network in (one, other)]
    return float((found[0] - found[1]).abs().max())


def test_optimized_model_agrees_with_reference(reference: ConvNeXtPose, crops: Tensor) -> None:
    """Blocks add in place, which must change neither crops nor weights."""
    given = crops.clone()
    before = {key: tensor.clone() for key, tensor in reference.state_dict().items()}
    optimized = OptimizedConvNeXtPose(reference)

    weights = [part.weight for part in optimized.modules() if isinstance(part, nn.Conv2d)]
    assert all(w.is_contiguous(memory_format=torch.channels_last) for w in weights)
    assert max_difference_cells(optimized, reference, crops) < ATOL_CELLS
    assert max_difference_cells(optimized, optimized, crops) == 0
    assert torch.equal(crops, given)
    assert all(torch.equal(tensor, before[key]) for key, tensor in reference.state_dict().items())


@pytest.mark.parametrize("numbers", [1, 2**30])
def test_optimized_model_any_chunk_size_agrees(
    numbers: int, reference: ConvNeXtPose, crops: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("VOLUME_ELEMENTS_CPU", "BLOCK_ELEMENTS"):
        monkeypatch.setattr(optimized_model, name, numbers)

    assert max_difference_cells(OptimizedConvNeXtPose(reference), reference, crops) < ATOL_CELLS


def make_network_with_small_variances(tiny: Architecture) -> ConvNeXtPose:
    """A network with variances from 1e-12 to 1e-4, around eps, as in the published XS."""
    generator = torch.Generator().manual_seed(0)
    network = ConvNeXtPose(tiny).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            exponents = torch.rand(module.num_features, generator=generator)
            module.running_var = 10 ** (exponents * 8 - 12)
            module.running_mean = torch.randn(module.num_features, generator=generator) * 0.01
            module.weight.uniform_(-0.3, 0.3, generator=generator)
            module.bias.uniform_(-1, 1, generator=generator)
    return network


def test_optimized_model_fused_weights_are_exact_in_float32(tiny: Architecture) -> None:
    """BatchNorm is fused into the convolution before it or after it."""
    reference = make_network_with_small_variances(tiny)
    fused = [part for part in OptimizedConvNeXtPose(reference).body if isinstance(part, nn.Conv2d)]

    for between, obtained in zip(reference.backbone.downsample_layers, fused, strict=True):
        assert obtained.bias is not None
        norm, convolution = sorted(between.children(), key=lambda part: isinstance(part, nn.Conv2d))
        exact = fuse_in_float64(convolution, norm, is_before=obtained is not fused[0])
        for rounded, numbers in zip((obtained.weight, obtained.bias), exact, strict=True):
            assert rounded.dtype == torch.float32
            difference = (rounded.double() - numbers).abs()
            assert (difference <= numbers.abs() * HALF_UNIT * (1 + 1e-6)).all()


def fuse_in_float64(convolution: Any, norm: Any, is_before: bool) -> tuple[Tensor, Tensor]:
    """Weight and bias of the convolution with the BatchNorm before it, or else after it."""
    weight, bias = convolution.weight.double(), convolution.bias.double()
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    shift = norm.bias.double() - norm.running_mean.double() * scale
    if is_before:
        bias = bias + torch.einsum("oihw,i->o", weight, shift)
        return torch.einsum("oihw,i->oihw", weight, scale), bias
    return torch.einsum("oihw,o->oihw", weight, scale), bias * scale + shift


def test_soft_argmax_large_values_do_not_overflow() -> None:
    heatmaps = torch.full((1, 2, 4, 3, 3), -1e4)
    heatmaps[0, 0, 1, 2, 0] = 1e4

    cells_xyz = optimized_model.soft_argmax(heatmaps, None)

    assert cells_xyz[0, 0].tolist() == [0.0, 2.0, 1.0]
    assert cells_xyz[0, 1].tolist() == [1.0, 1.0, 1.5]


def trace_operations(architecture: Architecture, images: int) -> list[tuple[str, Any, Any]]:
    """Name, inputs and output of each GPU operation, recorded on ``meta`` tensors."""
    operations: list[tuple[str, Any, Any]] = []

    class OperationRecorder(TorchDispatchMode):  # type: ignore[no-untyped-call]  # untyped in torch
        def __torch_dispatch__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
            output = func(*args, **(kwargs or {}))
            operations.append((func._schema.name.removeprefix("aten::"), args, output))
            return output

    meta = torch.device("meta")
    network = OptimizedConvNeXtPose(ConvNeXtPose(architecture), meta)
    with torch.inference_mode(), OperationRecorder():  # type: ignore[no-untyped-call]
        output = network(torch.zeros(images, 3, 256, 256, device=meta))
    assert output.shape == (images, 18, 3)
    return operations


@pytest.mark.parametrize("upsamplings", [2, 3])
def test_optimized_model_on_gpu_uses_fast_formats(tiny: Architecture, upsamplings: int) -> None:
    """Other memory formats are slow on a GPU."""
    operations = trace_operations(replace(tiny, head_upsamplings=upsamplings), 2)
    convolutions = [(*args[:2], output) for op, args, output in operations if op == "conv2d"]

    assert len(convolutions) == 4 + 3 * sum(tiny.blocks) + 2 * 3
    for tensors in convolutions:
        assert {tensor.dtype for tensor in tensors} == {torch.float32}
        assert all(tensor.is_contiguous() for tensor in tensors)
    upsampled = [args[0] for op, args, _ in operations if op == "upsample_bilinear2d"]
    assert len(upsampled) == 2
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in upsampled)


def test_optimized_model_writes_each_volume_once(tiny: Architecture, catalogue: Catalogue) -> None:
    """Memory access of the soft-argmax takes a quarter of M's time."""
    architecture_m = catalogue["M"].architecture
    narrow = replace(architecture_m, blocks=tiny.blocks, channels=tiny.channels, head_channels=6)
    volume = torch.Size(reversed(architecture_m.grid_whd))

    operations = trace_operations(narrow, 128)

    products = [
        output.shape[:-2].numel()
        for op, args, output in operations
        if op == "matmul" and args[0].dim() == 2
    ]
    large = [op for op, _, out in operations if isinstance(out, Tensor) and out.shape[2:] == volume]
    assert 50_000 < max(products) < 65_536
    assert large == ["matmul", "exp_"] * len(products)
