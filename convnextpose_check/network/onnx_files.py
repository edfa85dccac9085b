"""The files that an ONNX model reads: its own, and those that hold its weights.

Exporters write large weights beside the model, as ``external_data`` of its tensors. The model is a
protobuf message, of which this module reads the fields on the way to tensors. It needs no onnx.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from convnextpose_check.errors import ConvNeXtPoseCheckError

TENSOR = "TensorProto"
FIELDS: dict[str, dict[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "GraphProto": {1: "NodeProto", 5: TENSOR, 15: "SparseTensorProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: TENSOR,
        6: "GraphProto",
        10: TENSOR,
        11: "GraphProto",
        22: "SparseTensorProto",
        23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: TENSOR, 2: TENSOR},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    TENSOR: {13: "StringStringEntryProto"},
}
"""The fields of onnx.proto that lead to tensors, and the message that each holds."""

_KEY, _VALUE = 1, 2
"""Fields of StringStringEntryProto."""
_VARINT, _FIXED_64, _BYTES, _FIXED_32 = 0, 1, 2, 5
"""Wire types of protobuf. The two of groups are used by no ONNX model."""
_LONGEST_VARINT = 10


def external_files(model: Path) -> dict[str, Path]:
    """The files that hold the model's weights, by the location that the model names.

    Raises ``ConvNeXtPoseCheckError`` (``bad-network``) if the model is not a protobuf message, or
    if a location leaves the model's folder or is not a file.
    """
    try:
        locations = external_locations(model.read_bytes())
    except ValueError as error:
        raise _refused(f"{model} cannot be loaded, it is not an ONNX model: {error}") from None
    found = {}
    for location in sorted(locations):
        inside = Path(os.path.normpath(location))
        if not location or inside.is_absolute() or inside.parts[:1] == (os.pardir,):
            raise _refused(f"{model} reads weights outside of its folder: {location!r}")
        path = model.parent / location
        if not path.is_file():
            raise _refused(f"{model} reads its weights from {path}, which is not a file")
        found[location] = path
    return found


def external_locations(content: bytes) -> set[str]:
    """The locations of external data that the bytes of a model name.

    Raises ``ValueError`` for bytes that are not a protobuf message.
    """
    locations: set[str] = set()
    waiting = [("ModelProto", memoryview(content))]
    while waiting:
        message, part = waiting.pop()
        fields = FIELDS[message]
        for number, value in _fields(part):
            if number not in fields:
                continue
            if value is None:
                raise ValueError(f"field {number} of a {message} is not a message")
            if message == TENSOR:
                locations |= _locations(value)
            else:
                waiting.append((fields[number], value))
    return locations


def _locations(entry: memoryview) -> set[str]:
    """The values of an entry whose key is ``location``: one in every valid entry."""
    fields = [(number, bytes(value)) for number, value in _fields(entry) if value is not None]
    if (_KEY, b"location") not in fields:
        return set()
    return {os.fsdecode(value) for number, value in fields if number == _VALUE} or {""}


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    """Number and bytes of each field, None for a number instead of bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            _, at = _varint(message, at)
            yield number, None
            continue
        if wire_type == _BYTES:
            size, at = _varint(message, at)
        elif wire_type in (_FIXED_32, _FIXED_64):
            size = 4 if wire_type == _FIXED_32 else 8
        else:
            raise ValueError(f"byte {at} begins a field of the unknown wire type {wire_type}")
        if size > len(message) - at:
            raise ValueError(f"a field of {size:,} bytes ends after its message")
        yield number, message[at : at + size] if wire_type == _BYTES else None
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number at this byte, and the byte after it."""
    value = 0
    for index, byte in enumerate(message[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise ValueError(f"byte {at} begins a number without an end")


def _refused(problem: str) -> ConvNeXtPoseCheckError:
    return ConvNeXtPoseCheckError(
        "bad-network",
        problem,
        "Export the model again, and keep the .onnx and its .data file in one folder",
    )
