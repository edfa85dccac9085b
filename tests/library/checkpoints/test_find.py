from __future__ import annotations

from pathlib import Path

import pytest
import torch

from convnextpose_check.checkpoints import find
from convnextpose_check.checkpoints.find import MAX_CANDIDATES, CheckpointFiles
from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.checkpoints.snapshot import write_snapshot
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.miniature.archives import made_epoch
from convnextpose_check.variants import Architecture, Catalogue
from tests.support.archives import content_of, members_of, saved, tiny_catalogue, unpacked, zipped

NAMES = ("XS", "S", "M", "L")


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


@pytest.mark.parametrize(
    "pattern",
    [
        "ConvNeXtPose_{}.tar",
        "ConvNeXtPose_{} (1).tar",
        "ConvNeXtPose_{}.pth.tar",
        "convnextpose_{}.ZIP",
        "deep/er/ConvNeXtPose_{}.tar",
        "ConvNeXtPose_{}/snapshot_1.pth",
        "{}_without_its_name.pth",
    ],
)
def test_each_checkpoint_is_found_by_its_name_or_content(
    pattern: str, catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    paths = {n: _put(tmp_path / pattern.format(n), archives[n]) for n in NAMES}
    for name, path in paths.items():
        checkpoint = _load(catalogue, name, tmp_path)
        assert checkpoint.path == path
        assert checkpoint.epoch == made_epoch(catalogue[name])
        assert _load(catalogue, name, *(each.parent for each in paths.values())).path == path


@pytest.mark.parametrize("around", ["ConvNeXtPose_L/snapshot_83.pth", "a/ConvNeXtPose_L.tar", "b"])
def test_folder_that_kaggle_unpacked_is_found(
    around: str, catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    folder = unpacked(members_of(archives["L"]), tmp_path / around)
    _put(tmp_path / "ConvNeXtPose_M.tar", archives["M"])
    assert _load(catalogue, "L", tmp_path).path == folder
    _put(folder / "more" / "ConvNeXtPose_L.tar", archives["L"])
    assert CheckpointFiles([folder], catalogue).candidates == (folder,)


def test_each_file_is_opened_once(
    catalogue: Catalogue,
    archives: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number, name in enumerate(NAMES):
        _put(tmp_path / f"snapshot_{number}.pth", archives[name])
    _put(tmp_path / "notes.pth", b"not a checkpoint")
    opened: list[str] = []

    def load(path: Path) -> Checkpoint:
        opened.append(path.name)
        return load_checkpoint(path)

    monkeypatch.setattr(find, "load_checkpoint", load)
    files = CheckpointFiles([tmp_path], catalogue)
    again = CheckpointFiles([tmp_path], catalogue, opened=files.opened)
    for name in NAMES:
        assert again.load(name) is files.load(name)

    assert sorted(opened) == sorted(path.name for path in tmp_path.iterdir())


def test_name_decides_before_the_content(
    catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    """Wrong content is then reported by another check, not skipped."""
    path = _put(tmp_path / "ConvNeXtPose_L.tar", archives["M"])
    _put(tmp_path / "other.pth", archives["L"])
    assert _load(catalogue, "L", tmp_path).path == path
    path.write_bytes(b"<html>")
    error = _refusal(catalogue, "L", tmp_path)
    assert error.code == "html-page"
    assert str(path) in error.problem


def test_single_file_of_any_name_may_be_given(
    catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    path = _put(tmp_path / "weights", archives["S"])
    assert _load(catalogue, "S", path).path == path
    assert CheckpointFiles([path, path], catalogue).candidates == (path,)


def test_missing_checkpoint_error_lists_what_was_found(
    catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    assert f"in {tmp_path}: found nothing" in _refusal(catalogue, "L", tmp_path).problem
    assert "in any place: found nothing" in _refusal(catalogue, "L").problem
    _put(tmp_path / "aaa.pth", saved({"epoch": 1, "network": {"w": torch.zeros(1)}}))
    path = _put(tmp_path / "zzz_ConvNeXtPose_M.tar", archives["M"])
    error = _refusal(catalogue, "L", tmp_path)
    assert error.code == "checkpoint-not-found"
    assert (
        f"no checkpoint of L in {tmp_path}: found {tmp_path / 'aaa.pth'}, {path}" in error.problem
    )
    assert "aaa.pth was passed over: no key begins with" in error.problem
    assert "--checkpoints" in error.remedy
    missing = _refusal(catalogue, "L", tmp_path, tmp_path / "missing")
    assert missing.code == "checkpoint-not-found"
    assert missing.problem == f"there is nothing at {tmp_path / 'missing'}"


def test_same_weights_in_other_containers_are_one(
    catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    """The archive, a copy, its unpacked folder, and a snapshot with modern keys."""
    archive = _put(tmp_path / "ConvNeXtPose_L.tar", archives["L"])
    _put(tmp_path / "ConvNeXtPose_L (1).tar", archives["L"])
    unpacked(members_of(archives["L"]), tmp_path / "ConvNeXtPose_L")
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
    assert error.code == "ambiguous"
    assert str(one) in error.problem
    assert str(other) in error.problem
    assert _load(catalogue, "L", one).path == one


@pytest.mark.parametrize(
    "name",
    [
        "._ConvNeXtPose_L.tar",
        "__MACOSX/ConvNeXtPose_L.tar",
        ".hidden/a.tar",
        "s_09_act_02_subact_01_ca_01/a.tar",
        "notes.txt",
    ],
)
def test_other_files_are_not_candidates(
    name: str, catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    path = _put(tmp_path / "b.tar", archives["L"])
    _put(tmp_path / name, archives["M"])
    _put(tmp_path / "annotations.zip", zipped({"a.json": b"{}"}))
    files = CheckpointFiles([tmp_path], catalogue)
    assert files.candidates == (tmp_path / "annotations.zip", path)
    assert files.load("L").path == path


@pytest.mark.parametrize("name", ["{}.pth", "{}/data.pkl"])
def test_too_many_candidates_are_refused(
    name: str, catalogue: Catalogue, archives: dict[str, bytes], tmp_path: Path
) -> None:
    for number in range(MAX_CANDIDATES):
        _put(tmp_path / "all" / name.format(number), b"")
    assert len(CheckpointFiles([tmp_path], catalogue).candidates) == MAX_CANDIDATES
    own = _put(tmp_path / "all" / "mine" / "ConvNeXtPose_L.tar", archives["L"])

    error = _refusal(catalogue, "L", tmp_path / "all")

    assert error.code == "too-many-files"
    assert f"more than 1,000 files that may be checkpoints below {tmp_path / 'all'}" in str(error)
    assert _load(catalogue, "L", own.parent).path == own


@pytest.mark.parametrize(
    ("path", "variant"),
    [
        ("ConvNeXtPose_L/ConvNeXtPose_M.tar/archive", "M"),
        ("ConvNeXtPose_XL.tar", None),
        ("MyConvNeXtPose_L.tar", None),
        ("ConvNeXtPose_.tar", None),
    ],
)
def test_claim_is_the_innermost_whole_name(
    path: str, variant: str | None, catalogue: Catalogue
) -> None:
    assert CheckpointFiles([], catalogue).claim(Path("/data") / path) == variant
