from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest

from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.network.keymap import StateDict
from convnextpose_check.variants import Architecture
from tests.hostile import container_cases, pickle_cases, tar_cases, value_cases
from tests.hostile.cases import CASES, LOADS, Case, Good
from tests.hostile.judge import LIMIT_SECONDS, VARIABLE, HungError, Judge, at_most
from tests.support.archives import content_of, members_of, saved, zipped
from tests.support.properties import HealthCheck, given, settings, st

assert all((container_cases, pickle_cases, tar_cases, value_cases))  # imported for their cases

REFUSALS = (
    "empty", "html-page", "not-an-archive", "truncated", "bad-crc", "damaged", "password",
    "unsupported-compression", "bomb", "no-checkpoint", "several-checkpoints", "duplicate-member",
    "forbidden-global", "forbidden-opcode", "bad-pickle", "not-a-checkpoint", "bad-tensor",
)  # fmt: skip
FLIPS = 500
LENGTHS = 200


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    judge = Judge(tmp_path_factory.mktemp("hostile"))
    yield judge
    judge.listener.close()


@pytest.fixture(scope="module")
def network(tiny: Architecture) -> StateDict:
    network: StateDict = content_of(tiny)["network"]
    return network


@pytest.fixture(scope="module")
def good(tiny: Architecture, judge: Judge) -> Good:
    return Good(saved(content_of(tiny)), judge.folder, judge.port, VARIABLE)


def _placed(data: bytes, folder: Path, name: str = "ConvNeXtPose_L.tar") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_case_is_refused_for_its_reason_or_loads_bit_by_bit(
    case: Case, good: Good, judge: Judge, network: StateDict
) -> None:
    wrong = len(judge.wrong)
    path = _placed(case.build(good), judge.folder, case.file_name)
    # A case that writes a pickle of its own has one tensor of its own as well.
    own = None if case.name.startswith("pickle_") else network
    judge.expect(case.name, path, case.codes, own)
    path.unlink()
    assert judge.wrong[wrong:] == []


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 60
    assert all(name.isascii() for name in CASES)


def test_the_judge_notices_what_hangs() -> None:
    with pytest.raises(HungError), at_most(1):
        time.sleep(5)


@pytest.mark.parametrize("place", [Path, Path.home, lambda: Path(tempfile.gettempdir())])
def test_the_judge_notices_what_is_left_behind(
    place: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaves(_path: Path) -> NoReturn:
        (place() / "left").touch()
        raise ConvNeXtPoseCheckError("empty", f"{tmp_path} is empty", "Try another")

    monkeypatch.setattr("tests.hostile.judge.load_checkpoint", leaves)
    judge = Judge(tmp_path)
    with closing(judge.listener), pytest.raises(AssertionError, match="left behind"):
        judge.outcome(tmp_path, None)


def test_a_pipe_is_refused_and_does_not_hang(judge: Judge) -> None:
    pipe = judge.folder / "ConvNeXtPose_L.tar"
    os.mkfifo(pipe)
    judge.expect("pipe", pipe, ("unreadable",), None)
    pipe.unlink()
    judge.expect("device", Path("/dev/zero"), ("unreadable",), None)
    assert judge.wrong == []


SPARSE_BYTES = 200 << 30


@pytest.mark.parametrize(
    ("head", "code"),
    [
        (b"", "not-an-archive"), (b"<html>", "html-page"),
        (b"PK\3\4", "bomb"), (b"\x1f\x8b", "bomb"), (bytes(257) + b"ustar", "bomb"),
    ],
    ids=["zeros", "page", "zip", "gzip", "tar"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["ConvNeXtPose_L.tar", "folder/data.pkl"])
def test_a_sparse_file_of_200_gigabytes_is_refused_unread(
    head: bytes, code: str, name: str, judge: Judge
) -> None:
    wrong = len(judge.wrong)
    file = judge.folder / name
    file.parent.mkdir(exist_ok=True)
    with file.open("wb") as stream:
        stream.write(head)
        stream.truncate(SPARSE_BYTES)
    path = judge.folder / Path(name).parts[0]
    judge.expect(f"sparse {name}", path, (code if path == file else "bomb",), None)
    file.unlink()
    assert judge.wrong[wrong:] == []


@pytest.mark.parametrize("count", [20_000, pytest.param(200_000, marks=pytest.mark.slow)])
def test_an_unpacked_folder_of_many_files_is_refused_unread(count: int, judge: Judge) -> None:
    folder = judge.folder / "ConvNeXtPose_L"
    folder.mkdir()
    for number in range(count):
        (folder / str(number)).touch()
    (folder / "data.pkl").write_bytes(b".")

    with at_most(LIMIT_SECONDS), pytest.raises(ConvNeXtPoseCheckError) as caught:
        load_checkpoint(folder)

    shutil.rmtree(folder)
    assert caught.value.code == "bomb"
    assert f"{folder} holds more than 10000 files and folders" in caught.value.problem
    assert "Name the folder that holds data.pkl" in caught.value.remedy


def _cut(archive: bytes, lengths: list[int], judge: Judge) -> None:
    wrong = len(judge.wrong)
    for length in lengths:
        path = _placed(archive[:length], judge.folder)
        codes = ("empty",) if not length else ("truncated", "not-an-archive")
        judge.expect(f"cut at {length}", path, codes, None)
        path.unlink()
    assert judge.wrong[wrong:] == []


def _boundaries(archive: bytes) -> list[int]:
    marks = (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x07\x08", b"PK\x06\x06")
    return [at for at in range(len(archive)) if archive[at : at + 4] in marks]


def _flip(archive: bytes, count: int, judge: Judge, network: StateDict) -> None:
    wrong = len(judge.wrong)
    chance = random.Random(7)
    for index in range(count):
        whole = bytearray(archive)
        place = _places(archive)[index % 4]
        at = chance.choice(place)
        whole[at] ^= 1 << chance.randrange(8)
        path = _placed(bytes(whole), judge.folder)
        judge.expect(f"flip at {at}", path, (*REFUSALS, LOADS), network)
        path.unlink()
    assert judge.wrong[wrong:] == []


def _places(archive: bytes) -> tuple[range, ...]:
    """Offsets in the first headers, the pickle, the storages, and the directory."""
    members = members_of(archive)
    pickle = archive.index(members["data.pkl"])
    storages = pickle + len(members["data.pkl"])
    directory = archive.index(b"PK\x01\x02")
    end = len(archive)
    return range(pickle), range(pickle, storages), range(storages, directory), range(directory, end)


def test_a_file_cut_anywhere_is_refused(good: Good, judge: Judge) -> None:
    chance = random.Random(7)
    lengths = chance.sample(_boundaries(good.archive), 20)
    _cut(good.archive, lengths + chance.sample(range(len(good.archive)), 20), judge)


@pytest.mark.slow
def test_a_file_cut_at_every_boundary_and_at_many_lengths_is_refused(
    good: Good, judge: Judge
) -> None:
    lengths = random.Random(7).sample(range(len(good.archive)), LENGTHS)
    _cut(good.archive, [0, *_boundaries(good.archive)[1:], *lengths], judge)


def test_a_flipped_bit_is_refused_or_means_nothing(
    good: Good, judge: Judge, network: StateDict
) -> None:
    _flip(good.archive, 60, judge, network)


@pytest.mark.slow
def test_many_flipped_bits_are_refused_or_mean_nothing(
    good: Good, judge: Judge, network: StateDict
) -> None:
    _flip(good.archive, FLIPS, judge, network)


NAMES = st.sampled_from(
    ["data.pkl", "version", "byteorder", "data/0", "data/00", "Data.pkl", "a.pth", "..", "/", "a/b"]
)
FOLDERS = st.sampled_from(["", "archive/", "../", "/abs/", "a/b/", "__MACOSX/", "a\\", "./"])


@st.composite
def _layouts(draw: st.DrawFn) -> tuple[str, int, dict[str, bytes], list[int]]:
    """A folder, a compression, more members, and an order."""
    more = st.dictionaries(
        st.builds("{}{}".format, FOLDERS, NAMES), st.binary(max_size=40), max_size=4
    )
    return draw(FOLDERS), draw(st.sampled_from([0, 8])), draw(more), draw(st.permutations(range(5)))


def _try_layout(
    layout: tuple[str, int, dict[str, bytes], list[int]],
    good: Good,
    judge: Judge,
    network: StateDict,
) -> None:
    folder, compression, more, order = layout
    members = {folder + name: data for name, data in members_of(good.archive).items()}
    items = list((members | more).items())
    shuffled = dict(sorted(items, key=lambda item: order[hash(len(item[0])) % len(order)]))
    path = _placed(zipped(shuffled, "", compression), Path(tempfile.mkdtemp(dir=judge.folder)))
    wrong = len(judge.wrong)
    judge.expect(f"layout {layout}", path, (*REFUSALS, LOADS), None if more else network)
    assert judge.wrong[wrong:] == []


FEW = settings(max_examples=60, deadline=None, database=None, derandomize=True,
               suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip


@FEW
@given(layout=_layouts())
def test_any_layout_loads_bit_by_bit_or_is_refused(
    layout: tuple[str, int, dict[str, bytes], list[int]],
    good: Good, judge: Judge, network: StateDict,
) -> None:  # fmt: skip
    _try_layout(layout, good, judge, network)


@pytest.mark.slow
@settings(parent=FEW, max_examples=1500)
@given(layout=_layouts())
def test_very_many_layouts_load_bit_by_bit_or_are_refused(
    layout: tuple[str, int, dict[str, bytes], list[int]],
    good: Good, judge: Judge, network: StateDict,
) -> None:  # fmt: skip
    _try_layout(layout, good, judge, network)


@pytest.mark.parametrize("run", ["default", pytest.param("slow", marks=pytest.mark.slow)])
def test_the_counts_have_nothing_wrong(
    run: str, judge: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        print(f"\nhostile files, {run}: {dict(judge.counts)}")  # noqa: T201 - these counts are the result
    assert judge.counts["wrong"] == 0
    assert judge.counts["tried"] == judge.counts["refused"] + judge.counts["loaded"]
