from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.checkpoints import members
from convnextpose_check.network.keymap import StateDict
from convnextpose_check.variants import Architecture
from tests.hostile import container_cases, pickle_cases, safetensors_cases, tar_cases, value_cases
from tests.hostile.cases import CASES, LOADS
from tests.hostile.judge import open_file
from tests.support.archives import FORMS, make_snapshot, save_to_bytes

CASE_MODULES = (container_cases, pickle_cases, safetensors_cases, tar_cases, value_cases)
assert all(CASE_MODULES)  # imported for their cases

REFUSALS = {
    "damaged", "html-page", "not-a-checkpoint", "unsupported-archive", "unsafe-archive",
    "ambiguous",
}  # fmt: skip
SPARSE_BYTES = 200 << 30


@pytest.fixture(scope="module")
def network(tiny: Architecture) -> StateDict:
    network: StateDict = make_snapshot(tiny)["network"]
    return network


@pytest.fixture(scope="module")
def good(tiny: Architecture) -> bytes:
    return save_to_bytes(make_snapshot(tiny))


@pytest.mark.parametrize("name", CASES)
def test_outcome_of_each_case(name: str, good: bytes, network: StateDict, tmp_path: Path) -> None:
    case = CASES[name]
    path = tmp_path / "ConvNeXtPose_L.tar"
    path.write_bytes(case.build(good))
    # The pickle cases contain another tensor, and those of safetensors another order.
    is_other = name.startswith(("pickle_", "safetensors_"))
    code, message = open_file(path, None if is_other else network)
    assert code in case.codes, message
    assert case.fragment in message


def test_pipes_and_devices_are_refused_and_do_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ConvNeXtPose_L.tar")
    for path in (tmp_path / "ConvNeXtPose_L.tar", Path("/dev/zero")):
        assert open_file(path)[0] == "unreadable"


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"", "damaged"), (b"PK\3\4", "unsafe-archive"), (b"\x1f\x8b", "unsafe-archive"),
    ],
    ids=["zeros", "zip", "gzip"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["ConvNeXtPose_L.tar", "folder/data.pkl"])
def test_sparse_file_is_refused_unread(head: bytes, code: str, name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    with file.open("wb") as stream:
        stream.write(head)
        stream.truncate(SPARSE_BYTES)
    path = tmp_path / Path(name).parts[0]
    assert open_file(path)[0] == (code if path == file else "unsafe-archive")


def test_folder_of_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert members.MAX_MEMBERS == 10_000
    monkeypatch.setattr(members, "MAX_MEMBERS", 9)
    for name in ("data.pkl", *"123456789"):
        (tmp_path / name).touch()

    code, message = open_file(tmp_path)

    assert code == "unsafe-archive"
    assert f"{tmp_path} contains more than 9 files and folders" in message


def _cut(whole: bytes, rng: random.Random) -> bytes:
    end = len(whole.rstrip(b"\0"))  # a tar without its final zeros is complete
    return whole[: rng.randrange(260, end)]


def _flip(whole: bytes, rng: random.Random) -> bytes:
    """Flip a bit; each of four parts of a zip is equally likely, since most bytes are data."""
    parts = [0, 200, len(whole) // 10, len(whole) - 4_000, len(whole)]
    part = rng.randrange(4)
    changed = bytearray(whole)
    changed[rng.randrange(parts[part], parts[part + 1])] ^= 1 << rng.randrange(8)
    return bytes(changed)


@pytest.mark.parametrize("count", [5, pytest.param(300, marks=pytest.mark.slow)])
@pytest.mark.parametrize("damage", [_cut, _flip])
@pytest.mark.parametrize(
    "form", ["as_saved", "zipped_again_deflated", "tar_around_pth", "tar_gz_of_folder"]
)
def test_damaged_file_is_refused_or_loads_bit_by_bit(
    form: str, damage: Any, count: int, good: bytes, network: StateDict, tmp_path: Path
) -> None:
    rng = random.Random(7)
    whole = FORMS[form](good, tmp_path).read_bytes()
    path = tmp_path / "ConvNeXtPose_L.tar"
    for _ in range(count):
        path.write_bytes(damage(whole, rng))
        code, message = open_file(path, network)
        assert code in ({"damaged"} if damage is _cut else REFUSALS | {LOADS}), message
