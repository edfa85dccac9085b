"""Memory format of the optimized network on a GPU, traced with tensors that hold no data."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from convnextpose_check.network import fast as fast_network
from convnextpose_check.variants import Catalogue


def traced(catalogue: Catalogue, name: str, images: int) -> list[tuple[str, Any, Any]]:
    """Name, inputs and output of each operation of the network on a device like a GPU."""
    from torch.utils._python_dispatch import TorchDispatchMode

    from convnextpose_check.network.plain import ConvNeXtPose

    seen: list[tuple[str, Any, Any]] = []

    class Watching(TorchDispatchMode):  # type: ignore[no-untyped-call]  # untyped in torch
        def __torch_dispatch__(
            self, func: Any, _types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            output = func(*args, **(kwargs or {}))
            seen.append((func._schema.name.removeprefix("aten::"), args, output))
            return output

    meta = torch.device("meta")
    network = fast_network.FastConvNeXtPose(ConvNeXtPose(catalogue[name].architecture), meta)
    with torch.inference_mode(), Watching():  # type: ignore[no-untyped-call]
        output = network(torch.zeros(images, 3, 256, 256, device=meta))
    assert output.shape == (images, 18, 3)
    return seen


@pytest.mark.parametrize("name", ["XS", "M"])
def test_gpu_convolves_in_rows_and_upsamples_in_channels_last(
    catalogue: Catalogue, name: str
) -> None:
    """The other ways are slow there."""
    seen = traced(catalogue, name, 2)
    convolutions = [(*args[:2], output) for op, args, output in seen if op == "conv2d"]

    assert len(convolutions) == 4 + 3 * sum(catalogue[name].architecture.blocks) + 2 * 3
    for tensors in convolutions:
        assert {tensor.dtype for tensor in tensors} == {torch.float32}
        assert all(tensor.is_contiguous() for tensor in tensors)
    upsampled = [args[0] for op, args, _ in seen if op == "upsample_bilinear2d"]
    assert len(upsampled) == 2
    assert all(x.is_contiguous(memory_format=torch.channels_last) for x in upsampled)


def test_gpu_writes_each_volume_once_in_pieces_that_a_grid_holds(catalogue: Catalogue) -> None:
    """The soft-argmax takes a quarter of M's time, all of it for memory."""
    volume = torch.Size(reversed(catalogue["M"].architecture.grid_whd))

    seen = traced(catalogue, "M", 128)

    products = [
        output.shape[:-2].numel()
        for op, args, output in seen
        if op == "matmul" and args[0].dim() == 2
    ]
    large = [op for op, _, out in seen if isinstance(out, torch.Tensor) and out.shape[2:] == volume]
    assert 50_000 < max(products) < 65_536
    assert large == ["matmul", "exp_"] * len(products)


def test_cpu_keeps_channels_last(catalogue: Catalogue) -> None:
    from convnextpose_check.network.plain import ConvNeXtPose

    fast = fast_network.FastConvNeXtPose(ConvNeXtPose(catalogue["XS"].architecture))

    weights = [m.weight for m in fast.modules() if isinstance(m, torch.nn.Conv2d)]
    assert all(w.is_contiguous(memory_format=torch.channels_last) for w in weights)
