"""Load a checkpoint that nobody vouches for, and tell which variant it really is."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convnextpose_check.checkpoints.members import DOWNLOAD_AGAIN, shown
from convnextpose_check.checkpoints.pickle_check import check_pickle
from convnextpose_check.checkpoints.unpack import Repacked, repack
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.network.keymap import StateDict

if TYPE_CHECKING:
    from torch import Tensor

MAX_EPOCH = 1_000_000


@dataclass(frozen=True)
class Checkpoint:
    """The network of a checkpoint file, as the file names and orders it.

    ``sha256`` is that of the file as the user holds it; ``form`` says what it was found in.
    ``steps`` has the optimizer's step of each parameter, nothing where there is no optimizer.
    ``git_blob`` is the id that git gives the file, None for an unpacked folder.
    """

    path: Path
    form: str
    sha256: str
    epoch: int
    network: StateDict
    steps: tuple[float, ...] = ()
    git_blob: str | None = None


def load_checkpoint(path: Path) -> Checkpoint:
    """Open a checkpoint in any container, with ``weights_only`` and checked content.

    Raises ``ConvNeXtPoseCheckError`` with the codes of ``load_content``, ``not-a-checkpoint`` and
    ``bad-tensor``.
    """
    content, repacked = load_content(path)
    epoch, network = _checked_content(content, path)
    return Checkpoint(
        path,
        repacked.form,
        repacked.sha256,
        epoch,
        network,
        _steps(dict.get(content, "optimizer")),
        repacked.git_blob,
    )


def load_content(path: Path) -> tuple[Any, Repacked]:
    """What ``torch.save`` was given, of whatever form, and the archive that it was loaded from.

    Raises ``ConvNeXtPoseCheckError`` with the codes of ``repack`` and of ``check_pickle``.
    """
    import torch

    repacked = repack(path)
    check_pickle(repacked.pickle, repacked.storages, path)
    try:
        content = torch.load(repacked.archive, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch raises a dozen types, with unsafe advice
        raise ConvNeXtPoseCheckError(
            "bad-pickle",
            f"{path} has a data.pkl that torch cannot load ({type(error).__name__})",
            DOWNLOAD_AGAIN,
        ) from None
    return content, repacked


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
    if attributes := set(getattr(network, "__dict__", ())) - {"_metadata"}:
        raise ConvNeXtPoseCheckError(
            "not-a-checkpoint",
            f"{path} holds a state dict with attributes of its own ({shown(str(attributes))})",
            DOWNLOAD_AGAIN,
        )
    state: dict[str, Tensor] = {}
    claimed: Counter[int] = Counter()
    for key, tensor in dict.items(network):
        if type(key) is not str or not (key.isascii() and key.isprintable()):
            raise ConvNeXtPoseCheckError(
                "bad-tensor",
                f"{path} has the key {shown(str(key))}, which is not a printable string",
                DOWNLOAD_AGAIN,
            )
        state[key] = _plain(tensor, key, claimed, path)
    return epoch, state


def _steps(optimizer: Any) -> tuple[float, ...]:
    """The numbers under ``state.<parameter>.step``; whatever is none of AdamW's is passed over."""
    state = dict.get(optimizer, "state") if type(optimizer) is dict else None
    if type(state) is not dict:
        return ()
    steps = (dict.get(each, "step") for each in dict.values(state) if type(each) is dict)
    return tuple(_number(step) for step in steps if _is_number(step))


def _is_number(value: Any) -> bool:
    """Whether it is a step as any version of torch writes it: a number, or a tensor of one."""
    return type(value) in (int, float) or (_is_plain(value) and value.numel() == 1)


def _number(value: Any) -> float:
    number: float = value if type(value) in (int, float) else value.item()
    return number


def _is_plain(tensor: Any) -> bool:
    """Whether it is a dense tensor on the CPU, of a dtype that the authors' files have."""
    import torch

    return (
        type(tensor) is torch.Tensor
        and not vars(tensor)
        and tensor.layout is torch.strided
        and tensor.device.type == "cpu"
        and tensor.dtype in (torch.float32, torch.int64)
        and not tensor.requires_grad
        and not tensor._backward_hooks
        and tensor.is_contiguous()
    )


def _plain(tensor: Any, key: str, claimed: Counter[int], path: Path) -> Tensor:
    """The tensor itself if it is plain, dense, on the CPU and backed by storage of its own.

    ``claimed`` adds up the bytes that tensors claim of each storage.
    """
    plain = _is_plain(tensor)
    if plain:
        storage = tensor.untyped_storage()
        claimed[storage.data_ptr()] += tensor.numel() * tensor.element_size()
        plain = not tensor.numel() or claimed[storage.data_ptr()] <= storage.nbytes()
    if not plain:
        raise ConvNeXtPoseCheckError(
            "bad-tensor",
            f"{shown(key)} in {path} is not a plain contiguous tensor of float32 or int64 in a"
            " storage of its own size",
            DOWNLOAD_AGAIN,
        )
    return tensor  # type: ignore[no-any-return]  # its exact type was compared above
