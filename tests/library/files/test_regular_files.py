from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.regular_files import (
    PARTIAL,
    lock_file,
    remove_partial_files,
    write_atomically,
    write_text,
)
from convnextpose_check.paths import lock_directory
from tests.hostile.judge import at_most


def test_written_whole_renames_only_complete_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "run.json"
    with write_atomically(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent.parent == path.parent
        left_over = tmp_path / temporary.parent.name  # as by a process that is killed
        shutil.copytree(temporary.parent, left_over)
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]
    remove_partial_files(tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["new"]


def test_write_text_replaces_file_as_utf_8_readable_by_all(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    write_text(path, "a longer text that is replaced")
    write_text(path, "5 \N{GREEK SMALL LETTER MU}m")
    assert path.read_bytes() == b"5 \xce\xbcm"
    write_text(path, "caf\udcc3\udca9, caf\udce9")  # UTF-8 and Latin-1 under a C locale
    assert path.read_text(encoding="utf-8") == "caf\xe9, caf\\xe9"
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("raised", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("old", ["old", None], ids=["old_file", "no_file"])
def test_write_atomically_keeps_old(old: str | None, raised: BaseException, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    if old is not None:
        path.write_text(old)
    is_disk_full = isinstance(raised, OSError)
    expected = ConvNeXtPoseCheckError if is_disk_full else KeyboardInterrupt
    with pytest.raises(expected) as caught, write_atomically(path) as temporary:  # noqa: PT012
        temporary.write_text("half of the n")
        raise raised
    if is_disk_full:
        assert str(caught.value).startswith(f"[cannot-write] cannot write {path}: No space left")
    assert [file.read_text() for file in tmp_path.iterdir()] == ([] if old is None else [old])


@pytest.mark.parametrize("below", ["file/a/b/run.json", "folder"])
def test_write_text_unwritable_path_raises_cannot_write(below: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        write_text(tmp_path / below, "text")
    assert caught.value.code == "cannot-write"
    assert str(tmp_path / below) in caught.value.problem
    assert "--results-dir" in caught.value.remedy
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


@pytest.mark.parametrize("is_pipe", [True, False], ids=["pipe", "link"])
def test_lock_directory_lock_not_a_regular_file_raises(is_pipe: bool, tmp_path: Path) -> None:
    target, lock = tmp_path / "target", tmp_path / ".lock"
    target.write_text("precious")
    if is_pipe:
        os.mkfifo(lock)
    else:
        lock.symlink_to(target)

    with at_most(5), pytest.raises(ConvNeXtPoseCheckError, match=rf"\[cannot-write\] .*{lock}"):
        lock_directory(tmp_path)

    assert target.read_text() == "precious"


def test_lock_directory_excludes_others_until_closed(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    path.write_text("precious")

    with lock_directory(tmp_path), pytest.raises(ConvNeXtPoseCheckError, match="in-use"):
        lock_directory(tmp_path)

    assert path.read_text() == "precious"
    lock_file(path).close()


def test_lock_directory_removes_only_partial_files_of_the_suite(tmp_path: Path) -> None:
    name = f".run.json.abcdefgh{PARTIAL}"
    written = ("", "result", "result/evaluations", "log", "model_dump", "model_dump/L_0a1b2c3d")
    others = (
        "result/.movie.mp4.partial", "photos/.album.abcdefgh.partial", f"result/album{PARTIAL}",
        f"photos/{name}", f"result/deep/{name}", f"photos/model_dump/{name}",
    )  # fmt: skip
    for path in (
        *(tmp_path / folder / name for folder in written),
        *map(tmp_path.joinpath, others),
    ):
        path.mkdir(parents=True)
        (path / "half").touch()

    lock_directory(tmp_path).close()

    assert [folder for folder in written if (tmp_path / folder / name).exists()] == []
    assert [path for path in others if not (tmp_path / path).exists()] == []
