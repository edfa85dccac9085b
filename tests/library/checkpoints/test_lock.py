"""A checkpoint that is not the file it was is noticed, wherever its hash is remembered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.checkpoints.lock import hold_to_hash
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.variants import Catalogue
from tests.support.archives import content_of, members_of, saved, unpacked
from tests.support.read_only import read_only


@pytest.fixture
def swapped(shared: Catalogue) -> bytes:
    """An XS too, of another epoch."""
    return saved(content_of(shared["XS"].architecture, epoch=5))


@pytest.fixture
def file(tmp_path: Path, archives: dict[str, bytes]) -> Path:
    """An XS that a user has put there."""
    path = tmp_path / "mine" / "ConvNeXtPose_XS.tar"
    path.parent.mkdir()
    path.write_bytes(archives["XS"])
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "output"


def hold(path: Path, catalogue: Catalogue, output: Path) -> Path | None:
    return hold_to_hash(load_checkpoint(path), "XS", catalogue, output)


def test_hash_is_remembered_beside_the_file(file: Path, shared: Catalogue, output: Path) -> None:
    lock = hold(file, shared, output)

    assert lock == file.with_name("checkpoints.lock")
    known = json.loads(lock.read_text())["files"]
    assert known == {file.name: {"variant": "XS", "sha256": load_checkpoint(file).sha256}}
    assert hold(file, shared, output) == lock
    assert not output.exists()


def test_swapped_file_is_noticed_until_its_entry_is_deleted(
    file: Path, shared: Catalogue, output: Path, swapped: bytes
) -> None:
    lock = hold(file, shared, output)
    was = load_checkpoint(file).sha256
    file.write_bytes(swapped)

    for _ in range(2):
        with pytest.raises(CheckFailedError) as caught:
            hold(file, shared, output)

        error = caught.value
        assert error.code == "changed-file"
        assert (error.obtained, error.expected) == (load_checkpoint(file).sha256, was)
        assert f"delete that entry of {lock}, or the whole lock" in error.remedy
    assert lock is not None
    lock.unlink()
    assert hold(file, shared, output) == lock
    assert hold(file, shared, output) == lock


def test_entry_of_one_file_says_nothing_of_another(
    file: Path, shared: Catalogue, output: Path, archives: dict[str, bytes], swapped: bytes
) -> None:
    hold(file, shared, output)
    other = file.with_name("ConvNeXtPose_L.tar")
    other.write_bytes(archives["L"])
    hold_to_hash(load_checkpoint(other), "L", shared, output)
    second = file.with_name("older.pth")
    second.write_bytes(swapped)

    lock = hold(second, shared, output)

    assert lock is not None
    assert list(json.loads(lock.read_text())["files"]) == [file.name, other.name, second.name]


def test_file_that_takes_the_place_of_one_that_is_gone_is_held_to_it(
    file: Path, shared: Catalogue, output: Path, swapped: bytes
) -> None:
    lock = hold(file, shared, output)
    renamed = file.rename(file.with_name("ConvNeXtPose_XS (1).tar"))

    assert hold(renamed, shared, output) == lock
    renamed.write_bytes(swapped)
    with pytest.raises(CheckFailedError, match=r"of its first use as ConvNeXtPose_XS\.tar"):
        hold(renamed, shared, output)


def test_variant_whose_file_is_gone_says_nothing_of_another_variant(
    file: Path, shared: Catalogue, output: Path, archives: dict[str, bytes]
) -> None:
    lock = hold(file, shared, output)
    other = file.rename(file.with_name("ConvNeXtPose_L.tar"))
    other.write_bytes(archives["L"])

    assert hold_to_hash(load_checkpoint(other), "L", shared, output) == lock


def test_read_only_files_are_remembered_with_the_results(
    file: Path, shared: Catalogue, output: Path, swapped: bytes
) -> None:
    with read_only(file.parent):
        lock = hold(file, shared, output)

        assert lock == output / "checkpoints.lock"
        assert list(json.loads(lock.read_text())["files"]) == [str(file)]
        assert hold(file, shared, output) == lock
        file.write_bytes(swapped)
        with pytest.raises(CheckFailedError):
            hold(file, shared, output)
    assert not file.with_name("checkpoints.lock").exists()


def test_read_only_file_elsewhere_is_another_file(
    file: Path, shared: Catalogue, output: Path, swapped: bytes
) -> None:
    """On Kaggle: one data set is taken away, and another attached."""
    with read_only(file.parent):
        hold(file, shared, output)
    file.unlink()
    other = file.parent.with_name("yours") / file.name
    other.parent.mkdir()
    other.write_bytes(swapped)

    with read_only(other.parent):
        assert hold(other, shared, output) == output / "checkpoints.lock"


def test_lock_that_came_with_read_only_files_counts(
    file: Path, shared: Catalogue, output: Path, swapped: bytes
) -> None:
    lock = hold(file, shared, output)
    with read_only(file.parent):
        assert hold(file, shared, output) == lock
        file.write_bytes(swapped)
        with pytest.raises(CheckFailedError):
            hold(file, shared, output)
    assert not output.exists()


def test_unpacked_folder_is_remembered_too(
    tmp_path: Path, shared: Catalogue, output: Path, archives: dict[str, bytes]
) -> None:
    folder = unpacked(members_of(archives["XS"]), tmp_path / "snapshot_68.pth")
    hold(folder, shared, output)
    (folder / "version").write_text("4\n")

    with pytest.raises(CheckFailedError):
        hold(folder, shared, output)


def test_wrong_file_is_not_remembered(
    file: Path, shared: Catalogue, output: Path, archives: dict[str, bytes]
) -> None:
    """The user who puts the right one there has swapped nothing."""
    file.write_bytes(archives["L"])
    assert hold(file, shared, output) is None
    file.write_bytes(archives["XS"])

    assert hold(file, shared, output) is not None


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b'{"files": 1}', b'{"files": {"a": {"sha256": "b"}}}', b'{"about": "\xff"}'],
)
def test_lock_that_cannot_be_read_is_told_and_left_alone(
    content: bytes, file: Path, shared: Catalogue, output: Path
) -> None:
    lock = file.with_name("checkpoints.lock")
    lock.write_bytes(content)

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        hold(file, shared, output)

    assert caught.value.code == "bad-lock"
    assert str(lock) in caught.value.problem
    assert "delete it" in caught.value.remedy
    assert lock.read_bytes() == content
