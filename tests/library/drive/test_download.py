"""What is there stays, what is missing is fetched, and nothing half or wrong takes its name."""

from __future__ import annotations

import io
import shutil
import threading
from collections import namedtuple
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec.structs import replace

from convnextpose_check.checkpoints import find
from convnextpose_check.checkpoints.find import CheckpointFiles
from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.drive import download
from convnextpose_check.drive.download import folder_for
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.whole import PARTIAL, lock_file
from convnextpose_check.variants import Catalogue
from tests.library.conftest import Fetch
from tests.support.archives import members_of, tarred, unpacked, zipped
from tests.support.drive import QUOTA_IN_ONE_LINE, Drive, Handler, page, whole
from tests.support.read_only import read_only

NAMES = ("XS", "S", "M", "L")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoints"
    path.mkdir()
    return path


def files_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".download.lock"}


def test_only_what_is_missing_is_fetched(
    fetch: Fetch, drive: Drive, folder: Path, archives: dict[str, bytes]
) -> None:
    by_hand = folder / "ConvNeXtPose_S (1).tar"
    by_hand.write_bytes(archives["S"])
    unpacked(members_of(archives["M"]), folder / "snapshot_70.pth")

    downloads = fetch(*NAMES)

    assert downloads.failed == {}
    assert {name: got.fetched for name, got in downloads.obtained.items()} == {
        "XS": True, "S": False, "M": False, "L": True
    }  # fmt: skip
    assert downloads.obtained["S"].path == by_hand
    assert downloads.obtained["M"].bytes is None
    assert drive.asked() == 2
    for name, got in downloads.obtained.items():
        assert got.sha256 == load_checkpoint(got.path).sha256
        assert name == "M" or got.bytes == len(archives[name])


def test_what_was_fetched_is_not_opened_again(
    fetch: Fetch, folder: Path, shared: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads = fetch(*NAMES)

    monkeypatch.setattr(find, "load_checkpoint", lambda path: pytest.fail(f"{path} is opened"))
    files = CheckpointFiles(downloads.places, shared, opened=downloads.opened)

    for name in NAMES:
        assert files.load(name).path == folder / shared[name].checkpoint.file_name


def test_second_time_nothing_is_asked_for(fetch: Fetch, drive: Drive) -> None:
    fetch(*NAMES)
    drive.requests.clear()

    downloads = fetch(*NAMES)

    assert list(downloads.obtained) == list(NAMES)
    assert drive.requests == []


def test_missing_file_is_looked_for_in_all_places(
    fetch: Fetch, drive: Drive, tmp_path: Path, folder: Path, archives: dict[str, bytes]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "weights.pth").write_bytes(archives["XS"])

    downloads = fetch("XS", places=[elsewhere])

    assert downloads.obtained["XS"].path == elsewhere / "weights.pth"
    assert downloads.places == (elsewhere, folder)
    assert drive.requests == []


def test_place_that_is_not_there_is_named_before_anything_is_fetched(
    fetch: Fetch, drive: Drive, tmp_path: Path
) -> None:
    with pytest.raises(ConvNeXtPoseCheckError, match=r"there is nothing at .*nowhere"):
        fetch("XS", places=[tmp_path / "nowhere"])

    assert drive.requests == []


@pytest.mark.parametrize("junk", [b"<html>quota exceeded", b"", b"junk", b"PK\3\4 half"])
def test_junk_under_the_files_name_is_not_there_and_is_set_aside(
    junk: bytes, fetch: Fetch, folder: Path, archives: dict[str, bytes]
) -> None:
    """As gdown's --continue takes for the file whatever an earlier attempt has left."""
    path = folder / "ConvNeXtPose_XS.tar"
    path.write_bytes(junk)

    assert fetch("XS").obtained["XS"].fetched
    assert path.read_bytes() == archives["XS"]
    assert path.with_name("ConvNeXtPose_XS.tar.damaged").read_bytes() == junk
    assert fetch("XS").failed == {}


def test_junk_stays_when_nothing_better_is_had(fetch: Fetch, drive: Drive, folder: Path) -> None:
    path = folder / "ConvNeXtPose_XS.tar"
    path.write_bytes(b"junk")
    drive.answer("165D0rU2GImmRe7u7DNe6eKJG8voBIcGh", page(QUOTA_IN_ONE_LINE))

    assert fetch("XS").failed["XS"].code == "drive-quota"
    assert path.read_bytes() == b"junk"


def test_junk_elsewhere_is_named_and_left_to_the_user(
    fetch: Fetch, drive: Drive, folder: Path
) -> None:
    path = folder / "ConvNeXtPose_XS (1).tar"
    path.write_bytes(b"<html>quota exceeded")

    assert fetch("XS").failed["XS"].code == "html-page"
    assert files_in(folder) == {path.name}
    assert drive.requests == []


def test_other_model_under_the_files_name_is_never_overwritten(
    fetch: Fetch, drive: Drive, folder: Path, archives: dict[str, bytes]
) -> None:
    path = folder / "ConvNeXtPose_XS.tar"
    path.write_bytes(archives["L"])

    assert fetch("XS").failed["XS"].code == "wrong-variant"
    assert path.read_bytes() == archives["L"]
    assert drive.requests == []


def test_whatever_else_is_under_the_files_name_is_the_users(
    fetch: Fetch, drive: Drive, folder: Path
) -> None:
    path = folder / "ConvNeXtPose_XS.tar"
    path.write_bytes(zipped({"holiday.jpg": b"..."}))

    assert fetch("XS").failed["XS"].code == "no-checkpoint"
    assert path.exists()
    assert drive.requests == []


def test_one_file_that_drive_refuses_does_not_keep_the_others(
    fetch: Fetch, drive: Drive, folder: Path
) -> None:
    drive.answer("165D0rU2GImmRe7u7DNe6eKJG8voBIcGh", page(QUOTA_IN_ONE_LINE))

    downloads = fetch("XS", "S")

    assert list(downloads.failed) == ["XS"]
    assert list(downloads.obtained) == ["S"]
    assert files_in(folder) == {"ConvNeXtPose_S.tar"}


@pytest.mark.parametrize(("share", "warned"), [(1.004, False), (1.006, True), (0.994, True)])
def test_size_that_is_off_by_more_than_half_a_percent_is_a_warning(
    share: float, warned: bool,
    fetch: Fetch, shared: Catalogue, archives: dict[str, bytes],
) -> None:  # fmt: skip
    variant = shared["XS"]
    facts = replace(variant.checkpoint, bytes=round(len(archives["XS"]) / share))
    catalogue = replace(shared, variants=(replace(variant, checkpoint=facts),))

    for fetched in (True, False):
        got = fetch("XS", catalogue=catalogue).obtained["XS"]

        assert got.fetched is fetched
        assert (got.warning is not None) is warned
        assert not warned or f"{facts.bytes:,} +/- 0.5%" in str(got.warning)


def test_size_of_a_repacked_file_is_its_own(
    fetch: Fetch, folder: Path, archives: dict[str, bytes]
) -> None:
    (folder / "a.tar").write_bytes(tarred({"ConvNeXtPose_XS.pth": archives["XS"], "b": bytes(999)}))

    got = fetch("XS").obtained["XS"]

    assert got.path.name == "a.tar"
    assert got.warning is None


Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(("spare", "fits"), [(-1, False), (0, True)])
def test_disk_must_hold_all_that_is_missing(
    spare: int, fits: bool, fetch: Fetch, drive: Drive, folder: Path,
    archives: dict[str, bytes], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    (folder / "ConvNeXtPose_L.tar").write_bytes(archives["L"])
    missing = sum(len(archives[name]) for name in ("XS", "S", "M"))
    free = missing + download.DISK_SLACK_BYTES + spare
    asked: list[Path] = []

    def disk_usage(path: Path) -> Usage:
        asked.append(path)
        return Usage(1 << 40, 0, free)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)

    failed = fetch(*NAMES).failed

    assert asked == [folder]
    assert {name: error.code for name, error in failed.items()} == (
        {} if fits else dict.fromkeys(("XS", "S", "M"), "disk-full")
    )
    assert bool(drive.requests) is fits
    if not fits:
        assert f"the disk of {folder} has 64 MB left" in failed["XS"].problem
        assert "for XS, S, M" in failed["XS"].problem


def test_variant_without_a_place_on_drive_is_told(
    fetch: Fetch, drive: Drive, shared: Catalogue
) -> None:
    variant = shared["XS"]
    own = replace(variant, checkpoint=replace(variant.checkpoint, drive_id=None))

    error = fetch("XS", catalogue=replace(shared, variants=(own,))).failed["XS"]

    assert error.code == "no-drive-id"
    assert drive.requests == []


def test_two_runs_at_once_fetch_once(
    fetch: Fetch, drive: Drive, archives: dict[str, bytes]
) -> None:
    begun, waiting = threading.Event(), threading.Event()

    class Screen(io.StringIO):
        def write(self, text: str) -> int:
            if "another run is downloading" in text:
                waiting.set()
            return super().write(text)

    def held_up(handler: Handler) -> None:
        begun.set()
        waiting.wait(10)
        whole(archives["XS"])(handler)

    drive.answer("165D0rU2GImmRe7u7DNe6eKJG8voBIcGh", held_up)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(fetch, "XS")
        assert begun.wait(10)
        second = pool.submit(fetch, "XS", stream=Screen())

    assert waiting.is_set()
    assert first.result().obtained["XS"].fetched
    assert not second.result().obtained["XS"].fetched
    assert drive.asked() == 1


def test_fetch_missing_download_of_another_run_never_ends_raises_in_use(
    fetch: Fetch, drive: Drive, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(download, "MAX_WAIT_SECONDS", 0.3)
    said = io.StringIO()
    holder = lock_file(folder / download.DOWNLOAD_LOCK)
    assert holder is not None

    with holder, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(fetch, "XS", stream=said)
        try:
            error = waiting.exception(10)
        finally:
            holder.close()  # ends a wait without limit

    assert isinstance(error, ConvNeXtPoseCheckError)
    assert error.code == "in-use"
    assert f"still downloading into {folder} after 0.005 minutes" in error.problem
    assert str(folder / download.DOWNLOAD_LOCK) in error.problem
    assert "waiting up to 0.005 minutes" in said.getvalue()
    assert drive.asked() == 0


def test_what_a_killed_run_left_is_cleared_away(fetch: Fetch, folder: Path) -> None:
    (folder / f".ConvNeXtPose_XS.tar.abcdefgh{PARTIAL}").write_bytes(b"half")
    (folder / ".other.partial").write_bytes(b"not ours")

    fetch("XS")

    assert files_in(folder) == {"ConvNeXtPose_XS.tar", ".other.partial"}


@pytest.mark.parametrize("raised", [KeyboardInterrupt, SystemExit])
def test_interrupted_download_leaves_nothing(
    raised: type[BaseException], fetch: Fetch, folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def interrupted(_: object) -> None:
        raise raised

    with monkeypatch.context() as patch:
        patch.setattr("convnextpose_check.checkpoints.load.repack", interrupted)
        with pytest.raises(raised):
            fetch("XS")

    assert files_in(folder) == set()
    assert fetch("XS").obtained["XS"].fetched  # and waits for nobody


def test_read_only_folder_is_enough_where_nothing_is_missing(
    fetch: Fetch, folder: Path, archives: dict[str, bytes]
) -> None:
    (folder / "ConvNeXtPose_XS.tar").write_bytes(archives["XS"])
    with read_only(folder):
        got = fetch("XS").obtained["XS"]

    assert not got.fetched
    assert [path.name for path in folder.iterdir()] == ["ConvNeXtPose_XS.tar"]


def test_nothing_can_be_fetched_into_a_read_only_folder(
    fetch: Fetch, drive: Drive, folder: Path
) -> None:
    with read_only(folder), pytest.raises(ConvNeXtPoseCheckError) as caught:
        fetch("XS")

    assert caught.value.code == "cannot-write"
    assert drive.requests == []


def test_first_folder_that_can_be_written_takes_what_is_fetched(
    tmp_path: Path, archives: dict[str, bytes]
) -> None:
    read, file, unpacked_folder, new = (tmp_path / name for name in ("a", "b.pth", "c", "d"))
    read.mkdir()
    file.write_bytes(archives["XS"])
    unpacked(members_of(archives["XS"]), unpacked_folder)
    places = [read, file, tmp_path / "not-there.tar", unpacked_folder, new, tmp_path]

    with read_only(read):
        assert folder_for(places, tmp_path / "out") == new
        assert folder_for(places[:4], tmp_path / "out") == tmp_path / "out" / "checkpoints"
    assert folder_for(places, tmp_path / "out") == read
    assert not (tmp_path / "out").exists()
    assert list(read.iterdir()) == []
