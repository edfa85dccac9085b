"""Read a safetensors file: a JSON header with shapes, types and offsets, then the numbers."""

from collections.abc import Mapping
from typing import IO, Any

import msgspec
from safetensors.torch import load

from convnextpose_check.checkpoints.members import RefusedError, quote
from convnextpose_check.errors import ErrorCode

MAX_HEADER_BYTES = 4 << 20
"""The header of a converted checkpoint has 30 kB."""


def load_safetensors(stream: IO[bytes]) -> tuple[Any, Mapping[str, str]]:
    """The tensors in the file's order, and the metadata; raises ``RefusedError``."""
    length = int.from_bytes(stream.read(8), "little")
    if length > MAX_HEADER_BYTES:
        problem = f"has a header of {length} bytes: expected at most {MAX_HEADER_BYTES}"
        raise RefusedError(problem)
    try:
        header = msgspec.json.decode(stream.read(length), type=dict[str, Any])
        metadata = header.pop("__metadata__", {})
        stream.seek(0)
        tensors = load(stream.read())  # also checks that the metadata are texts
        ordered = {key: tensors[key] for key in header}  # the library's order varies
    except Exception as error:  # noqa: BLE001 - of many types
        problem = f"is a damaged safetensors file ({quote(str(error))})"
        raise RefusedError(problem, ErrorCode.DAMAGED) from None
    return ordered, metadata
