"""Checkpoints are found by name, then by content; ambiguity is an error."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from convnextpose_check.checkpoints import find, search
from convnextpose_check.checkpoints.find import CheckpointFiles
from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.checkpoints.snapshot import write_snapshot
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.synthetic.archives import generated_epoch
from convnextpose_check.variants import Architecture, Catalogue
from tests.support.archives import (
    make_snapshot,
    make_zip,
    read_members,
    save_to_bytes,
    tiny_catalogue,
    write_members,
)

Archives = dict[str, bytes]

KAGGLE_PATH = (
    "models/someone/convnextpose/pytorch/default/1/weights/ConvNeXtPose_M.tar/snapshot_70.pth"
)
"""Kaggle unpacks archives, six folders deep."""


@pytest.fixture(scope="module")
def catalogue(tiny: Architecture) -> Catalogue:
    return tiny_catalogue(tiny)


@pytest.fixture(scope="module")
def archives(catalogue: Catalogue) -> Archives:
    return {
        v.name: save_to_bytes(make_snapshot(v.architecture, generated_epoch(v), v.name in "ML"))
        for v in catalogue.variants
    }


def _write_file(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _load(catalogue: Catalogue, variant: str, *paths: Path) -> Checkpoint:
    return CheckpointFiles(paths, catalogue).load(variant)


def _catch_error(catalogue: Catalogue, variant: str, *paths: Path) -> ConvNeXtPoseCheckError:
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        _load(catalogue, variant, *paths)
    return caught.value


@pytest.mark.parametrize(
    ("path", "variant"),
    [
        ("ConvNeXtPose_S (1).tar", "S"),
        ("ConvNeXtPose_S.pth.tar", "S"),
        ("convnextpose_s.ZIP", "S"),
        ("ConvNeXtPose_S/snapshot_1.pth", "S"),
        ("ConvNeXtPose_L/ConvNeXtPose_M.tar/archive", "M"),
        ("ConvNeXtPose_XL.tar", None),
        ("MyConvNeXtPose_L.tar", None),
        ("ConvNeXtPose_.tar", None),
    ],
)
def test_claim_uses_innermost_name(path: str, variant: str | None, catalogue: Catalogue) -> None:
    assert CheckpointFiles([], catalogue).claimed_variant(Path("/data") / path) == variant


def test_load_finds_by_name_or_content_and_reads_each_file_once(
    catalogue: Catalogue, archives: Archives, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = {
        "XS": _write_file(tmp_path / "deep" / "er" / "ConvNeXtPose_XS.tar", archives["XS"]),
        "S": _write_file(tmp_path / "renamed.pth", archives["S"]),
        "M": write_members(read_members(archives["M"]), tmp_path / KAGGLE_PATH),
        "L": write_members(read_members(archives["L"]), tmp_path / "unpacked"),
    }
    _write_file(tmp_path / "notes.pth", b"not a checkpoint")
    opened: list[Path] = []

    def load(path: Path) -> Checkpoint:
        opened.append(path)
        return load_checkpoint(path)

    monkeypatch.setattr(find, "load_checkpoint", load)
    files = CheckpointFiles([tmp_path], catalogue)
    others = CheckpointFiles(list(paths.values()), catalogue, loaded_files=files.loaded_files)
    for name, path in paths.items():
        checkpoint = files.load(name)
        assert checkpoint.path == path
        assert checkpoint.epoch == generated_epoch(catalogue[name])
        assert others.load(name) is checkpoint

    assert sorted(opened) == sorted([*paths.values(), tmp_path / "notes.pth"])
    unnamed = _write_file(tmp_path / "weights", archives["S"])
    assert _load(catalogue, "S", unnamed, unnamed).path == unnamed
    _write_file(paths["L"] / "inside" / "ConvNeXtPose_L.tar", archives["L"])
    assert CheckpointFiles([paths["L"]], catalogue).candidates == (paths["L"],)


def test_load_prefers_file_name(catalogue: Catalogue, archives: Archives, tmp_path: Path) -> None:
    """Another check then reports the wrong content."""
    path = _write_file(tmp_path / "ConvNeXtPose_L.tar", archives["M"])
    _write_file(tmp_path / "other.pth", archives["L"])
    assert _load(catalogue, "L", tmp_path).path == path
    path.write_bytes(b"<html>")
    error = _catch_error(catalogue, "L", tmp_path)
    assert error.code == "html-page"
    assert str(path) in error.problem


def test_load_missing_lists_files(catalogue: Catalogue, archives: Archives, tmp_path: Path) -> None:
    assert f"in {tmp_path}: found nothing" in _catch_error(catalogue, "L", tmp_path).problem
    assert "in any folder: found nothing" in _catch_error(catalogue, "L").problem
    content = {"epoch": 1, "network": {"w": torch.zeros(1)}}
    other = _write_file(tmp_path / "aaa.pth", save_to_bytes(content))
    path = _write_file(tmp_path / "zzz_ConvNeXtPose_M.tar", archives["M"])
    error = _catch_error(catalogue, "L", tmp_path)
    assert error.code == "checkpoint-not-found"
    assert f"no checkpoint of L in {tmp_path}: found {other}, {path}" in error.problem
    assert "aaa.pth has unexpected keys: expected head keys" in error.problem
    assert "--checkpoints" in error.remedy
    missing = _catch_error(catalogue, "L", tmp_path, tmp_path / "missing")
    assert missing.code == "checkpoint-not-found"
    assert missing.problem == f"{tmp_path / 'missing'} does not exist"


def test_load_equal_files_passes(catalogue: Catalogue, archives: Archives, tmp_path: Path) -> None:
    """An archive, its unpacked folder, a snapshot with modern keys, and a file without epoch."""
    archive = _write_file(tmp_path / "ConvNeXtPose_L.tar", archives["L"])
    write_members(read_members(archives["L"]), tmp_path / "ConvNeXtPose_L")
    checkpoint = load_checkpoint(archive)
    write_snapshot(checkpoint, "L", tmp_path).rename(tmp_path / "ConvNeXtPose_L.pth")
    first, state = tmp_path / "ConvNeXtPose_L (1).safetensors", dict(checkpoint.state)
    _write_file(first, save(state))

    assert CheckpointFiles([tmp_path], catalogue).candidates[0] == first
    assert _load(catalogue, "L", tmp_path).epoch == generated_epoch(catalogue["L"])
    _write_file(first, save({key: tensor + 1 for key, tensor in state.items()}))
    assert _catch_error(catalogue, "L", tmp_path).code == "ambiguous"


def test_load_same_weights_of_another_epoch_raises_ambiguous(
    catalogue: Catalogue, archives: Archives, tmp_path: Path
) -> None:
    one = _write_file(tmp_path / "a.pth", archives["L"])
    content = make_snapshot(catalogue["L"].architecture, epoch=1)
    other = _write_file(tmp_path / "b.pth", save_to_bytes(content))
    error = _catch_error(catalogue, "L", tmp_path)
    assert error.code == "ambiguous"
    assert f"{one}, {other}" in error.problem
    assert _load(catalogue, "L", one).path == one


def test_candidates_skip_others_unopened(
    catalogue: Catalogue, archives: Archives, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write_file(tmp_path / "b.tar", archives["L"])
    for name in (
        "._ConvNeXtPose_L.tar", "__MACOSX/ConvNeXtPose_L.tar", ".hidden/a.tar", "notes.txt",
        "s_09_act_02_subact_01_ca_01/a.tar", "images/a.jpg", "b.PNG", "c.npy", "images/.hidden",
    ):  # fmt: skip
        _write_file(tmp_path / name, archives["M"])
    _write_file(tmp_path / "annotations.zip", make_zip({"a.json": b"{}"}))
    monkeypatch.setattr(search, "open_regular", lambda path: pytest.fail(f"{path} was opened"))
    files = CheckpointFiles([tmp_path], catalogue)
    assert files.candidates == (tmp_path / "annotations.zip", path)
    assert files.load("L").path == path


def test_load_too_many_candidates_raises_too_many_files(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert search.MAX_CANDIDATES == 1_000
    monkeypatch.setattr(search, "MAX_CANDIDATES", 3)
    for number in range(3):
        _write_file(tmp_path / f"{number}.pth", b"")
    assert len(CheckpointFiles([tmp_path], catalogue).candidates) == 3
    _write_file(tmp_path / "ConvNeXtPose_L.tar", b"")
    error = _catch_error(catalogue, "L", tmp_path)
    assert error.code == "too-many-files"
    assert f"{tmp_path} contains more than 3 files that may be checkpoints" in str(error)


@pytest.mark.parametrize(
    "name",
    [
        "ConvNeXtPose_L.tar의 사본", "Copia de ConvNeXtPose_L.tar",
        "uc?export=download&id=1eIaMqTYG-30CuP", "pytorch_model.bin",
    ],
)  # fmt: skip
def test_load_finds_any_name_by_content(
    name: str, catalogue: Catalogue, archives: Archives, tmp_path: Path
) -> None:
    path = _write_file(tmp_path / name, archives["L"])
    _write_file(tmp_path / "LICENSE", b"MIT License")
    assert CheckpointFiles([tmp_path], catalogue).candidates == (path,)
    assert _load(catalogue, "L", tmp_path).path == path
    path.write_bytes(b"<html>Google Drive - Virus scan warning")
    assert f"{path} is a web page" in _catch_error(catalogue, "L", tmp_path).problem


def test_load_missing_names_skipped_files(
    catalogue: Catalogue, archives: Archives, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished = _write_file(tmp_path / "ConvNeXtPose_L.tar.crdownload", archives["L"])
    incomplete = tmp_path / "ConvNeXtPose_L/snapshot_83.pth"
    _write_file(incomplete / "data/0", b"storage")
    deep = tmp_path / "/".join("abcdefghijklm")
    _write_file(deep / "ConvNeXtPose_L.tar", archives["L"])
    monkeypatch.setattr(search, "MAX_OPENED", 2)
    for name in ("x1", "x2", "x3", "x4"):
        _write_file(tmp_path / "zoo" / name, b"text")

    error = _catch_error(catalogue, "L", tmp_path)

    assert error.code == "checkpoint-not-found"
    assert error.problem.split("; ")[1:] == [
        f"{unfinished} is an unfinished download",
        f"{incomplete} is an unpacked checkpoint without data.pkl",
        f"1 folder too deep to search, such as {deep}",
        f"2 files in {tmp_path} were not opened: the limit for files without a checkpoint's suffix"
        " is 2",
    ]
    for name in ("one.part", "two.part", "three.part"):
        _write_file(tmp_path / name, b"")
    assert _catch_error(catalogue, "L", tmp_path).problem.endswith("; and 3 more")
