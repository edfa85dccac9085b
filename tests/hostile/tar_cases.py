"""Tars and compressors whose headers lie or ask for more than they should."""

from __future__ import annotations

import gzip
import lzma
import struct
import tarfile
import zlib
from collections.abc import Callable
from typing import Any

from tests.hostile.cases import LOADS, Good, add, case
from tests.support.archives import members_of, tarred


def _tar(name: str, *codes: str, header: bytes = b"", **fields: Any) -> None:
    """A tar with one odd member before the good ones."""

    def build(good: Good) -> bytes:
        info = tarfile.TarInfo("odd")
        for field, value in fields.items():
            setattr(info, field, value)
        return (header or info.tobuf(tarfile.GNU_FORMAT)) + tarred(members_of(good.archive), "s/")

    add(f"tar_{name}", build, *codes)


_tar("symlink", LOADS, type=tarfile.SYMTYPE, linkname="/etc/passwd")
_tar("hard_link", LOADS, type=tarfile.LNKTYPE, linkname="/etc/passwd")
_tar("device", LOADS, type=tarfile.CHRTYPE, devmajor=1, devminor=5)
_tar("fifo", LOADS, type=tarfile.FIFOTYPE)
_tar("negative_size", "damaged", size=-1024)
_tar("negative_size_unknown_type", "damaged", "truncated", type=b"Z", size=-512)
_tar("negative_pax_header", "damaged", type=tarfile.XHDTYPE, size=-512)
_tar("long_pax_header", "damaged", type=tarfile.XHDTYPE, size=1 << 30)
_tar("long_name", "damaged", type=tarfile.GNUTYPE_LONGNAME, size=1 << 30)
_tar("size_of_a_terabyte", "bomb", "truncated", size=1 << 40)
_tar("sparse", "damaged", type=tarfile.GNUTYPE_SPARSE)
_tar("checksum", "truncated", header=b"odd" + bytes(254) + b"ustar" + bytes(250))


def _pax(name: str, headers: dict[str, str], *codes: str, data: bytes = b"") -> None:
    def build(good: Good) -> bytes:
        info = tarfile.TarInfo("odd")
        info.pax_headers, info.size = headers, len(data)
        padding = bytes(-len(data) % 512)
        odd = info.tobuf(tarfile.PAX_FORMAT) + data + padding
        return odd + tarred(members_of(good.archive), "s/")

    add(f"pax_{name}", build, *codes)


_SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1"}
_SPARSE_01 = {"GNU.sparse.map": ",".join(map(str, range(300, 9_000))), "GNU.sparse.size": "1"}
_SPARSE_00 = {"GNU.sparse.size": "1", "GNU.sparse.numblocks": "0", "GNU.sparse.offset": "9"}
_pax("negative_size", {"size": "-1024"}, "damaged", "truncated")
_pax("size", {"size": str(1 << 40)}, "bomb", "truncated")
_pax("sparse_map", _SPARSE | {"GNU.sparse.name": "x"}, "damaged", data=b"1\n0\n1\n" + bytes(600))
_pax("renamed", {"path": "s/data.pkl"}, "duplicate-member")
_pax("charset", {"hdrcharset": "BINARY", "path": "\udcff"}, LOADS)


_pax("sparse_map_in_its_header", _SPARSE_01, "damaged")
_pax("sparse_map_in_pairs", _SPARSE_00, "damaged")


def records(count: int, start: int = 0) -> bytes:
    """Records of a pax header, each with a key of its own."""
    return b"".join(b"13 k%07d=\n" % number for number in range(start, start + count))


def header(kind: bytes, data: bytes) -> bytes:
    """An extended header of a tar, global or of the next member."""
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, len(data)
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512)


def in_front_of_empty_files(count: int, before_each: bytes = b"", before_all: bytes = b"") -> bytes:
    """A tar of nothing but headers."""
    names = (tarfile.TarInfo(f"x/{n}").tobuf(tarfile.GNU_FORMAT) for n in range(count))
    return before_all + b"".join(before_each + name for name in names)


def _headed(name: str, make: Callable[[], bytes], *codes: str) -> None:
    add(f"tar_{name}", lambda good: make() + tarred(members_of(good.archive), "s/"), *codes)


_LOCAL = header(tarfile.XHDTYPE, records(5_000))
_headed("global_header", lambda: header(tarfile.XGLTYPE, b"11 a=bcdef\n"), "damaged")
_headed("global_header_of_keys", lambda: header(tarfile.XGLTYPE, records(5_000)), "damaged")
_headed("local_headers_of_9_megabytes", lambda: in_front_of_empty_files(140, _LOCAL), "damaged")
_headed("small_local_headers", lambda: in_front_of_empty_files(9, header(b"x", records(9))), LOADS)
_headed("many_empty_files", lambda: in_front_of_empty_files(9_000), LOADS)


@case("tar_gz_with_global_headers", "damaged")
def _(good: Good) -> bytes:
    headers = b"".join(header(tarfile.XGLTYPE, records(5_000, 5_000 * n)) for n in range(4))
    tar = in_front_of_empty_files(2_500, before_all=headers) + tarred(members_of(good.archive))
    return gzip.compress(tar)


@case("tar_with_parents", LOADS)
def _(good: Good) -> bytes:
    return tarred(members_of(good.archive), "../../../evil/")


@case("tar_of_folders", "damaged")
def _(_: Good) -> bytes:
    info = tarfile.TarInfo("folder")
    info.type = tarfile.DIRTYPE
    return info.tobuf() * 12_000


@case("tar_of_pax_headers", "truncated", "damaged")
def _(_: Good) -> bytes:
    info = tarfile.TarInfo("x")
    info.type = tarfile.XHDTYPE
    return info.tobuf() * 12_000


@case("gzip_of_empty_parts", "truncated", LOADS)
def _(good: Good) -> bytes:
    return gzip.compress(b"") * 20_000 + gzip.compress(tarred(members_of(good.archive), "s/"))


@case("gzip_with_garbage_behind", "truncated")
def _(good: Good) -> bytes:
    return gzip.compress(tarred(members_of(good.archive), "s/")) + b"garbage"


@case("gzip_of_html", "truncated")
def _(_: Good) -> bytes:
    return gzip.compress(b"<html>")


@case("xz_with_a_dictionary_of_1_gigabyte", LOADS, "truncated")
def _(good: Good) -> bytes:
    # The property of the LZMA2 filter is the size of the dictionary; the header's CRC follows.
    small = lzma.compress(tarred(members_of(good.archive), "s/"), preset=0)
    header = bytearray(small[12:24])
    header[header.index(b"\x21\x01") + 2] = 36
    header[8:] = struct.pack("<I", zlib.crc32(header[:8]))
    return small[:12] + bytes(header) + small[24:]
