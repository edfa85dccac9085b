"""A GPU that is not there: tensors on ``meta``, and what would make the host wait for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CROSSING = {"aten::_to_copy", "aten::to", "aten::copy_"}
ASKING = {"aten::_local_scalar_dense", "aten::item", "aten::is_nonzero", "aten::nonzero"}


class _Lists(TorchFunctionMode):
    """Records lists of numbers that go from Python to the device, which operators do not show."""

    def __init__(self, device: StandIn) -> None:
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


class StandIn(TorchDispatchMode):  # type: ignore[no-untyped-call]  # untyped in torch
    """Records in ``waits`` each operator for which the host would wait."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waits: list[str] = []
        self._lists = _Lists(self)

    def __enter__(self) -> Any:
        self._lists.__enter__()  # type: ignore[no-untyped-call]
        return super().__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._lists.__exit__(*error)  # type: ignore[no-untyped-call]

    def wait(self, why: str) -> None:
        self.waits.append(why)

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        name = func._schema.name
        if name == "aten::copy_" and args[1].is_meta and not args[0].is_meta:
            answer = args[0].zero_()  # torch has no data to copy
        elif name in CROSSING and args[0].is_meta and _target(func, args, kwargs) == "cpu":
            answer = torch.zeros(args[0].shape, dtype=args[0].dtype)
        else:
            answer = func(*args, **kwargs)
        after = [leaf for leaf in tree_leaves(answer) if isinstance(leaf, torch.Tensor)]
        devices = {tensor.is_meta for tensor in [*tensors, *after]}
        from_host = any(not tensor.is_meta and tensor.dim() for tensor in tensors)
        crosses = devices == {True, False} and (from_host or name in CROSSING)
        is_asking = True in devices and name in ASKING
        if is_asking or (crosses and not _given(func, args, kwargs, "non_blocking")):
            self.wait(name)
        return answer


@dataclass(frozen=True)
class Event:
    """Stands for a CUDA event on this device."""

    device: StandIn

    def synchronize(self) -> None:
        self.device.wait("event")

    def elapsed_time(self, _later: Event) -> float:
        return 1.0


def _target(func: Any, args: Any, kwargs: Any) -> str:
    target = _given(func, args, kwargs, "device")
    if target is None and (other := _given(func, args, kwargs, "other")) is not None:
        target = other.device
    return torch.device(target).type if target is not None else "meta"


def _given(func: Any, args: Any, kwargs: Any, name: str) -> Any:
    """An argument of an operator, wherever it stands."""
    for place, argument in enumerate(func._schema.arguments):
        if argument.name == name:
            return args[place] if place < len(args) else kwargs.get(name)
    return None
