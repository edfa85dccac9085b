"""Find epoch, network and optimizer steps in a loaded object, which may be hostile.

Nothing here calls a method that the object may replace.
"""

from collections import Counter, OrderedDict
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convnextpose_check.checkpoints.members import RefusedError, quote
from convnextpose_check.errors import ErrorCode
from convnextpose_check.network.keymap import StateDict


def read_epoch(saved: Any) -> int | None:
    """The epoch beside the network, None if the object has none.

    Raises ``RefusedError`` (``not-a-checkpoint``) if it is not an integer.
    """
    if not _is_dict(saved) or "epoch" not in saved:
        return None
    epoch = saved["epoch"]
    if type(epoch) not in (int, np.int64) or epoch < 0:
        raise RefusedError("has an epoch that is not an integer from 0", ErrorCode.NOT_A_CHECKPOINT)
    return int(epoch)


def read_network(saved: Any) -> StateDict:
    """The state dict with contiguous float32 and int64 tensors.

    Raises ``RefusedError``: ``not-a-checkpoint``, ``unsafe-archive``, ``wrong-layout``.
    """
    found = _find_network(saved)
    if not _is_dict(found) or not dict.__len__(found):
        raise RefusedError("contains no state dict under 'network'", ErrorCode.NOT_A_CHECKPOINT)
    if attributes := set(getattr(found, "__dict__", ())) - {"_metadata"}:
        problem = f"contains a state dict with extra attributes ({quote(str(attributes))})"
        raise RefusedError(problem, ErrorCode.NOT_A_CHECKPOINT)
    network: dict[str, Tensor] = {}
    claimed_bytes: Counter[int] = Counter()  # by the address of the storage
    for key, tensor in dict.items(found):
        if type(key) is not str or not (key.isascii() and key.isprintable()):
            raise RefusedError(f"has the key {quote(str(key))}: expected printable ASCII")
        is_plain = type(tensor) is torch.Tensor and not tensor._backward_hooks
        if not is_plain or not _fits_storage(tensor, claimed_bytes):
            raise RefusedError(
                f"contains under {quote(key)} something other than a plain tensor that fits its"
                " storage"
            )
        network[key] = _convert_exactly(key, tensor)
    return network


def read_steps(saved: Any) -> tuple[float, ...]:
    """The numbers at ``optimizer.state.<parameter>.step`` of an AdamW, ignoring the rest."""
    optimizer = dict.get(saved, "optimizer") if _is_dict(saved) else None
    state = dict.get(optimizer, "state") if type(optimizer) is dict else None
    if type(state) is not dict:
        return ()
    steps = [dict.get(each, "step") for each in dict.values(state) if type(each) is dict]
    # Tensors of one element, or numbers as torch saved before 1.12.
    steps = [s.item() if type(s) is torch.Tensor and s.numel() == 1 else s for s in steps]
    return tuple(step for step in steps if isinstance(step, (int, float)))


def _is_dict(value: Any) -> bool:
    return type(value) in (dict, OrderedDict)


def _find_network(saved: Any) -> Any:
    """The value under 'network', else the only state dict."""
    inside = saved if _is_dict(saved) else {}
    if "network" in inside:
        return inside["network"]
    found = [value for value in (saved, *dict.values(inside)) if _is_state_dict(value)]
    if len(found) == 1:
        return found[0]
    raise RefusedError(
        f"contains {len(found)} state dicts: expected one under 'network'",
        ErrorCode.AMBIGUOUS if found else ErrorCode.NOT_A_CHECKPOINT,
        "Pass the training snapshot, or save the state dict of the network alone",
    )


def _is_state_dict(value: Any) -> bool:
    """True for a dict with tensors as its only values."""
    tensors = dict.values(value) if _is_dict(value) else ()
    return len(tensors) > 0 and all(type(tensor) is torch.Tensor for tensor in tensors)


def _fits_storage(tensor: Tensor, claimed_bytes: Counter[int]) -> bool:
    """True if the storage is large enough for this and its earlier tensors together."""
    storage = tensor.untyped_storage()
    claimed_bytes[storage.data_ptr()] += tensor.numel() * tensor.element_size()
    return not tensor.numel() or claimed_bytes[storage.data_ptr()] <= storage.nbytes()


def _convert_exactly(key: str, tensor: Tensor) -> Tensor:
    """A contiguous float32 or int64 tensor with the same values.

    Raises ``RefusedError`` (``wrong-layout``) where conversion would change values.
    """
    tensor = tensor.contiguous()
    if tensor.dtype in (torch.float32, torch.int64):
        return tensor
    expected = "float32 or int64"
    if tensor.dtype is torch.float64:
        converted = tensor.float()
        if bool(((converted.double() == tensor) | tensor.isnan()).all()):
            return converted
        expected = "values that float32 can represent"
    dtype = str(tensor.dtype).removeprefix("torch.")
    raise RefusedError(
        f"contains under {quote(key)} a tensor of {dtype}: expected {expected}",
        ErrorCode.WRONG_LAYOUT,
        "Use the original file in float32; to measure the error of converted weights, export the"
        " model to ONNX and pass it with --network",
    )
