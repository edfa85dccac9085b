"""Opening a file takes at most three times its size and 200 MB of memory."""

from __future__ import annotations

import gzip
import lzma
import os
import struct
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from convnextpose_check.variants import Architecture
from tests.hostile import assembler as a
from tests.hostile import container_cases, pickle_cases, value_cases
from tests.hostile.cases import CASES
from tests.hostile.tar_cases import SPARSE, empty_files, entry, records
from tests.support.archives import content_of, saved, tarred, zipped
from tests.support.processes import with_checkout

assert all((container_cases, pickle_cases, value_cases))  # imported for their cases

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


def _directory() -> bytes:
    """A zip with a million entries in its directory and no files."""
    entries = (b"PK\x01\x02" + bytes(42)) * 1_000_000
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFE, 0xFFFE, len(entries), 4, 0)
    return b"PK\x03\x04" + entries + end


def _global_pax() -> bytes:
    headers = (entry(records(5_000, 5_000 * n), type=tarfile.XGLTYPE) for n in range(4))
    return b"".join(headers) + empty_files(2_500)


def _one_storage(size: int) -> bytes:
    pickle = a.content(a.tensor(a.storage(items=size // 4)))
    return zipped({"data.pkl": pickle, "data/0": os.urandom(size)}, "a/")


def _nearly_a_bomb() -> bytes:
    """The largest allowed storage of a small file, in a zip in a tar.gz in a zip."""
    size = 40 * MEGABYTE
    pickle = a.content(a.tensor(a.storage(items=size // 4)))
    inner = tarred({"a.pth": zipped({"data.pkl": pickle, "data/0": bytes(size)}, "a/")})
    return zipped({"a.tgz": gzip.compress(inner, 1)}, "")


def _sparse_tar() -> bytes:
    data = b"9999999\n" + b"0\n" * (10 * MEGABYTE)
    return entry(data, tarfile.PAX_FORMAT, pax_headers=SPARSE | {"GNU.sparse.name": "x"})


LARGE: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    "global_pax_headers": (_global_pax, ("damaged",)),
    "directory_of_a_million": (_directory, ("unsafe-archive",)),
    "pax_header_of_50_megabytes": (
        lambda: entry(bytes(50 * MEGABYTE), type=tarfile.XHDTYPE), ("damaged",),
    ),
    "sparse_map_of_20_megabytes": (_sparse_tar, ("damaged",)),
    "one_storage_of_200_megabytes": (lambda: _one_storage(200 * MEGABYTE), ("loads",)),
    "nearly_a_bomb": (_nearly_a_bomb, ("loads",)),
    "four_levels": (
        lambda: zipped({"a.zip": zipped({"b.tar": tarred({"c.pth": _one_storage(120 << 20)})})}),
        ("loads",),
    ),
    "page_of_100_megabytes": (lambda: b"<html>" + b"a" * (100 * MEGABYTE), ("html-page",)),
    "pickle_of_100_megabytes": (
        lambda: zipped({"data.pkl": bytes(100 * MEGABYTE), "data/0": b""}), ("unsafe-archive",),
    ),
    "xz_of_60_megabytes_of_zeros": (
        lambda: lzma.compress(bytes(60 << 20), preset=9), ("unsafe-archive",),
    ),
}  # fmt: skip
SMALL = (
    "pickle_copies_of_a_dict_by_call",
    "pickle_copies_of_a_dict_by_build",
    "pickle_tensors_of_4000_dimensions",
    "pickle_two_million_nones",
    "calls_bytearray",
    "bomb_that_lies_small",
    "xz_with_a_dictionary_of_1_gigabyte",
)
BY_DEFAULT = "pickle_copies_of_a_dict_by_call"


@pytest.mark.parametrize(
    "name", [
        pytest.param(name, marks=[] if name == BY_DEFAULT else pytest.mark.slow)
        for name in (*LARGE, *SMALL)
    ],
)  # fmt: skip
def test_opening_takes_bounded_memory(name: str, tiny: Architecture, tmp_path: Path) -> None:
    path = tmp_path / "ConvNeXtPose_L.tar"
    if name in LARGE:
        build, codes = LARGE[name]
        path.write_bytes(build())
    else:
        codes = CASES[name].codes
        path.write_bytes(CASES[name].build(saved(content_of(tiny))))

    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)],
        env=with_checkout(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert run.returncode == 0, run.stderr
    code, more_bytes = run.stdout.split()
    assert code in codes
    assert int(more_bytes) <= 3 * path.stat().st_size + 200 * MEGABYTE
