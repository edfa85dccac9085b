from __future__ import annotations

import os
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.checkpoints.snapshot import write_snapshot
from convnextpose_check.checks.archives import check_snapshot
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.network.keymap import key_style
from convnextpose_check.variants import Architecture
from tests.hostile.judge import at_most
from tests.support.archives import (
    EPOCH,
    checkpoint_of,
    content_of,
    differing_keys,
    saved,
    tiny_variant,
    zipped,
)
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import torch
else:
    torch = Deferred("torch")

NAME = f"snapshot_{EPOCH}.pth"


@pytest.fixture
def checkpoint(tiny: Architecture) -> Checkpoint:
    """A legacy one, as M and L are."""
    return checkpoint_of(content_of(tiny, legacy=True)["network"])


def _content(path: Path) -> Any:
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize("legacy", [False, True], ids=["modern", "legacy"])
def test_a_snapshot_has_the_keys_and_numbers_that_the_authors_tools_load(
    legacy: bool, tiny: Architecture, tmp_path: Path
) -> None:
    network = content_of(tiny, legacy=legacy)["network"]
    path = write_snapshot(checkpoint_of(network), "L", tmp_path)
    assert path == tmp_path / "model_dump" / NAME
    content = _content(path)
    modern = content_of(tiny)["network"]
    assert content["epoch"] == EPOCH
    assert list(content["network"]) == list(modern)
    assert all(key.startswith("module.") for key in content["network"])
    assert key_style(content["network"]) == "modern"
    assert differing_keys(content["network"], modern) == []


def test_a_snapshot_opens_as_a_checkpoint_again(
    tiny: Architecture, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    again = load_checkpoint(write_snapshot(checkpoint, "L", tmp_path))
    assert again.epoch == checkpoint.epoch
    assert differing_keys(again.network, content_of(tiny)["network"]) == []


def test_a_network_without_prefix_gets_it(checkpoint: Checkpoint, tmp_path: Path) -> None:
    bare = {key.removeprefix("module."): t for key, t in checkpoint.network.items()}
    path = write_snapshot(checkpoint_of(bare), "L", tmp_path)
    assert all(key.startswith("module.") for key in _content(path)["network"])
    assert check_snapshot(path, checkpoint) == path.stat().st_size


@pytest.mark.parametrize("links", [True, False], ids=["links", "no_links"])
def test_the_twin_under_the_authors_name_has_the_same_content(
    links: bool, checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(1, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", refuse)
    path = write_snapshot(checkpoint, "L", tmp_path)
    twin = path.with_name(f"{NAME}.tar")
    assert twin.read_bytes() == path.read_bytes()
    assert twin.samefile(path) is links
    assert sorted(path.parent.iterdir()) == [path, twin]


def test_writing_again_replaces_both(checkpoint: Checkpoint, tmp_path: Path) -> None:
    path = write_snapshot(checkpoint, "L", tmp_path)
    twisted = _content(path)
    key = next(iter(twisted["network"]))
    twisted["network"] = {**twisted["network"], key: torch.zeros(1)}
    torch.save(twisted, path)
    assert write_snapshot(checkpoint, "L", tmp_path) == path
    assert check_snapshot(path, checkpoint)
    assert path.with_name(f"{NAME}.tar").read_bytes() == path.read_bytes()
    assert len(list(path.parent.iterdir())) == 2


@pytest.mark.parametrize("variant", ["M", "L"])
def test_checkpoints_of_the_same_epoch_never_overwrite_each_other(
    variant: str, tiny: Architecture, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """Another variant, or other weights of the same one, such as the miniature's."""
    wider = tiny_variant(tiny, variant, head_channels=9).architecture
    other = replace(checkpoint_of(content_of(wider)["network"]), sha256="1" * 64)
    for _ in range(2):
        paths = write_snapshot(checkpoint, "L", tmp_path), write_snapshot(other, variant, tmp_path)
        assert paths[0] == tmp_path / "model_dump" / NAME
        assert paths[1] == tmp_path / "model_dump" / f"{variant}_11111111" / NAME
        assert check_snapshot(paths[0], checkpoint)
        assert check_snapshot(paths[1], other)


@pytest.mark.parametrize("name", [NAME, f"{NAME}.tar"])
@pytest.mark.parametrize(
    "foreign",
    [b"", b"not a checkpoint", {"epoch": EPOCH, "network": {}}, [1]],
    ids=["empty", "text", "authors", "list"],
)
def test_a_foreign_snapshot_is_left_alone(
    foreign: Any, name: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    dump = tmp_path / "model_dump"
    dump.mkdir()
    content = foreign if isinstance(foreign, bytes) else saved(foreign)
    (dump / name).write_bytes(content)
    path = write_snapshot(checkpoint, "L", tmp_path)
    assert (dump / name).read_bytes() == content
    assert path == dump / "L_00000000" / NAME
    assert check_snapshot(path, checkpoint)


@pytest.mark.parametrize("kind", ["pipe", "bomb", "sparse"])
def test_a_hostile_snapshot_is_left_alone_and_takes_nothing(
    kind: str, checkpoint: Checkpoint, tmp_path: Path
) -> None:
    path = tmp_path / "model_dump" / NAME
    path.parent.mkdir()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "bomb":
        path.write_bytes(zipped({"data.pkl": b".", "data/0": bytes(60 << 20)}, compression=8))
    else:
        path.write_bytes(b"PK\3\4")
        os.truncate(path, 200 << 30)
    with at_most(5):
        written = write_snapshot(checkpoint, "L", tmp_path)
    assert written == path.parent / "L_00000000" / NAME
    assert check_snapshot(written, checkpoint)


def test_a_folder_that_cannot_be_written_is_told(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "results").touch()
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        write_snapshot(checkpoint, "L", tmp_path / "results")
    assert caught.value.code == "cannot-write"


def test_a_full_disk_is_told_and_leaves_nothing(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """A limit on the size of files stands in for the full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        with pytest.raises(ConvNeXtPoseCheckError) as caught:
            write_snapshot(checkpoint, "L", tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert caught.value.code == "cannot-write"
    assert list((tmp_path / "model_dump").iterdir()) == []


def _other_epoch(content: Any, _: str) -> None:
    content["epoch"] += 1


def _next_number(content: Any, key: str) -> None:
    tensor = content["network"][key]
    tensor[0] = tensor[0].nextafter(torch.tensor(2.0))


def _sign_of_zero(content: Any, key: str) -> None:
    content["network"][key][1] = -0.0


def _other_dtype(content: Any, key: str) -> None:
    content["network"][key] = content["network"][key].double()


def _other_shape(content: Any, key: str) -> None:
    content["network"][key] = content["network"][key][None]


def _one_less(content: Any, key: str) -> None:
    del content["network"][key]


def _last_first(content: Any, key: str) -> None:
    content["network"] = {key: content["network"][key], **content["network"]}


@pytest.mark.parametrize(
    "spoil",
    [
        _other_epoch,
        _next_number,
        _sign_of_zero,
        _other_dtype,
        _other_shape,
        _one_less,
        _last_first,
    ],
)
def test_a_snapshot_that_differs_is_found(
    spoil: Callable[[Any, str], None], checkpoint: Checkpoint, tmp_path: Path
) -> None:
    key = "module.head.final_layer.bias"
    checkpoint.network[key][1] = 0.0
    path = write_snapshot(checkpoint, "L", tmp_path)
    assert check_snapshot(path, checkpoint) == path.stat().st_size
    content = _content(path)
    spoil(content, key)
    torch.save(content, path)
    with pytest.raises(CheckFailedError) as caught:
        check_snapshot(path, checkpoint)
    assert caught.value.code == "snapshot"
    assert str(path) in caught.value.problem
    assert str(caught.value.obtained).startswith((f"{key}: torch.", "epoch "))
    assert str(caught.value.expected).startswith(("the archive's bits, torch.", "epoch "))


def test_a_snapshot_of_nan_weights_is_whole(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """That they are NaN is for another check to say."""
    checkpoint.network["module.head.final_layer.bias"][1] = float("nan")
    assert check_snapshot(write_snapshot(checkpoint, "L", tmp_path), checkpoint)


def test_a_snapshot_is_never_unpickled(checkpoint: Checkpoint, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "executed"),)

    path = write_snapshot(checkpoint, "L", tmp_path)
    torch.save(_content(path) | {"epoch": Hostile()}, path)
    with pytest.raises(Exception, match="weights_only"):
        check_snapshot(path, checkpoint)
    assert not (tmp_path / "executed").exists()
