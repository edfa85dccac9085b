"""Tars and gzip files whose headers are false or need too much memory."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Callable
from typing import Any, Literal

from tests.hostile.cases import LOADS, add
from tests.support.archives import make_tar, read_members


def _before(name: str, make: Callable[[], bytes], *codes: str) -> None:
    """Add a tar with these bytes before the good members."""
    add(f"tar_{name}", lambda good: make() + make_tar(read_members(good), "s/"), *codes)


def entry(data: bytes = b"", form: Literal[1, 2] = tarfile.GNU_FORMAT, **fields: Any) -> bytes:
    """One entry of a tar, with these header fields."""
    info = tarfile.TarInfo("odd")
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(form) + data + bytes(-len(data) % 512)


ODD_HEADERS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "symlink": ({"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, (LOADS,)),
    "device": ({"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5}, (LOADS,)),
    "negative_size": ({"size": -1024}, ("damaged",)),
    "long_pax_header": ({"type": tarfile.XHDTYPE, "size": 1 << 30}, ("damaged",)),
    "sparse": ({"type": tarfile.GNUTYPE_SPARSE}, ("damaged",)),
}
for _name, (_fields, _codes) in ODD_HEADERS.items():
    _before(_name, lambda fields=_fields: entry(**fields), *_codes)  # type: ignore[misc]

SPARSE = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "1"}
PAX_HEADERS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "negative_size": ({"size": "-1024"}, ("damaged",)),
    "sparse_map": (SPARSE | {"GNU.sparse.name": "x"}, ("damaged",)),
    "sparse_map_in_its_header": (
        {"GNU.sparse.map": ",".join(map(str, range(300, 9_000))), "GNU.sparse.size": "1"},
        ("damaged",),
    ),
    "sparse_map_in_pairs": (
        {"GNU.sparse.size": "1", "GNU.sparse.numblocks": "0", "GNU.sparse.offset": "9"},
        ("damaged",),
    ),
}
for _name, (_headers, _codes) in PAX_HEADERS.items():
    _before(
        f"pax_{_name}",
        lambda headers=_headers: entry(b"1\n0\n1\n", tarfile.PAX_FORMAT, pax_headers=headers),  # type: ignore[misc]
        *_codes,
    )


def records(count: int, start: int = 0) -> bytes:
    """Records of a pax header, each with its own key."""
    return b"".join(b"13 k%07d=\n" % number for number in range(start, start + count))


def empty_files(count: int, before_each: bytes = b"") -> bytes:
    """A tar's headers of empty files, each after ``before_each``."""
    names = (tarfile.TarInfo(f"x/{n}").tobuf(tarfile.GNU_FORMAT) for n in range(count))
    return b"".join(before_each + name for name in names)


_LOCAL = entry(records(5_000), type=tarfile.XHDTYPE)
_before("global_header", lambda: entry(b"11 a=bcdef\n", type=tarfile.XGLTYPE), "damaged")
_before("local_headers_of_3_megabytes", lambda: empty_files(50, _LOCAL), "damaged")
_before(
    "small_local_headers",
    lambda: empty_files(9, entry(records(9), type=tarfile.XHDTYPE)),
    LOADS,
)
add("tar_with_parents", lambda good: make_tar(read_members(good), "../../../evil/"), LOADS)
add("tar_of_folders", lambda _: entry(type=tarfile.DIRTYPE) * 12_000, "damaged")
add("tar_of_pax_headers", lambda _: entry(type=tarfile.XHDTYPE) * 12_000, "damaged")


add(
    "gzip_checksum",
    lambda good: gzip.compress(make_tar(read_members(good)))[:-8] + bytes(8),
    "damaged",
)
add("gzip_of_html", lambda _: gzip.compress(b"<html>"), "damaged")
