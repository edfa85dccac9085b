from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from convnextpose_check.checkpoints import find
from convnextpose_check.checkpoints.find import MAX_CANDIDATES, CheckpointFiles
from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.checkpoints.snapshot import write_snapshot
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.miniature.archives import made_epoch
from convnextpose_check.variants import Architecture, Catalogue
from tests.support.archives import content_of, members_of, saved, tiny_catalogue, unpacked, zipped
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import torch
else:
    torch = Deferred("torch")

NAMES = ("XS", "S", "M", "L")
APPLE_DOUBLE = b"\0\5\x16\7\0\2\0\0Mac OS X"


@pytest.fixture(scope="module")
def catalogue(tiny: Architecture) -> Catalogue:
    return tiny_catalogue(tiny)


@pytest.fixture(scope="module")
def archives(catalogue: Catalogue) -> dict[str, bytes]:
    return {
        v.name: saved(content_of(v.architecture, made_epoch(v), v.name in "ML"))
        for v in catalogue.variants
    }


def _put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _load(catalogue: Catalogue, variant: str, *places: Path) -> Checkpoint:
    return CheckpointFiles(places, catalogue).load(variant)


def _refusal(catalogue: Catalogue, variant: str, *places: Path) -> ConvNeXtPoseCheckError:
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        _load(catalogue, variant, *places)
    return caught.value


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "pattern",
    [
        "ConvNeXtPose_{}.tar",
        "ConvNeXtPose_{} (1).tar",
        "ConvNeXtPose_{}(2).tar",
        "ConvNeXtPose_{}.pth",
        "ConvNeXtPose_{}.pth.tar",
        "convnextpose_{}.ZIP",
        "deep/er/ConvNeXtPose_{}.tar",
        "ConvNeXtPose_{}/snapshot_1.pth",
        "ConvNeXtPose_{}.tar/archive.zip",
    ],
)
def test_a_checkpoint_is_found_by_its_name(
    pattern: str, name: str, catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    paths = {n: _put(tmp_path / pattern.format(n), archives[n]) for n in NAMES}
    checkpoint = _load(catalogue, name, tmp_path)
    assert checkpoint.path == paths[name]
    assert checkpoint.epoch == made_epoch(catalogue[name])


@pytest.mark.parametrize(
    "around", ["ConvNeXtPose_L", "ConvNeXtPose_L/snapshot_83.pth", "a/ConvNeXtPose_L.tar/archive"]
)
def test_a_folder_that_kaggle_unpacked_is_found_by_its_name(
    around: str, catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    folder = unpacked(members_of(archives["L"]), tmp_path / around)
    _put(tmp_path / "ConvNeXtPose_M.tar", archives["M"])
    assert _load(catalogue, "L", tmp_path).path == folder
    assert _load(catalogue, "L", folder).path == folder
    assert CheckpointFiles([folder], catalogue).candidates == (folder,)


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_without_its_name_is_found_by_its_content(
    name: str, catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    paths = {n: _put(tmp_path / f"snapshot_{i}.pth", archives[n]) for i, n in enumerate(NAMES)}
    unpacked(members_of(archives["M"]), tmp_path / "ConvNeXtPose_other")
    paths["M"].unlink()
    paths["M"] = tmp_path / "ConvNeXtPose_other"
    assert _load(catalogue, name, tmp_path).path == paths[name]


def test_each_file_is_opened_once_whoever_asks(
    catalogue: Catalogue,
    archives: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number, name in enumerate(NAMES):
        _put(tmp_path / f"snapshot_{number}.pth", archives[name])
    _put(tmp_path / "notes.pth", b"no checkpoint")
    opened: list[str] = []

    def load(path: Path) -> Checkpoint:
        opened.append(path.name)
        return load_checkpoint(path)

    monkeypatch.setattr(find, "load_checkpoint", load)
    files = CheckpointFiles([tmp_path], catalogue)
    for name in NAMES:
        files.load(name)
    again = CheckpointFiles([tmp_path], catalogue, opened=files.opened)
    for name in NAMES:
        assert again.load(name) is files.load(name)

    assert sorted(opened) == sorted(path.name for path in tmp_path.iterdir())


def test_a_name_decides_before_the_content(
    catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    """The wrong content is then reported, not passed over in silence."""
    path = _put(tmp_path / "ConvNeXtPose_L.tar", archives["M"])
    _put(tmp_path / "other.pth", archives["L"])
    assert _load(catalogue, "L", tmp_path).path == path


def test_a_single_file_may_be_given(
    catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    path = _put(tmp_path / "weights", archives["S"])
    assert _load(catalogue, "S", path).path == path
    assert CheckpointFiles([path, path], catalogue).candidates == (path,)


def test_files_of_several_places_are_found(
    catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    places = [_put(tmp_path / n / f"ConvNeXtPose_{n}.tar", archives[n]).parent for n in NAMES]
    for name in NAMES:
        assert _load(catalogue, name, *places).path.name == f"ConvNeXtPose_{name}.tar"


def test_none_found_lists_what_is_there(
    catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    path = _put(tmp_path / "ConvNeXtPose_M.tar", archives["M"])
    error = _refusal(catalogue, "L", tmp_path)
    assert error.code == "no-checkpoints"
    assert f"no checkpoint of L in {tmp_path}: found {path}" in error.problem
    assert "--checkpoints" in error.remedy


def test_an_empty_folder_and_no_place_are_told_apart(catalogue: Catalogue, tmp_path: Path) -> None:
    assert f"in {tmp_path}: found nothing" in _refusal(catalogue, "L", tmp_path).problem
    assert "in any place: found nothing" in _refusal(catalogue, "L").problem


def test_a_place_that_does_not_exist_is_named(catalogue: Catalogue, tmp_path: Path) -> None:
    error = _refusal(catalogue, "L", tmp_path, tmp_path / "missing")
    assert error.code == "no-checkpoints"
    assert error.problem == f"there is nothing at {tmp_path / 'missing'}"


@pytest.mark.parametrize(
    ("first", "second"),
    [("ConvNeXtPose_L.tar", "ConvNeXtPose_L (1).tar"), ("a.pth", "b.pth")],
)
def test_several_identical_files_are_one(
    first: str, second: str, catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    paths = [_put(tmp_path / name, archives["L"]) for name in (first, second)]
    assert _load(catalogue, "L", tmp_path).path in paths


def test_the_same_weights_in_other_containers_are_one(
    catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    """The archive, its unpacked folder, and the snapshot that an earlier run wrote from it."""
    archive = _put(tmp_path / "ConvNeXtPose_L.tar", archives["L"])
    with zipfile.ZipFile(archive) as members:
        members.extractall(tmp_path / "ConvNeXtPose_L")
    snapshot = write_snapshot(load_checkpoint(archive), "L", tmp_path)
    snapshot.rename(tmp_path / "ConvNeXtPose_L.pth")

    assert _load(catalogue, "L", tmp_path).epoch == load_checkpoint(archive).epoch


@pytest.mark.parametrize(
    ("first", "second"),
    [("ConvNeXtPose_L.tar", "old/ConvNeXtPose_L.tar"), ("a.pth", "b.pth")],
)
def test_several_different_files_are_refused(
    first: str, second: str, catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    one = _put(tmp_path / first, archives["L"])
    other = _put(tmp_path / second, saved(content_of(catalogue["L"].architecture, epoch=1)))
    error = _refusal(catalogue, "L", tmp_path)
    assert error.code == "several-files"
    assert str(one) in error.problem
    assert str(other) in error.problem
    assert _load(catalogue, "L", one).path == one


def test_a_damaged_file_of_the_right_name_is_refused(
    catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    path = _put(tmp_path / "ConvNeXtPose_L.tar", b"<html>")
    _put(tmp_path / "other.pth", archives["L"])
    error = _refusal(catalogue, "L", tmp_path)
    assert error.code == "html-page"
    assert str(path) in error.problem


def _foreign_files(folder: Path) -> None:
    _put(folder / "annotations.zip", zipped({"a.json": b"{}"}))
    _put(folder / "images.tar", b"no tar at all")
    _put(folder / "aaa.pth", saved({"epoch": 1, "network": {"w": torch.zeros(1)}}))


def test_files_that_are_no_checkpoints_do_not_stand_in_the_way(
    catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    _foreign_files(tmp_path)
    path = _put(tmp_path / "zzz.pth", archives["L"])
    assert _load(catalogue, "L", tmp_path).path == path


def test_none_found_says_why_a_file_was_passed_over(catalogue: Catalogue, tmp_path: Path) -> None:
    _foreign_files(tmp_path)
    error = _refusal(catalogue, "L", tmp_path)
    assert error.code == "no-checkpoints"
    assert "aaa.pth was passed over: no key begins with" in error.problem


@pytest.mark.parametrize("litter", ["._ConvNeXtPose_L.tar", "__MACOSX/._ConvNeXtPose_L.tar"])
def test_what_a_mac_leaves_is_no_candidate(
    litter: str, catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    path = _put(tmp_path / "ConvNeXtPose_L.tar", archives["L"])
    _put(tmp_path / litter, APPLE_DOUBLE)
    assert CheckpointFiles([tmp_path], catalogue).candidates == (path,)


def test_nothing_below_an_unpacked_folder_or_a_sequence_is_a_candidate(
    catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    folder = unpacked(members_of(archives["L"]), tmp_path / "snapshot_83.pth")
    _put(folder / "more" / "ConvNeXtPose_L.tar", archives["L"])
    _put(tmp_path / "s_09_act_02_subact_01_ca_01" / "a.tar", b"")
    _put(tmp_path / ".hidden" / "a.tar", b"")
    _put(tmp_path / "notes.txt", b"")
    assert CheckpointFiles([tmp_path], catalogue).candidates == (folder,)


@pytest.mark.parametrize("name", ["{}.pth", "{}/data.pkl"])
def test_more_files_than_are_opened_are_refused_before_any_is(
    name: str, catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    for number in range(MAX_CANDIDATES + 1):
        _put(tmp_path / "all" / name.format(number), b"")
    own = _put(tmp_path / "all" / "mine" / "ConvNeXtPose_L.tar", archives["L"])

    error = _refusal(catalogue, "L", tmp_path / "all")

    assert error.code == "too-many-files"
    assert error.problem == (
        f"there are more than 1,000 files that may be checkpoints below {tmp_path / 'all'}"
    )
    assert error.remedy == "Name the folder inside it that is meant, or the files"
    assert _load(catalogue, "L", own.parent).path == own


def test_other_files_are_no_hindrance_however_many_there_are(
    catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    for number in range(MAX_CANDIDATES + 1):
        _put(tmp_path / f"{number}.jpg", b"")
    path = _put(tmp_path / "ConvNeXtPose_L.tar", archives["L"])
    assert _load(catalogue, "L", tmp_path).path == path


@pytest.mark.parametrize(
    "name", ["ConvNeXtPose_XL.tar", "MyConvNeXtPose_L.tar", "ConvNeXtPose_.tar", "L.tar"]
)
def test_other_names_claim_nothing(name: str, catalogue: Catalogue) -> None:
    assert CheckpointFiles([], catalogue).claim(Path("/data") / name) is None


def test_the_innermost_name_decides(catalogue: Catalogue) -> None:
    path = Path("/data/ConvNeXtPose_L/ConvNeXtPose_M.tar/archive")
    assert CheckpointFiles([], catalogue).claim(path) == "M"
