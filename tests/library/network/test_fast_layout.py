"""How weights and activations lie on a GPU, seen without one: tensors that hold no data."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest

from convnextpose_check.variants import Catalogue
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import torch

    from convnextpose_check.network import fast as fast_network
else:
    torch = Deferred("torch")
    fast_network = Deferred("convnextpose_check.network.fast")


def convolutions(catalogue: Catalogue, name: str) -> list[list[Any]]:
    """Input, weight and output of each convolution of a fast network on ``cuda:0``.

    What is upsampled lies with channels last: the other way is slow.
    """
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
    from torch.utils._python_dispatch import TorchDispatchMode

    from convnextpose_check.network.plain import ConvNeXtPose

    seen: list[list[Any]] = []

    class Watching(TorchDispatchMode):  # type: ignore[no-untyped-call]  # untyped in torch
        def __torch_dispatch__(
            self, func: Any, _types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            answer = func(*args, **(kwargs or {}))
            if func is torch.ops.aten.conv2d.default:
                seen.append([args[0], args[1], answer])
            if func is torch.ops.aten.upsample_bilinear2d.vec:
                assert args[0].stride() == strides(args[0].shape, channels_last=True)
            return answer

    plain = ConvNeXtPose(catalogue[name].architecture).eval()
    network = fast_network.FastConvNeXtPose(plain, torch.device("meta"))
    cuda, mode = torch.device("cuda:0"), FakeTensorMode()
    for module in network.modules():
        for key, weight in module._parameters.items():
            if weight is not None:
                fake = FakeTensor(mode, weight.data, cuda)
                module._parameters[key] = torch.nn.Parameter(fake, False)
        for key, buffer in module._buffers.items():
            module._buffers[key] = buffer if buffer is None else FakeTensor(mode, buffer, cuda)
    if network.upsampling is not None:
        network.upsampling = FakeTensor(mode, network.upsampling, cuda)
    with mode, torch.inference_mode(), Watching():  # type: ignore[no-untyped-call]
        answer = network(torch.zeros(2, 3, 256, 256, device=cuda))
    assert (answer.device, answer.dtype) == (cuda, torch.float32)
    return seen


def strides(shape: torch.Size, *, channels_last: bool) -> tuple[int, ...]:
    """As a tensor made anew in this layout has them, also where 1x1 leaves room for others."""
    _, c, h, w = shape
    return (h * w * c, 1, w * c, c) if channels_last else (c * h * w, h * w, w, 1)


@pytest.mark.parametrize("name", ["XS", "M"])
def test_float32_lies_in_rows_through_every_convolution_of_cuda(
    catalogue: Catalogue, name: str
) -> None:
    seen = convolutions(catalogue, name)

    assert len(seen) == 4 + 3 * sum(catalogue[name].architecture.blocks) + 2 * 3
    for tensor in chain.from_iterable(seen):
        assert tensor.dtype == torch.float32
        assert tensor.stride() == strides(tensor.shape, channels_last=False)


def test_soft_argmax_of_a_batch_goes_over_its_volume_once_in_pieces_that_a_grid_holds(
    catalogue: Catalogue,
) -> None:
    """It takes a quarter of M's time, all of it for memory: each number is written once."""
    from torch.utils._python_dispatch import TorchDispatchMode

    from convnextpose_check.network.plain import ConvNeXtPose

    products: list[int] = []
    large: list[str] = []
    a = catalogue["M"].architecture
    volume = torch.Size(reversed(a.grid_whd))

    class Watching(TorchDispatchMode):  # type: ignore[no-untyped-call]  # untyped in torch
        def __torch_dispatch__(
            self, func: Any, _types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            answer = func(*args, **(kwargs or {}))
            if func is torch.ops.aten.matmul.default and args[0].dim() == 2:
                products.append(answer.shape[:-2].numel())
            if isinstance(answer, torch.Tensor) and answer.shape[2:] == volume:
                large.append(func._schema.name)
            return answer

    meta = torch.device("meta")
    network = fast_network.FastConvNeXtPose(ConvNeXtPose(a), device=meta)
    features = torch.zeros(2 * 64, a.head_channels, 32, 32, device=meta)
    with torch.inference_mode(), Watching():  # type: ignore[no-untyped-call]
        answer = network._located(features)

    assert answer.shape == (128, 18, 3)
    assert 50_000 < max(products) < 65_536
    assert large == ["aten::matmul", "aten::exp_"] * len(products)


def test_cpu_keeps_channels_last(catalogue: Catalogue) -> None:
    from convnextpose_check.network.plain import ConvNeXtPose

    fast = fast_network.FastConvNeXtPose(ConvNeXtPose(catalogue["XS"].architecture))

    weights = [m.weight for m in fast.modules() if isinstance(m, torch.nn.Conv2d)]
    assert all(w.is_contiguous(memory_format=torch.channels_last) for w in weights)
