"""What the ordinary picklers write: calls of anything, and values that are no plain tensor."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
import urllib.request
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.hostile import assembler as a
from tests.hostile.cases import Good, add
from tests.support.archives import saved
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import torch
else:
    torch = Deferred("torch")


class _Call:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


CALLS: dict[str, Callable[[Good], _Call]] = {
    "os_system": lambda good: _Call(os.system, f"touch {good.canary}"),
    "os_mkdir": lambda good: _Call(os.mkdir, str(good.canary)),
    "eval": lambda good: _Call(eval, f"open({str(good.canary)!r}, 'w')"),
    "exec": lambda good: _Call(exec, f"open({str(good.canary)!r}, 'w')"),
    "popen": lambda good: _Call(subprocess.Popen, ["touch", str(good.canary)]),
    "pip": lambda good: _Call(
        subprocess.check_call, [sys.executable, "-m", "pip", "download", "-d", str(good.canary)]
    ),
    "open_for_writing": lambda good: _Call(open, str(good.canary), "w"),
    "socket": lambda good: _Call(socket.create_connection, ("127.0.0.1", good.port)),
    "urlopen": lambda good: _Call(urllib.request.urlopen, f"http://127.0.0.1:{good.port}"),
    "environment": lambda good: _Call(os.putenv, good.variable, "sung"),
    "torch_load": lambda good: _Call(torch.load, str(good.canary)),
    "torch_save": lambda good: _Call(torch.save, 1, str(good.canary)),
    "torch_hub": lambda _: _Call(torch.hub.load, "a/b", "c"),
    "getattr": lambda _: _Call(getattr, "os", "system"),
    "import": lambda _: _Call(__import__, "antigravity"),
    "numpy_reconstruct": lambda _: _Call(np.empty, 1 << 40),
    "pickle_loads": lambda _: _Call(pickle.loads, b"."),
    "bytearray_8_gigabytes": lambda _: _Call(bytearray, 8 << 30),
    "float_tensor": lambda _: _Call(torch.FloatTensor, 1 << 31),
    "exit": lambda _: _Call(os._exit, 3),
}


def _calling(call: Callable[[Good], _Call], place: str) -> Callable[[Good], bytes]:
    def build(good: Good) -> bytes:
        calling = call(good)
        content: dict[str, Any] = {"epoch": 1, "network": OrderedDict(w=torch.ones(2))}
        if place == "alone":
            return a.with_pickle(good.archive, pickle.dumps(calling, protocol=2))
        return saved(content | {place: calling})

    return build


for _index, (_name, _call) in enumerate(CALLS.items()):
    _place = ("alone", "epoch", "optimizer")[_index % 3]
    add(f"calls_{_name}", _calling(_call, _place), "forbidden-global")


def _unusual(name: str, make: Callable[[], Any], code: str = "forbidden-global") -> None:
    def build(_: Good) -> bytes:
        network = OrderedDict({"module.w": make()})
        return saved({"epoch": 1, "network": network, "other": torch.ones(3)})

    add(f"value_{name}", build, code)


_unusual("sparse", lambda: torch.eye(3).to_sparse())
_unusual("meta", lambda: torch.empty(3, device="meta"))
_unusual("parameter", lambda: torch.nn.Parameter(torch.ones(3)))
_unusual("half", lambda: torch.ones(3).half())
_unusual("double", lambda: torch.ones(3).double())
_unusual("bool", lambda: torch.ones(3) > 0)
_unusual("complex", lambda: torch.ones(3) * 1j)
_unusual("numpy", lambda: np.ones(3))
_unusual("set", lambda: {1, 2})
_unusual("requires_grad", lambda: torch.ones(3, requires_grad=True), "bad-tensor")
