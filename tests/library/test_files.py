from __future__ import annotations

from pathlib import Path

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files import write_text, written_whole


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
