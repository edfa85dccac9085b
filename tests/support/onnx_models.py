"""ONNX models as bytes, with no more in them than a test needs."""

from __future__ import annotations


def field(number: int, content: bytes) -> bytes:
    """A protobuf field of fewer than 16,384 bytes."""
    tag = number << 3 | 2
    return _varint(tag) + _varint(len(content)) + content


def external_tensor(location: str) -> bytes:
    """A TensorProto whose numbers are in another file."""
    name = field(1, b"location") + field(2, location.encode())
    offset = field(1, b"offset") + field(2, b"0")
    return field(13, offset) + field(13, name)


def onnx_model(producer: str, weights: str) -> bytes:
    """A model by this producer with one tensor in the file ``weights``."""
    graph = field(5, external_tensor(weights))
    return b"\x08\x0a" + field(2, producer.encode()) + field(7, graph)


def _varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value & 127 | 128, value >> 7])
