"""A fake GPU: tensors on ``meta``, and a record of operators that synchronize."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

COPYING = {"aten::_to_copy", "aten::copy_"}
SYNCHRONIZING = {"aten::_local_scalar_dense", "aten::item", "aten::is_nonzero", "aten::nonzero"}


class ListMode(TorchFunctionMode):
    """Also records Python lists copied to the device, which the dispatcher does not see."""

    def __init__(self, device: FakeGpu) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        answer = func(*args, **(kwargs or {}))
        if func in (torch.tensor, torch.as_tensor) and answer.is_meta:
            self.device.wait("a tensor from Python's numbers")
        elif func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__) and args[0].is_meta:
            indices = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(isinstance(index, (list, tuple)) for index in indices):
                self.device.wait("an index from Python's numbers")
        return answer


class FakeGpu(TorchDispatchMode):  # type: ignore[no-untyped-call]  # untyped in torch
    """Records in ``waits`` each operator for which the host would wait."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waits: list[str] = []

    def wait(self, why: str) -> None:
        self.waits.append(why)

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        name = func._schema.name
        to_host = kwargs.get("device") == torch.device("cpu")
        if name == "aten::copy_" and args[1].is_meta and not args[0].is_meta:
            answer = args[0].zero_()  # torch has no data to copy
        elif name == "aten::_to_copy" and args[0].is_meta and to_host:
            answer = torch.zeros(args[0].shape, dtype=args[0].dtype)
        else:
            answer = func(*args, **kwargs)
        outputs = [leaf for leaf in tree_leaves(answer) if isinstance(leaf, torch.Tensor)]
        devices = {tensor.is_meta for tensor in [*tensors, *outputs]}
        from_host = any(not tensor.is_meta and tensor.dim() for tensor in tensors)
        crosses = devices == {True, False} and (from_host or name in COPYING)
        is_synchronizing = True in devices and name in SYNCHRONIZING
        is_async = kwargs.get("non_blocking") or (name == "aten::copy_" and True in args[2:])
        if is_synchronizing or (crosses and not is_async):
            self.wait(name)
        return answer
