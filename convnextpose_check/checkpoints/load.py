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
    """The network of a checkpoint file, under the file's keys and in its order.

    ``form`` names the containers, outermost last. ``sha256`` and git's object id ``git_blob`` are
    those of the user's file; a folder has no object id. ``steps`` are the optimizer's steps of each
    parameter, empty without an optimizer.
    """

    path: Path
    form: str
    sha256: str
    epoch: int
    network: StateDict
    steps: tuple[float, ...] = ()
    git_blob: str | None = None


def load_checkpoint(path: Path) -> Checkpoint:
    """Load a checkpoint in any container, with ``weights_only`` and checked content.

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
        problem, code = f"{path} does not exist", ErrorCode.FILE_NOT_FOUND
        remedy = "Check the path"
    except OSError as error:
        problem, code = f"cannot read {path}: {error.strerror or error}", ErrorCode.UNREADABLE
        remedy = "Check the permissions"
    raise ConvNeXtPoseCheckError(code, problem, remedy) from None


def load_content(path: Path) -> tuple[Any, str, str, str | None]:
    """The saved object, with the form, sha256 and git's object id of the file.

    Raises ``RefusedError`` or ``OSError``.
    """
    import torch

    archive, form, sha256, git_blob = repack(path)
    try:
        content = torch.load(archive, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001 - of many types, and with unsafe advice
        problem = f"has a data.pkl that torch cannot load ({type(error).__name__})"
        raise RefusedError(problem) from None
    return content, form, sha256, git_blob


def _check_content(content: Any) -> tuple[int, StateDict, tuple[float, ...]]:
    """Epoch, network and steps, read without methods that the file may replace."""
    if type(content) is not dict or "network" not in content or "epoch" not in content:
        raise RefusedError(
            "contains no dict with 'epoch' and 'network'",
            ErrorCode.NOT_A_CHECKPOINT,
            "Give the training snapshot, not a bare state dict or another file",
        )
    epoch, network = content["epoch"], content["network"]
    problem = None
    if type(epoch) is not int or not 0 <= epoch < MAX_EPOCH:
        problem = f"has an epoch that is not an integer from 0 to {MAX_EPOCH - 1:,}"
    elif type(network) not in (dict, OrderedDict) or not dict.__len__(network):
        problem = "contains no state dict under 'network'"
    elif attributes := set(getattr(network, "__dict__", ())) - {"_metadata"}:
        problem = f"contains a state dict with extra attributes ({quote(str(attributes))})"
    if problem:
        raise RefusedError(problem, ErrorCode.NOT_A_CHECKPOINT)
    claimed_bytes: Counter[int] = Counter()  # by the address of the storage
    for key, tensor in dict.items(network):
        if type(key) is not str or not (key.isascii() and key.isprintable()):
            raise RefusedError(f"has the key {quote(str(key))}: expected printable ASCII")
        if not _is_plain(tensor) or not _fits_storage(tensor, claimed_bytes):
            raise RefusedError(
                f"contains under {quote(key)} something other than a contiguous float32 or int64"
                " tensor that fits its storage"
            )
    return epoch, dict(dict.items(network)), _read_steps(dict.get(content, "optimizer"))


def _read_steps(optimizer: Any) -> tuple[float, ...]:
    """The numbers at ``state.<parameter>.step`` of an AdamW, ignoring the rest."""
    state = dict.get(optimizer, "state") if type(optimizer) is dict else None
    if type(state) is not dict:
        return ()
    steps = (_to_number(dict.get(s, "step")) for s in dict.values(state) if type(s) is dict)
    return tuple(step for step in steps if step is not None)


def _to_number(value: Any) -> float | None:
    """The value of a number (saved by torch before 1.12) or a tensor of one element."""
    if _is_plain(value) and value.numel() == 1:
        value = value.item()
    return value if type(value) in (int, float) else None


def _is_plain(tensor: Any) -> bool:
    """True for a dense, contiguous CPU tensor of a dtype in the authors' files."""
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
    """True if the storage is large enough for this and its earlier tensors together."""
    storage = tensor.untyped_storage()
    claimed_bytes[storage.data_ptr()] += tensor.numel() * tensor.element_size()
    return not tensor.numel() or claimed_bytes[storage.data_ptr()] <= storage.nbytes()
