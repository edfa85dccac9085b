"""Load a checkpoint from an untrusted file."""

from __future__ import annotations

from collections import Counter, OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convnextpose_check.checkpoints.members import RefusedError, quote
from convnextpose_check.checkpoints.unpack import repack
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.network.keymap import StateDict

if TYPE_CHECKING:
    from torch import Tensor

MAX_EPOCH = 1_000_000


@dataclass(frozen=True)
class Checkpoint:
    """The network of a checkpoint file, with the file's keys in the file's order.

    ``form`` names the containers, ``sha256`` is the user's file's, ``steps`` are the optimizer's
    steps of each parameter, if any, and ``git_blob`` is git's id of the file, None for a folder.
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

    Raises ``ConvNeXtPoseCheckError``: ``file-not-found``, ``unreadable``, ``html-page``,
    ``damaged``, ``not-a-checkpoint``, ``ambiguous``, ``unsupported-archive``, ``unsafe-archive``.
    """
    try:
        content, form, sha256, git_blob = load_content(path)
        epoch, network, steps = _check_content(content)
        return Checkpoint(path, form, sha256, epoch, network, steps, git_blob)
    except RefusedError as error:
        problem, code, remedy = f"{path} {error.problem}", error.code, error.remedy
    except FileNotFoundError:
        problem, code = f"there is no file {path}", ErrorCode.FILE_NOT_FOUND
        remedy = "Check its name"
    except OSError as error:
        problem, code = f"cannot read {path}: {error.strerror or error}", ErrorCode.UNREADABLE
        remedy = "Check its permissions"
    raise ConvNeXtPoseCheckError(code, problem, remedy) from None


def load_content(path: Path) -> tuple[Any, str, str, str | None]:
    """The object that ``torch.save`` was given, with form, sha256 and git's id of the file.

    Raises ``RefusedError`` or ``OSError``.
    """
    import torch

    archive, form, sha256, git_blob = repack(path)
    try:
        content = torch.load(archive, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - torch raises a dozen types, with unsafe advice
        problem = f"has a data.pkl that torch cannot load ({type(error).__name__})"
        raise RefusedError(problem) from None
    return content, form, sha256, git_blob


def _check_content(content: Any) -> tuple[int, StateDict, tuple[float, ...]]:
    """Epoch, network and steps of the loaded object, by no method that the file could replace."""
    if type(content) is not dict or "network" not in content or "epoch" not in content:
        raise RefusedError(
            "does not hold a dict with 'epoch' and 'network'",
            ErrorCode.NOT_A_CHECKPOINT,
            "Name the training snapshot, not a bare state dict or another file",
        )
    epoch, network = content["epoch"], content["network"]
    problem = None
    if type(epoch) is not int or not 0 <= epoch < MAX_EPOCH:
        problem = f"has an epoch that is not a whole number below {MAX_EPOCH:,}"
    elif type(network) not in (dict, OrderedDict) or not dict.__len__(network):
        problem = "holds no state dict under 'network'"
    elif attributes := set(getattr(network, "__dict__", ())) - {"_metadata"}:
        problem = f"holds a state dict with extra attributes ({quote(str(attributes))})"
    if problem:
        raise RefusedError(problem, ErrorCode.NOT_A_CHECKPOINT)
    claimed_bytes: Counter[int] = Counter()  # of each storage, by its address
    for key, tensor in dict.items(network):
        if type(key) is not str or not (key.isascii() and key.isprintable()):
            raise RefusedError(
                f"has the key {quote(str(key))}, which is not a escape_control_chars string"
            )
        if not _is_plain(tensor) or not _fits_storage(tensor, claimed_bytes):
            raise RefusedError(
                f"holds under {quote(key)} something other than a contiguous tensor of float32 or"
                " int64 in a storage of its own size"
            )
    return epoch, dict(dict.items(network)), _read_steps(dict.get(content, "optimizer"))


def _read_steps(optimizer: Any) -> tuple[float, ...]:
    """The numbers under ``state.<parameter>.step`` of an AdamW; everything else is ignored."""
    state = dict.get(optimizer, "state") if type(optimizer) is dict else None
    if type(state) is not dict:
        return ()
    steps = (
        _to_number(dict.get(each, "step")) for each in dict.values(state) if type(each) is dict
    )
    return tuple(step for step in steps if step is not None)


def _to_number(value: Any) -> float | None:
    """The value of a number or of a tensor with one element: torch before 1.12 wrote numbers."""
    if _is_plain(value) and value.numel() == 1:
        value = value.item()
    return value if type(value) in (int, float) else None


def _is_plain(tensor: Any) -> bool:
    """True for a dense tensor on the CPU, of a dtype that the authors' files have."""
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


def _fits_storage(tensor: Tensor, claimed_bytes: Counter[int]) -> bool:
    """True if all tensors of the tensor's storage together are no larger than the storage."""
    storage = tensor.untyped_storage()
    claimed_bytes[storage.data_ptr()] += tensor.numel() * tensor.element_size()
    return not tensor.numel() or claimed_bytes[storage.data_ptr()] <= storage.nbytes()
