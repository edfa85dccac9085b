"""Writes pickles opcode by opcode, also those that no pickler writes."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from tests.support.archives import make_zip, read_members

STOP, MARK, TUPLE, REDUCE, BUILD = b".", b"(", b"t", b"R", b"b"
ORDERED_DICT = b"ccollections\nOrderedDict\n)R"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def text(value: str | bytes) -> bytes:
    """A string, with the opcode BINUNICODE."""
    data = value.encode() if isinstance(value, str) else value
    return b"X" + struct.pack("<I", len(data)) + data


def integer(value: int) -> bytes:
    """An integer, with the opcode BININT if it has 32 bits, else LONG1."""
    if -(1 << 31) <= value < 1 << 31:
        return b"J" + struct.pack("<i", value)
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(data)]) + data


def tuple_of(*items: bytes) -> bytes:
    """A tuple of values that are already pickled."""
    return MARK + b"".join(items) + TUPLE


def integers(values: Iterable[int]) -> bytes:
    """A tuple of integers."""
    return tuple_of(*map(integer, values))


def storage(
    key: bytes = text("0"), items: int = 6, kind: str = "FloatStorage", tag: str = "storage"
) -> bytes:
    """A storage, loaded by its persistent id."""
    kind_bytes = f"ctorch\n{kind}\n".encode()
    return tuple_of(text(tag), kind_bytes, key, text("cpu"), integer(items)) + b"Q"


def tensor(
    source: bytes = b"",
    size: Iterable[int] = (6,),
    stride: Iterable[int] = (1,),
    offset: int = 0,
    hooks: bytes = ORDERED_DICT,
) -> bytes:
    """A call of ``_rebuild_tensor_v2``."""
    arguments = (integer(offset), integers(size), integers(stride), b"\x89", hooks)
    return REBUILD + tuple_of(source or storage(), *arguments) + REDUCE


def dictionary(*pairs: bytes) -> bytes:
    """A dict of pickled keys and values, in alternation."""
    return b"}" + MARK + b"".join(pairs) + b"u"


def content(
    weight: bytes = b"", before: bytes = b"", extra: bytes = b"", network: bytes = b""
) -> bytes:
    """A whole data.pkl; ``before`` leaves nothing on the stack, ``extra`` is a key and a value."""
    network = network or ORDERED_DICT + MARK + text("module.w") + (weight or tensor()) + b"u"
    pairs = (text("epoch"), integer(1), text("network"), network, extra)
    return b"\x80\x02" + before + dictionary(*pairs) + STOP


def with_pickle(good: bytes, pickle: bytes, **members: bytes) -> bytes:
    """The good archive's container around another pickle and one storage of six numbers."""
    assert "data.pkl" in read_members(good)
    numbers = struct.pack("<6f", *range(6))
    return make_zip({"data.pkl": pickle, "version": b"3\n", "data/0": numbers} | members)
