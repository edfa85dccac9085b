"""Opening a file takes at most three times its size and 200 MB, whatever is in it."""

from __future__ import annotations

import gzip
import lzma
import os
import struct
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.miniature.build import Miniature
from convnextpose_check.variants import Architecture
from tests.hostile import assembler as a
from tests.hostile import pickle_cases, tar_cases, value_cases
from tests.hostile.cases import CASES, Good
from tests.hostile.container_cases import SIZE, patched
from tests.hostile.tar_cases import header, in_front_of_empty_files, records
from tests.support.archives import content_of, members_of, saved, tarred, zipped
from tests.support.processes import with_checkout

assert all((pickle_cases, tar_cases, value_cases))  # imported for their cases

MEGABYTE = 1 << 20
SCRIPT = """
import sys, torch
from pathlib import Path
from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.errors import ConvNeXtPoseCheckError
from tests.support.processes import peak_bytes
torch.ones(1).clone()
before = peak_bytes()
try:
    load_checkpoint(Path(sys.argv[1]))
    outcome = "loads"
except ConvNeXtPoseCheckError as error:
    outcome = error.code
print(outcome, peak_bytes() - before)
"""


def _opened(path: Path) -> str:
    """The outcome of opening a file, whose peak memory is checked."""
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)],
        capture_output=True, check=True, text=True, timeout=120, env=with_checkout(),
    ).stdout  # fmt: skip
    outcome, more_bytes = answer.split()
    taken, allowed = int(more_bytes), 3 * path.stat().st_size + 200 * MEGABYTE
    print(f"{path.name}: {taken / MEGABYTE:.0f} MB of {allowed / MEGABYTE:.0f}")  # noqa: T201
    assert taken <= allowed, f"{taken / MEGABYTE:.0f} MB: allowed {allowed / MEGABYTE:.0f}"
    return outcome


WHOLE: dict[str, Callable[[bytes], bytes]] = {
    "as_saved": bytes,
    "zipped_again_deflated": lambda whole: zipped(members_of(whole), "a/", zipfile.ZIP_DEFLATED),
    "tar_gz": lambda whole: gzip.compress(tarred({"snapshot_83.pth": whole}), 1),
    "tar_gz_in_zip": lambda whole: zipped({"a.tgz": gzip.compress(tarred({"s.pth": whole}), 1)}),
}


@pytest.mark.slow
@pytest.mark.parametrize("wrap", WHOLE.values(), ids=WHOLE)
def test_largest_checkpoint_opens_in_little_memory(
    wrap: Callable[[bytes], bytes], miniature: Miniature, tmp_path: Path
) -> None:
    path = tmp_path / "ConvNeXtPose_L.tar"
    path.write_bytes(wrap((miniature.checkpoints / path.name).read_bytes()))
    assert _opened(path) == "loads"


SMALL = (
    "pickle_copies_of_a_dict_by_call",
    "pickle_copies_of_a_dict_by_build",
    "pickle_tensors_of_4000_dimensions",
    "pickle_two_million_nones",
    "pickle_sets_a_tensor_anew",
    "pickle_storage_larger_than_the_file",
    "calls_bytearray_8_gigabytes",
    "bomb_of_zeros",
    "bomb_that_lies_small",
    "bomb_in_xz",
    "xz_with_a_dictionary_of_1_gigabyte",
)
DEFAULT = (*SMALL[:2], "global_pax_headers")
"""The cases that are not slow."""


def cases(names: Iterable[str]) -> list[Any]:
    return [pytest.param(name, marks=[] if name in DEFAULT else pytest.mark.slow) for name in names]


@pytest.mark.parametrize("name", cases(SMALL))
def test_small_file_takes_little_memory(name: str, tiny: Architecture, tmp_path: Path) -> None:
    path = tmp_path / "ConvNeXtPose_L.tar"
    path.write_bytes(CASES[name].build(Good(saved(content_of(tiny)), tmp_path, 1, "CANARY")))
    assert _opened(path) in CASES[name].codes


def _directory() -> bytes:
    """A zip with a million entries in its directory, and no files."""
    entry = b"PK\x01\x02" + bytes(42)
    count = 1_000_000
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFE, 0xFFFE, 46 * count, 4, 0)
    return b"PK\x03\x04" + entry * count + end


def _tar_folders() -> bytes:
    info = tarfile.TarInfo("folder")
    info.type = tarfile.DIRTYPE
    return info.tobuf() * 100_000


def _pax() -> bytes:
    records = b"".join(b"%d %s=\n" % (len(str(n)) + 5, b"%d" % n) for n in range(100, 999))
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 50 * MEGABYTE
    return info.tobuf() + records + bytes(50 * MEGABYTE)


def _global_pax() -> bytes:
    headers = (header(tarfile.XGLTYPE, records(5_000, 5_000 * n)) for n in range(4))
    return in_front_of_empty_files(2_500, before_all=b"".join(headers))


def _one_storage(size: int, head: bytes = b"") -> bytes:
    pickle = a.content(a.tensor(a.storage(items=size // 4)))
    content = head + os.urandom(size - len(head))
    return zipped({"data.pkl": pickle, "data/0": content}, "a/")


def _nearly_a_bomb() -> bytes:
    """The most that a small file may expand to, in a zip in a tar.gz in a zip."""
    size = 40 * MEGABYTE
    pickle = a.content(a.tensor(a.storage(items=size // 4)))
    members = {"data.pkl": pickle, "data/0": bytes(size)}
    inner = tarred({"a.pth": zipped(members, "a/")})
    return zipped({"a.tgz": gzip.compress(inner, 1)}, "")


def _sparse_tar() -> bytes:
    info = tarfile.TarInfo("x")
    data = b"9999999\n" + b"0\n" * (10 * MEGABYTE)
    info.size = len(data)
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}
    info.pax_headers |= {"GNU.sparse.name": "x", "GNU.sparse.realsize": "1"}
    return info.tobuf(tarfile.PAX_FORMAT) + data + bytes(-len(data) % 512)


LARGE: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "directory_of_a_million": (_directory, ("bomb",)),
    "tar_of_100000_folders": (_tar_folders, ("damaged",)),
    "pax_header_of_50_megabytes": (_pax, ("damaged",)),
    "global_pax_headers": (_global_pax, ("damaged",)),
    "local_pax_headers_of_9_megabytes": (
        lambda: in_front_of_empty_files(140, header(tarfile.XHDTYPE, records(5_000))),
        ("damaged",),
    ),
    "sparse_map_of_20_megabytes": (_sparse_tar, ("damaged",)),
    "one_storage_of_200_megabytes": (lambda: _one_storage(200 * MEGABYTE), ("loads",)),
    "nearly_a_bomb": (_nearly_a_bomb, ("loads",)),
    "four_levels": (
        lambda: zipped({"a.zip": zipped({"b.tar": tarred({"c.pth": _one_storage(120 << 20)})})}),
        ("loads",),
    ),
    "zip_that_lies": (
        lambda: patched(_one_storage(100 * MEGABYTE), "data/0", SIZE, struct.pack("<I", 150 << 20)),
        ("damaged", "bad-crc", "bomb"),
    ),
    "page_of_100_megabytes": (lambda: b"<html>" + b"a" * (100 * MEGABYTE), ("html-page",)),
    "pickle_of_100_megabytes": (
        lambda: zipped({"data.pkl": bytes(100 * MEGABYTE), "data/0": b""}), ("bomb",),
    ),
    "xz_of_60_megabytes_of_zeros": (lambda: lzma.compress(bytes(60 << 20), preset=9), ("bomb",)),
}  # fmt: skip


@pytest.mark.parametrize("name", cases(LARGE))
def test_large_file_takes_little_memory(name: str, tmp_path: Path) -> None:
    build, codes = LARGE[name]
    path = tmp_path / "ConvNeXtPose_L.tar"
    path.write_bytes(build())
    assert _opened(path) in codes
