"""Opening a file takes at most three times its size plus 200 MB of memory."""

from __future__ import annotations

import ctypes
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from convnextpose_check.variants import Architecture
from tests.hostile import assembler as a
from tests.hostile import container_cases, pickle_cases, value_cases
from tests.hostile.cases import CASES, LOADS
from tests.hostile.judge import open_file
from tests.support.archives import make_snapshot, make_tar, make_zip, save_to_bytes
from tests.support.processes import memory_bytes

assert all((container_cases, pickle_cases, value_cases))  # imported for their cases

MEGABYTE = 1 << 20


def _one_storage(numbers: bytes) -> bytes:
    pickle = a.content(a.tensor(a.storage(items=len(numbers) // 4)))
    return make_zip({"data.pkl": pickle, "data/0": numbers}, "a/")


def _four_levels() -> bytes:
    storage = _one_storage(os.urandom(120 * MEGABYTE))
    return make_zip({"a.zip": make_zip({"b.tar": make_tar({"c.pth": storage})})})


def _nearly_a_bomb() -> bytes:
    """The largest allowed storage of a small file, in a zip in a tar.gz in a zip."""
    inner = make_tar({"a.pth": _one_storage(bytes(40 * MEGABYTE))})
    return make_zip({"a.tgz": gzip.compress(inner, 1)}, "")


LARGE: dict[str, Callable[[], bytes]] = {
    "nearly_a_bomb": _nearly_a_bomb,
    "four_levels": _four_levels,
}
SMALL = (
    "pickle_copies_of_a_dict_by_call",
    "pickle_copies_of_a_dict_by_build",
    "pickle_two_million_nones",
    "calls_bytearray",
    "bomb_with_false_size",
)


@pytest.mark.parametrize(
    "name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
)
def test_opening_takes_bounded_memory(name: str, tiny: Architecture, tmp_path: Path) -> None:
    path = tmp_path / "ConvNeXtPose_L.tar"
    if name in LARGE:
        path.write_bytes(LARGE[name]())
    else:
        path.write_bytes(CASES[name].build(save_to_bytes(make_snapshot(tiny))))
    ctypes.CDLL(None).malloc_trim(0)  # growth into memory that malloc holds would not be seen
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # resets VmHWM
    except OSError as error:
        pytest.skip(f"cannot reset the peak memory: {error}")
    before = memory_bytes("VmRSS")

    code, _ = open_file(path)

    assert code in (CASES[name].codes if name in CASES else (LOADS,))
    assert memory_bytes("VmHWM") - before <= 3 * path.stat().st_size + 200 * MEGABYTE
