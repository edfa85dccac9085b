"""Containers that lie, explode, nest, or are something else."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.hostile.cases import LOADS, Good, add, case
from tests.support.archives import LITTER, members_of, saved, tarred, zipped
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import torch
else:
    torch = Deferred("torch")

CENTRAL, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(100)
SEVEN_ZIP = b"7z\xbc\xaf\x27\x1c\0\4" + bytes(100)
FLAGS, METHOD, CRC, PACKED, SIZE, OFFSET = 8, 10, 16, 20, 24, 42
"""Offsets in an entry of the directory."""


def patched(archive: bytes, member: str, offset: int, value: bytes) -> bytes:
    """Other bytes at an offset of the directory's entry of the member that ends so."""
    whole = bytearray(archive)
    entry = whole.find(CENTRAL)
    while entry >= 0:
        length = struct.unpack_from("<H", whole, entry + 28)[0]
        if whole[entry + 46 : entry + 46 + length].endswith(member.encode()):
            whole[entry + offset : entry + offset + len(value)] = value
            return bytes(whole)
        entry = whole.find(CENTRAL, entry + 4)
    raise KeyError(member)


def _page(name: str, title: str, body: str = "") -> None:
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{body}</body></html>"
    add(f"page_{name}", lambda _: page.encode(), "html-page")


_page("quota", "Google Drive - Quota exceeded", "Too many users have viewed or downloaded it")
_page("permission", "Google Drive: You need access", "Request access, or sign in")
_page("sign_in", "Sign in - Google Accounts", "<form action='https://accounts.google.com/v3'>")
_page("virus_scan", "Google Drive - Virus scan warning", "Google can't scan this file for viruses")
_page("unknown", "502 Bad Gateway")

for _name, _data in {
    "png": PNG,
    "seven_zip": SEVEN_ZIP,
    "rar": b"Rar!\x1a\7\1\0" + bytes(100),
    "json": b'{"error": 403}',
    "text": b"Too many users have viewed this file recently\n",
    "elf": b"\x7fELF" + bytes(100),
    "zeros": bytes(10_000),
    "empty_zip": END + bytes(18),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(100),
    "safetensors": struct.pack("<Q", 1 << 60) + b'{"a":{}}',
}.items():
    add(f"is_{_name}", lambda _, data=_data: data, "not-an-archive")  # type: ignore[misc]
add("is_nothing", lambda _: b"", "empty")
add("png_named_pt", lambda _: PNG, "not-an-archive", file_name="a.pt")
add("good_named_png", lambda good: good.archive, LOADS, file_name="a.png")
add("zip_after_7z", lambda good: SEVEN_ZIP + good.archive, "not-an-archive")
add("zip_after_script", lambda good: b"#!/bin/sh\n" + good.archive, "not-an-archive")
add("zip_before_7z", lambda good: good.archive + SEVEN_ZIP, LOADS, "truncated")
add("zip_twice", lambda good: good.archive * 2, LOADS)
add("zip_before_text", lambda good: good.archive + b"x" * 70_000, "truncated")


@case("tar_around_zip_tail", "no-checkpoint")
def _(good: Good) -> bytes:
    return tarred({"readme": b"x"}) + good.archive


@case("zip_with_tar_magic", LOADS)
def _(good: Good) -> bytes:
    members = members_of(good.archive)
    return zipped({"pad": b"ustar" * 100} | members)


@case("torch_before_1_6", "not-an-archive")
def _(good: Good) -> bytes:
    content = {"epoch": 1, "network": {"module.w": torch.ones(len(good.variable))}}
    return saved(content, _use_new_zipfile_serialization=False)


@case("torchscript", "several-checkpoints", "no-checkpoint", "forbidden-opcode", "forbidden-global")
def _(good: Good) -> bytes:
    code = {"code/__torch__.py": b"class Net(Module):\n  pass\n", "constants.pkl": b"\x80\x02)."}
    pickle = b"\x80\x02c__torch__\nNet\n)\x81}b."
    return zipped(members_of(good.archive) | code | {"data.pkl": pickle})


def _zip(name: str, change: Callable[[bytes], bytes], *codes: str) -> None:
    add(f"zip_{name}", lambda good: change(zipped(members_of(good.archive))), *codes)


def _members(name: str, change: Callable[[dict[str, bytes]], Any], *codes: str) -> None:
    def build(good: Good) -> bytes:
        return zipped(change(members_of(good.archive)), "")

    add(f"members_{name}", build, *codes)


def _u32(value: int) -> bytes:
    return struct.pack("<I", value)


_zip("password", lambda z: patched(z, "data.pkl", FLAGS, b"\1"), "password")
_zip("patched_data", lambda z: patched(z, "data.pkl", FLAGS, b"\x20"), "damaged", LOADS)
_zip("strong_encryption", lambda z: patched(z, "data.pkl", FLAGS, b"\x41"), "password")
_zip("utf8_flag", lambda z: patched(z, "data.pkl", FLAGS + 1, b"\x08"), "damaged", LOADS)
_zip("crc", lambda z: patched(z, "data/0", CRC, _u32(1)), "bad-crc")
_zip("crc_of_the_pickle", lambda z: patched(z, "data.pkl", CRC, _u32(1)), "bad-crc")
_zip("size_0", lambda z: patched(z, "data/0", SIZE, _u32(0)), "bad-crc", "bad-pickle", "damaged")
_zip("size_1", lambda z: patched(z, "data/0", SIZE, _u32(1)), "bad-crc", "damaged")
_zip("size_too_large", lambda z: patched(z, "data/0", SIZE, _u32(4000)), "damaged", "bad-crc")
_zip("size_4_gigabytes", lambda z: patched(z, "data/0", SIZE, _u32(0xFFFFFFFE)), "bomb")
_zip(
    "size_zip64_unsaid", lambda z: patched(z, "data/0", SIZE, _u32(0xFFFFFFFF)), "bomb", "truncated"
)
_zip(
    "packed_too_large",
    lambda z: patched(z, "data/0", PACKED, _u32(1 << 30)),
    "damaged",
    "truncated",
    "bad-crc",
    LOADS,
)
_zip("offset_of_another", lambda z: patched(z, "data/0", OFFSET, _u32(0)), "damaged")
_zip("offset_beyond", lambda z: patched(z, "data/0", OFFSET, _u32(1 << 31)), "damaged")
_zip("offset_in_data", lambda z: patched(z, "data/0", OFFSET, _u32(40)), "damaged")
_zip("deflated_unsaid", lambda z: patched(z, "data/0", METHOD, b"\x08"), "damaged")
_zip("bzip2_unsaid", lambda z: patched(z, "data/0", METHOD, b"\x0c"), "unsupported-compression")
_zip("unknown_method", lambda z: patched(z, "data/0", METHOD, b"\x63"), "unsupported-compression")
_zip(
    "no_local_header",
    lambda z: z.replace(LOCAL, b"PK\x03\x05").replace(b"PK\x03\x05", LOCAL, 1),
    "damaged",
)
_zip("no_directory", lambda z: z[: z.index(CENTRAL)], "truncated")
_zip("no_end", lambda z: z[: z.rindex(END)], "truncated")
_zip("directory_size_0", lambda z: z[:-10] + _u32(0) + z[-6:], "no-checkpoint", "truncated")
_zip("directory_size_huge", lambda z: z[:-10] + _u32(1 << 31) + z[-6:], "bomb")
_zip("directory_offset", lambda z: z[:-6] + _u32(1 << 31) + z[-2:], "truncated", "damaged")
_zip("comment_longer_than_the_file", lambda z: z[:-2] + b"\xff\xff", "truncated", LOADS)
_zip(
    "directory_3_megabytes",
    lambda z: z + zipped({"a" * 60_000 + str(n): b"" for n in range(50)}),
    "bomb",
)

_members("name_twice", lambda m: m | {"./data.pkl": b"."}, "duplicate-member")
_members("backslash_twin", lambda m: m | {"data\\0": b"."}, "duplicate-member")
add(
    "members_nul_in_a_name",
    lambda good: zipped(members_of(good.archive) | {"data.pkl_.txt": b"."}).replace(
        b"data.pkl_.txt", b"data.pkl\0.txt"
    ),
    "duplicate-member",
    "damaged",
)
_members("other_case", lambda m: m | {"DATA.PKL": b"."}, LOADS)
_members("two_pickles", lambda m: m | {"b/data.pkl": b"."}, "several-checkpoints")
_members("pickle_only_for_macs", lambda m: {"__MACOSX/data.pkl": m["data.pkl"]}, "no-checkpoint")
_members("litter", lambda m: {f"archive/{n}": d for n, d in m.items()} | LITTER, LOADS)
_members("absolute", lambda m: {f"/etc/{n}": d for n, d in m.items()}, LOADS)
_members("parents", lambda m: {f"../../../../tmp/evil/{n}": d for n, d in m.items()}, LOADS)
_members("drive_letter", lambda m: {f"C:\\evil\\{n}": d for n, d in m.items()}, LOADS)
_members("arabic_digits", lambda m: m | {"data/٣": b"."}, LOADS)
_members("terminal_codes", lambda m: m | {"\x1b[2J/data.pkl": b"."}, "several-checkpoints")
_members("version_99", lambda m: m | {"version": b"99\n"}, "bad-pickle")
_members("version_words", lambda m: m | {"version": b"\xff" * 100}, "bad-pickle")
_members("byteorder_middle", lambda m: m | {"byteorder": b"middle"}, "bad-pickle")
_members("storage_short", lambda m: m | {"data/0": m["data/0"][:-1]}, "bad-pickle")
_members("storage_long", lambda m: m | {"data/0": m["data/0"] + b"\0"}, "bad-pickle")
_members("storage_missing", lambda m: {n: d for n, d in m.items() if n != "data/0"}, "bad-pickle")
_members("storages_missing", lambda m: {"data.pkl": m["data.pkl"]}, "no-checkpoint")
_members("ten_thousand", lambda m: m | {f"x/{n}": b"" for n in range(10_001)}, "bomb")


@case("bomb_of_zeros", "bomb")
def _(_: Good) -> bytes:
    return zipped({"data.pkl": b".", "data/0": bytes(100 << 20)}, "", zipfile.ZIP_DEFLATED)


@case("bomb_in_gzip", "bomb")
def _(_: Good) -> bytes:
    return gzip.compress(bytes(100 << 20), 1)


@case("bomb_in_bzip2", "bomb")
def _(_: Good) -> bytes:
    return bz2.compress(bytes(100 << 20))


@case("bomb_in_xz", "bomb")
def _(_: Good) -> bytes:
    return lzma.compress(bytes(100 << 20), preset=0)


@case("bomb_that_lies_about_40_gigabytes", "bomb")
def _(_: Good) -> bytes:
    small = zipped({"data.pkl": b".", "data/0": bytes(1 << 20)}, "", zipfile.ZIP_DEFLATED)
    return patched(small, "data/0", SIZE, _u32(0xF0000000))


@case("bomb_that_lies_small", "bad-crc", "damaged")
def _(good: Good) -> bytes:
    members = members_of(good.archive) | {"data/0": bytes(20 << 20)}
    return patched(zipped(members, compression=zipfile.ZIP_DEFLATED), "data/0", SIZE, _u32(99))


@case("bomb_of_overlapping_members", "bomb", "damaged")
def _(_: Good) -> bytes:
    whole = zipped({f"{n}": bytes(60 << 20) if n == 0 else b"" for n in range(9)}, "", 8)
    first = struct.unpack_from("<4I", whole, whole.index(CENTRAL) + CRC)
    for n in range(1, 9):
        whole = patched(whole, str(n), CRC, struct.pack("<3I", *first[:3]))
        whole = patched(whole, str(n), OFFSET, _u32(0))
    return whole


@case("nested_bomb", "bomb")
def _(_: Good) -> bytes:
    data = zipped({"data.pkl": bytes(60 << 20)}, "", zipfile.ZIP_DEFLATED)
    return zipped({"a.tar.gz": tarred({"a.pth": data}, mode="w:gz")}, "")


@case("nested_too_deep", "no-checkpoint")
def _(good: Good) -> bytes:
    archive = good.archive
    for _level in range(5):
        archive = zipped({"a.zip": archive}, "")
    return archive
