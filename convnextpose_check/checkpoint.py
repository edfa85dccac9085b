"""Load a checkpoint that nobody vouches for, and tell which variant it really is."""

from __future__ import annotations

import pickletools
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convnextpose_check.containers import repack
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.members import DOWNLOAD_AGAIN

if TYPE_CHECKING:
    from torch import Tensor

StateDict = Mapping[str, "Tensor"]

ALLOWED_GLOBALS = frozenset(
    {
        "collections OrderedDict",
        "torch._utils _rebuild_tensor_v2",
        "torch FloatStorage",
        "torch LongStorage",
    }
)
"""All that the authors' checkpoints name; anything else is refused before torch sees it."""

ALLOWED_OPCODES = frozenset(
    "PROTO STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT BINUNICODE"
    " EMPTY_LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT SETITEM SETITEMS"
    " BINPUT LONG_BINPUT BINGET LONG_BINGET GLOBAL REDUCE BUILD BINPERSID".split()
)
"""What torch.save emits, and no more."""

MAX_PICKLE_BYTES = 4 << 20
MAX_EPOCH = 1_000_000


@dataclass(frozen=True)
class Checkpoint:
    """The network of a checkpoint file, as the file names and orders it.

    ``sha256`` is that of the file as the user holds it; ``form`` says what it was found in.
    """

    path: Path
    form: str
    sha256: str
    epoch: int
    network: StateDict


def load_checkpoint(path: Path) -> Checkpoint:
    """Open a checkpoint in any container, with ``weights_only`` and checked content.

    Raises ``ConvNeXtPoseCheckError`` with the codes of ``repack`` and ``forbidden-global``,
    ``forbidden-opcode``, ``bad-pickle``, ``not-a-checkpoint`` and ``bad-tensor``.
    """
    import torch

    repacked = repack(path)
    _check_pickle(repacked.pickle, path)
    try:
        content = torch.load(repacked.archive, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch raises a dozen types, with unsafe advice
        raise ConvNeXtPoseCheckError(
            "bad-pickle",
            f"{path} has a data.pkl that torch cannot load ({type(error).__name__})",
            DOWNLOAD_AGAIN,
        ) from None
    epoch, network = _checked_content(content, path)
    return Checkpoint(path, repacked.form, repacked.sha256, epoch, network)


def _check_pickle(pickle: bytes, path: Path) -> None:
    """Hold every opcode and every global of ``data.pkl`` against the allow-lists."""
    if len(pickle) > MAX_PICKLE_BYTES:
        raise ConvNeXtPoseCheckError(
            "bomb",
            f"{path} has a data.pkl of {len(pickle)} bytes: expected at most {MAX_PICKLE_BYTES}",
            DOWNLOAD_AGAIN,
        )
    try:
        opcodes = [(opcode.name, argument) for opcode, argument, _ in pickletools.genops(pickle)]
    except Exception as error:  # noqa: BLE001 - a broken pickle raises whatever it meets
        raise ConvNeXtPoseCheckError(
            "bad-pickle", f"{path} has a data.pkl that is no pickle ({error})", DOWNLOAD_AGAIN
        ) from None
    for name, argument in opcodes:
        if name == "GLOBAL" and argument not in ALLOWED_GLOBALS:
            raise ConvNeXtPoseCheckError(
                "forbidden-global",
                f"{path} names {str(argument).replace(' ', '.')!r}: expected plain float32 and"
                " int64 tensors only",
                "Do not load this file by other means; save its epoch and network alone again",
            )
        if name not in ALLOWED_OPCODES:
            raise ConvNeXtPoseCheckError(
                "forbidden-opcode",
                f"{path} has a data.pkl with the opcode {name}, which torch.save does not write",
                "Do not load this file by other means; save its epoch and network alone again",
            )


def _checked_content(content: Any, path: Path) -> tuple[int, StateDict]:
    """Epoch and network of the loaded object, using no method that the file could replace."""
    if type(content) is not dict or "network" not in content or "epoch" not in content:
        raise ConvNeXtPoseCheckError(
            "not-a-checkpoint",
            f"{path} does not hold a dict with 'epoch' and 'network'",
            "Name the training snapshot, not a bare state dict or another file",
        )
    epoch, network = content["epoch"], content["network"]
    if type(epoch) is not int or not 0 <= epoch < MAX_EPOCH:
        raise ConvNeXtPoseCheckError(
            "not-a-checkpoint",
            f"{path} gives an epoch that is not a sensible whole number",
            DOWNLOAD_AGAIN,
        )
    if type(network) not in (dict, OrderedDict) or not dict.__len__(network):
        raise ConvNeXtPoseCheckError(
            "not-a-checkpoint", f"{path} holds no state dict under 'network'", DOWNLOAD_AGAIN
        )
    state: dict[str, Tensor] = {}
    for key, tensor in dict.items(network):
        if type(key) is not str:
            raise ConvNeXtPoseCheckError(
                "bad-tensor", f"{path} has a key that is not a string", DOWNLOAD_AGAIN
            )
        state[key] = _plain(tensor, key, path)
    return epoch, state


def _plain(tensor: Any, key: str, path: Path) -> Tensor:
    """The tensor itself if it is plain, dense, on the CPU and backed by enough storage."""
    import torch

    plain = (
        type(tensor) is torch.Tensor
        and not vars(tensor)
        and tensor.layout is torch.strided
        and tensor.device.type == "cpu"
        and tensor.is_contiguous()
        and tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()
    )
    if not plain:
        raise ConvNeXtPoseCheckError(
            "bad-tensor",
            f"'{key}' in {path} is not a plain contiguous tensor in a storage of its own size",
            DOWNLOAD_AGAIN,
        )
    return tensor  # type: ignore[no-any-return]  # its exact type was compared above
