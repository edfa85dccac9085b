from __future__ import annotations

import os
from pathlib import Path

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.whole import PARTIAL, lock_file, write_text, written_whole
from convnextpose_check.paths import hold_folder
from tests.hostile.judge import at_most


def test_a_file_takes_its_name_only_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "run.json"
    with written_whole(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_a_text_is_written_as_utf_8_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_text(path, "a longer text that is replaced")
    write_text(path, "5 \N{GREEK SMALL LETTER MU}m")
    assert path.read_bytes() == b"5 \xce\xbcm"


def test_others_may_read_what_was_written(tmp_path: Path) -> None:
    write_text(tmp_path / "results.csv", "")
    assert (tmp_path / "results.csv").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("old", ["old", None], ids=["old_file", "no_file"])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    old: str | None, raised: type[BaseException], tmp_path: Path
) -> None:
    path = tmp_path / "run.json"
    if old is not None:
        path.write_text(old)
    with pytest.raises(raised), written_whole(path) as temporary:  # noqa: PT012 - one write
        temporary.write_text("half of the n")
        raise raised
    assert [file.read_text() for file in tmp_path.iterdir()] == ([] if old is None else [old])


@pytest.mark.parametrize("below", ["run.json", "a/b/run.json"])
def test_a_folder_that_cannot_be_written_is_named(below: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / below
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        write_text(path, "text")
    assert caught.value.code == "cannot-write"
    assert str(path) in caught.value.problem
    assert "--results-dir" in caught.value.remedy
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_a_folder_in_the_way_is_told_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.mkdir()
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        write_text(path, "text")
    assert caught.value.code == "cannot-write"
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fails_while_writing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text("old")
    with pytest.raises(ConvNeXtPoseCheckError) as caught, written_whole(path):
        raise OSError(28, "No space left on device")
    assert caught.value.code == "cannot-write"
    assert "No space left on device" in caught.value.problem
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["file", "nothing", "folder"])
def test_lock_that_is_a_link_is_refused_and_its_target_left_alone(
    kind: str, tmp_path: Path
) -> None:
    target, results = tmp_path / "target", tmp_path / "out"
    if kind == "file":
        target.write_text("precious")
    elif kind == "folder":
        target.mkdir()
    results.mkdir()
    (results / ".lock").symlink_to(target)

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        hold_folder(results)

    assert caught.value.code == "cannot-write"
    assert caught.value.problem.startswith(f"{results / '.lock'} is a link or a special file")
    assert caught.value.remedy.startswith("Remove it")
    assert not target.is_file() or target.read_text() == "precious"
    assert target.exists() == (kind != "nothing")


def test_lock_that_is_a_pipe_is_refused_and_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".lock")

    with at_most(5), pytest.raises(ConvNeXtPoseCheckError) as caught:
        hold_folder(tmp_path)

    assert caught.value.code == "cannot-write"
    assert caught.value.remedy.startswith("Remove it")


def test_file_that_is_called_as_the_lock_keeps_its_content(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.write_text("precious")

    with hold_folder(tmp_path), pytest.raises(ConvNeXtPoseCheckError, match="in-use"):
        hold_folder(tmp_path)

    assert path.read_text() == "precious"
    lock = lock_file(path)
    assert lock is not None
    lock.close()


STRANGERS = (
    ".movie.mp4.partial", "result/.movie.mp4.partial", "photos/.album.abcdefgh.partial",
    f"photos/.album.abcdefgh{PARTIAL}", f"result/deep/.a.abcdefgh{PARTIAL}",
    f"photos/model_dump/.a.abcdefgh{PARTIAL}", f"result/album{PARTIAL}",
    "model_dump/L_0a1b2c3d/.a.abcdefgh.partial",
)  # fmt: skip
LEFT_OVER = (
    "", "result/", "result/evaluations/", "log/", "model_dump/", "model_dump/L_0a1b2c3d/",
)  # fmt: skip


def test_only_what_the_suite_had_begun_is_removed_and_only_where_it_writes(tmp_path: Path) -> None:
    for name in STRANGERS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / f".folder.abcdefgh{PARTIAL}").mkdir()
    for folder in LEFT_OVER:
        (tmp_path / folder).mkdir(exist_ok=True, parents=True)
        _leave_what_a_killed_run_leaves(tmp_path / folder / "run.json")
    left_over = list(tmp_path.rglob(f".run.json.*{PARTIAL}"))

    hold_folder(tmp_path).close()

    assert len(left_over) == len(LEFT_OVER)
    assert [path for path in left_over if path.exists()] == []
    assert [name for name in STRANGERS if not (tmp_path / name).exists()] == []


def _leave_what_a_killed_run_leaves(path: Path) -> None:
    with written_whole(path) as temporary:
        os.link(temporary, temporary.with_name("kept"))
        name = temporary.name
    path.unlink()
    (path.parent / "kept").rename(path.parent / name)
