"""A device that is not there: operators on ``meta`` take time on a clock that nobody waits for.

It has one queue, as a GPU has. What is given to it begins when all before it is done; the host
goes on meanwhile, unless it asks for something that only then is known.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

KERNEL_SECONDS = 1.0
CROSSING = {"aten::_to_copy", "aten::to", "aten::copy_"}
ASKING = {"aten::_local_scalar_dense", "aten::item", "aten::is_nonzero", "aten::nonzero"}


class _Lists(TorchFunctionMode):
    """Notices what operators do not show: lists of numbers that go from Python to the device."""

    def __init__(self, device: StandIn) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        answer = func(*args, **kwargs)
        if func in (torch.tensor, torch.as_tensor) and answer.is_meta:
            self.device.wait(self.device.done, "a tensor from Python's numbers")
        elif func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__) and args[0].is_meta:
            places = args[1] if isinstance(args[1], tuple) else (args[1],)
            if any(isinstance(place, (list, tuple)) for place in places):
                self.device.wait(self.device.done, "an index from Python's numbers")
        return answer


class StandIn(TorchDispatchMode):  # type: ignore[no-untyped-call]  # untyped in torch
    """Watches all operators: ``waits`` names what kept the host, ``idle`` counts what it cost.

    ``idle`` are the device's seconds without work between its first and its last.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.host = 0.0
        self.done = 0.0
        self.idle = 0.0
        self.waits: list[str] = []
        self._lists = _Lists(self)

    def __enter__(self) -> Any:
        self._lists.__enter__()  # type: ignore[no-untyped-call]
        return super().__enter__()  # type: ignore[no-untyped-call]

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]
        self._lists.__exit__(*error)  # type: ignore[no-untyped-call]

    def work(self) -> None:
        begins = max(self.host, self.done)
        if self.done:
            self.idle += begins - self.done
        self.done = begins + KERNEL_SECONDS

    def wait(self, until: float, why: str) -> None:
        self.waits.append(why)
        self.host = max(self.host, until)

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
        if True not in devices:
            return answer
        self.work()
        from_host = any(not tensor.is_meta and tensor.dim() for tensor in tensors)
        crosses = devices == {True, False} and (from_host or name in CROSSING)
        if name in ASKING or (crosses and not _given(func, args, kwargs, "non_blocking")):
            self.wait(self.done, name)
        return answer


class Event:
    def __init__(self, device: StandIn) -> None:
        self._device = device
        self._reached = device.done

    def synchronize(self) -> None:
        self._device.wait(self._reached, "event")

    def elapsed_time(self, later: Event) -> float:
        return 1000 * (later._reached - self._reached)


def _target(func: Any, args: Any, kwargs: Any) -> str:
    target = _given(func, args, kwargs, "device")
    if target is None and (other := _given(func, args, kwargs, "other")) is not None:
        target = other.device
    return torch.device(target).type if target is not None else "meta"


def _given(func: Any, args: Any, kwargs: Any, name: str) -> Any:
    for place, argument in enumerate(func._schema.arguments):
        if argument.name == name:
            return args[place] if place < len(args) else kwargs.get(name)
    return None
