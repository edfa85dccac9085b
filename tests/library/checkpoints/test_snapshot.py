"""Checkpoints as ``.pth`` files for the authors' tools, and as safetensors."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.checkpoints.snapshot import write_safetensors, write_snapshot
from convnextpose_check.checks.archives import check_snapshot
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.network.keymap import detect_key_style
from convnextpose_check.network.layout import normalize_keys
from convnextpose_check.variants import Architecture
from tests.hostile.judge import at_most
from tests.support.archives import (
    EPOCH,
    find_differing_keys,
    make_checkpoint,
    make_snapshot,
)

NAME = f"snapshot_{EPOCH}.pth"
KEY = "module.head.final_layer.bias"


@pytest.fixture
def checkpoint(tiny: Architecture) -> Checkpoint:
    """A checkpoint with legacy keys, as those of M and L."""
    return make_checkpoint(make_snapshot(tiny, legacy=True)["network"])


def _load_content(path: Path) -> Any:
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize(
    ("legacy", "prefix"), [(False, "module."), (True, "")], ids=["modern", "legacy"]
)
def test_write_snapshot_has_authors_keys_and_loads_as_checkpoint(
    legacy: bool, prefix: str, tiny: Architecture, tmp_path: Path
) -> None:
    network = make_snapshot(tiny, legacy=legacy)["network"]
    given = {key.replace("module.", prefix): tensor for key, tensor in network.items()}
    path = write_snapshot(make_checkpoint(given), "L", tmp_path)
    assert path == tmp_path / "model_dump" / NAME
    modern = make_snapshot(tiny)["network"]
    for content in (_load_content(path)["network"], load_checkpoint(path).network):
        assert list(content) == list(modern)
        assert detect_key_style(content) == "modern"
        assert find_differing_keys(content, modern) == []
    assert _load_content(path)["epoch"] == load_checkpoint(path).epoch == EPOCH
    assert check_snapshot(path, make_checkpoint(network)) == path.stat().st_size
    twin = path.with_name(f"{NAME}.tar")
    assert twin.read_bytes() == path.read_bytes()
    assert sorted(path.parent.iterdir()) == [path, twin]


def test_write_snapshot_replaces_equal_file(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = write_snapshot(checkpoint, "L", tmp_path)
    assert write_snapshot(checkpoint, "L", tmp_path) == path
    assert len(list(path.parent.iterdir())) == 2


@pytest.mark.parametrize(
    ("name", "foreign"),
    [
        (NAME, b"not a checkpoint"),
        (f"{NAME}.tar", b"not a checkpoint"),
        (NAME, None),
    ],
    ids=["text", "twin", "pipe"],
)
def test_write_snapshot_keeps_file_of_other_source(
    foreign: bytes | None, name: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    existing = tmp_path / "model_dump" / name
    existing.parent.mkdir()
    if foreign is None:
        os.mkfifo(existing)
    else:
        existing.write_bytes(foreign)
    before = existing.stat()
    with at_most(5):
        path = write_snapshot(checkpoint, "L", tmp_path)
    assert path == existing.parent / "L_00000000" / NAME
    assert check_snapshot(path, checkpoint)
    assert (existing.stat().st_ino, existing.stat().st_mtime_ns) == (
        before.st_ino,
        before.st_mtime_ns,
    )


def test_unwritable_folder_raises_cannot_write(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "results").touch()
    with pytest.raises(ConvNeXtPoseCheckError, match=r"\[cannot-write\]"):
        write_snapshot(checkpoint, "L", tmp_path / "results")
    with pytest.raises(ConvNeXtPoseCheckError, match=r"\[cannot-write\]"):
        write_safetensors(checkpoint, "L", tmp_path / "results" / NAME)


def _increment_last_bit(content: Any) -> None:
    tensor = content["network"][KEY]
    tensor[0] = tensor[0].nextafter(torch.tensor(2.0))


SPOIL: dict[str, Callable[[Any], Any]] = {
    "epoch": lambda content: content.update(epoch=EPOCH + 1),
    "next_number": _increment_last_bit,
    "sign_of_zero": lambda content: content["network"][KEY].index_fill_(0, torch.tensor([1]), -0.0),
    "dtype": lambda content: content["network"].update({KEY: content["network"][KEY].double()}),
    "shape": lambda content: content["network"].update({KEY: content["network"][KEY][None]}),
    "one_less": lambda content: content["network"].pop(KEY),
    "order": lambda content: content.update(network={KEY: 0, **content["network"]}),
}


@pytest.mark.parametrize("spoil", SPOIL.values(), ids=SPOIL)
def test_check_snapshot_any_difference_raises_round_trip(
    spoil: Callable[[Any], Any], checkpoint: Checkpoint, tmp_path: Path
) -> None:
    checkpoint.network[KEY][:3] = torch.tensor([1.0, 0.0, torch.nan])
    path = write_snapshot(checkpoint, "L", tmp_path)
    assert check_snapshot(path, checkpoint) == path.stat().st_size
    content = _load_content(path)
    spoil(content)
    torch.save(content, path)
    with pytest.raises(CheckFailedError, match=r"^\[round-trip\] ") as caught:
        check_snapshot(path, checkpoint)
    assert str(path) in caught.value.problem
    assert str(checkpoint.path) in caught.value.problem


def test_check_snapshot_executes_no_pickled_code(checkpoint: Checkpoint, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "executed"),)

    path = write_snapshot(checkpoint, "L", tmp_path)
    torch.save(_load_content(path) | {"epoch": Hostile()}, path)
    with pytest.raises(Exception, match="weights_only"):
        check_snapshot(path, checkpoint)
    assert not (tmp_path / "executed").exists()


def test_write_safetensors_keeps_tensors_and_source(checkpoint: Checkpoint, tmp_path: Path) -> None:
    from safetensors import safe_open
    from safetensors.torch import load_file

    network: Any = checkpoint.network
    weight = next(key for key, tensor in network.items() if tensor.ndim == 4)
    network[weight] = network[weight].transpose(2, 3)
    network[KEY] = network["module.head.final_layer.weight"].flatten()[: len(network[KEY])]
    network[KEY][:2] = torch.tensor([-0.0, 1e-40])

    path = write_safetensors(checkpoint, "L", tmp_path / "snapshot_83.pth")

    assert path == tmp_path / "snapshot_83.safetensors"
    assert find_differing_keys(load_file(path), normalize_keys(network)) == []
    with safe_open(path, framework="numpy") as opened:
        origin = {"variant": "L", "epoch": str(EPOCH), "source_sha256": checkpoint.sha256}
        assert opened.metadata() == {"format": "pt"} | origin
