"""Containers with false headers, bombs, nested archives, and files that are not archives."""

from __future__ import annotations

import gzip
import struct
import zipfile
from collections.abc import Callable
from typing import Any

from tests.hostile.cases import LOADS, add
from tests.support.archives import make_tar, make_zip, read_members

CENTRAL, END = b"PK\x01\x02", b"PK\x05\x06"
FLAGS, METHOD, CRC, SIZE, OFFSET = 8, 10, 16, 24, 42
"""Offsets of fields in an entry of a zip's central directory."""


def patch(archive: bytes, member: str, offset: int, value: bytes | int) -> bytes:
    """Replace a field in the directory's entry of the member whose name ends in ``member``."""
    value = value if isinstance(value, bytes) else struct.pack("<I", value)
    whole = bytearray(archive)
    entry = whole.find(CENTRAL)
    while entry >= 0:
        length = struct.unpack_from("<H", whole, entry + 28)[0]
        if whole[entry + 46 : entry + 46 + length].endswith(member.encode()):
            whole[entry + offset : entry + offset + len(value)] = value
            return bytes(whole)
        entry = whole.find(CENTRAL, entry + 4)
    raise KeyError(member)


add("is_empty", b"", "damaged")
add("is_png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not-a-checkpoint", fragment="PNG")
add("is_text", b"Too many users have viewed this file recently\n", "not-a-checkpoint")
add("is_zeros", bytes(10_000), "damaged", fragment="unfinished download")
add("is_zip_of_page", make_zip({"a.pth": b"<html>"}), "html-page")
add("zip_after_7z", lambda good: b"7z\xbc\xaf\x27\x1c\0\4" + good, "not-a-checkpoint")
add(
    "zip_with_tar_magic", lambda good: make_zip({"pad": b"ustar" * 100} | read_members(good)), LOADS
)


def _zip(name: str, change: Callable[[bytes], bytes], *codes: str) -> None:
    add(f"zip_{name}", lambda good: change(make_zip(read_members(good))), *codes)


_zip("password", lambda z: patch(z, "data.pkl", FLAGS, b"\1"), "unsupported-archive")
_zip("crc", lambda z: patch(z, "data/0", CRC, 1), "damaged")
_zip("size_too_large", lambda z: patch(z, "data/0", SIZE, 4000), "damaged")
_zip("offset_beyond", lambda z: patch(z, "data/0", OFFSET, 1 << 31), "damaged")
_zip("labeled_deflated", lambda z: patch(z, "data/0", METHOD, b"\x08"), "damaged")
_zip("labeled_bzip2", lambda z: patch(z, "data/0", METHOD, b"\x0c"), "unsupported-archive")
_zip("no_end", lambda z: z[: z.rindex(END)], "damaged")
_zip(
    "directory_3_megabytes",
    lambda z: z + make_zip({"a" * 60_000 + str(n): b"" for n in range(50)}),
)


def _members(name: str, change: Callable[[dict[str, bytes]], Any], *codes: str) -> None:
    add(f"members_{name}", lambda good: make_zip(change(read_members(good)), ""), *codes)


_members("name_twice", lambda m: m | {"./data.pkl": b"."})
_members("root", lambda m: m | {"/": b"", ".": b"1"}, LOADS)
_members("other_case", lambda m: m | {"DATA.PKL": b"."}, LOADS)
_members("two_pickles", lambda m: m | {"b/data.pkl": b"."}, "ambiguous")
_members("pickle_and_archive", lambda m: m | {"b.tar": b"."}, "ambiguous")
_members("parents", lambda m: {f"../../../../tmp/evil/{n}": d for n, d in m.items()}, LOADS)
_members("arabic_digits", lambda m: m | {"data/٣": b"."}, LOADS)
_members("terminal_codes", lambda m: m | {"\x1b[2J/data.pkl": b"."}, "ambiguous")
_members("version_99", lambda m: m | {"version": b"99\n"})
_members("byteorder_middle", lambda m: m | {"byteorder": b"middle"})
_members("storages_missing", lambda m: {"data.pkl": m["data.pkl"]}, "not-a-checkpoint")
_members("ten_thousand", lambda m: m | {f"x/{n}": b"" for n in range(10_001)})


def _nested(archive: bytes, levels: int) -> bytes:
    for _ in range(levels):
        archive = make_zip({"a.zip": archive}, "")
    return archive


add("nested_3", lambda good: _nested(good, 3), LOADS)
add("nested_4", lambda good: _nested(good, 4), "not-a-checkpoint")


ZEROS, MEGABYTES = bytes(1 << 20), 60
"""A bomb is one compressed megabyte of zeros, repeated 60 times: gzip allows several parts."""


def _deflated(members: dict[str, bytes]) -> bytes:
    return make_zip(members, "", zipfile.ZIP_DEFLATED)


add("bomb_in_zip", lambda _: _deflated({"data.pkl": b".", "data/0": ZEROS * MEGABYTES}))
add("bomb_in_gzip", lambda _: gzip.compress(ZEROS) * MEGABYTES)
add(
    "bomb_with_false_size",
    lambda good: patch(
        _deflated(read_members(good) | {"data/0": bytes(20 << 20)}), "data/0", SIZE, 99
    ),
    "damaged",
)
add(
    "bomb_nested",
    lambda _: _deflated(
        {"a.tgz": make_tar({"a.pth": _deflated({"data.pkl": ZEROS * MEGABYTES})}, mode="w:gz")}
    ),
)
