"""Pickles of ordinary picklers: calls of any function, and values other than plain tensors."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch

from tests.hostile.cases import CANARY, add
from tests.support.archives import save_to_bytes


class _Call:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


def _add_call(key: str, name: str, function: Any, *arguments: Any) -> None:
    """Add a snapshot with this call under ``key``."""
    call = _Call(function, *arguments)
    content = {"epoch": 1, "network": OrderedDict(w=torch.ones(2)), key: call}
    add(f"calls_{name}", lambda _: save_to_bytes(content), fragment=name)


_add_call("optimizer", "posix.mkdir", os.mkdir, str(CANARY))
_add_call("epoch", "eval", eval, f"open({str(CANARY)!r}, 'w')")
_add_call("other", "bytearray", bytearray, 8 << 30)


def _plain() -> Any:
    return torch.arange(6.0).reshape(2, 3)


VALUES: dict[str, tuple[Callable[[], Any], str, str]] = {
    "sparse": (lambda: _plain().to_sparse(), "unsafe-archive", "_rebuild_sparse_tensor"),
    "parameter": (lambda: torch.nn.Parameter(_plain()), "unsafe-archive", "_rebuild_parameter"),
    "requires_grad": (lambda: _plain().requires_grad_(), "unsafe-archive", "malformed arguments"),
    "number": (lambda: 1.5, "unsafe-archive", "'module.w'"),
}
for _name, (_make, _code, _fragment) in VALUES.items():
    add(
        f"value_{_name}",
        lambda _, make=_make: save_to_bytes(  # type: ignore[misc]
            {"epoch": 1, "network": OrderedDict({"module.w": make()}), "other": torch.ones(3)}
        ),
        _code,
        fragment=_fragment,
    )


SNAPSHOTS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "bare_and_a_number": (lambda: {"module.w": _plain(), "n": 1}, "not-a-checkpoint", "dict"),
    "two": (
        lambda: {"a": {"w": _plain()}, "b": {"w": _plain()}},
        "ambiguous",
        "2 state dicts",
    ),
    "damaged": (
        lambda: {"epoch": 1, "network": {}, "w": _plain()},
        "not-a-checkpoint",
        "state dict",
    ),
    "tensor_for_network": (lambda: {"epoch": 1, "network": _plain()}, "not-a-checkpoint", "state"),
    "number_as_key": (lambda: {"epoch": 1, "network": {1: _plain()}}, "unsafe-archive", "key"),
}
for _epoch in (70.0, -1, True):
    SNAPSHOTS[f"epoch_{_epoch}"] = (
        lambda epoch=_epoch: {"epoch": epoch, "network": {"w": _plain()}},  # type: ignore[misc]
        "not-a-checkpoint",
        "epoch",
    )
for _name, (_make, _code, _fragment) in SNAPSHOTS.items():
    add(f"snapshot_{_name}", lambda _, make=_make: save_to_bytes(make()), _code, fragment=_fragment)  # type: ignore[misc]
