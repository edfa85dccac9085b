"""What is hashed is what is loaded, and only plain files are opened."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.checkpoints import unpack as containers
from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.opening import open_regular
from convnextpose_check.variants import Architecture
from tests.support.archives import (
    FORMS,
    content_of,
    differing_keys,
    members_of,
    saved,
    unpacked,
    zipped,
)  # fmt: skip


@pytest.fixture
def first(tiny: Architecture) -> bytes:
    return zipped(members_of(saved(content_of(tiny))))


@pytest.fixture
def second(first: bytes) -> bytes:
    """Another archive of the same layout and size, whole as well."""
    data = members_of(first)["data/0"]
    return zipped(members_of(first) | {"data/0": bytes(len(data))})


def _before(function: str, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let something happen whenever the function of ``containers`` is about to be called."""
    original: Callable[..., Any] = getattr(containers, function)

    def acting(*arguments: Any) -> Any:
        act()
        return original(*arguments)

    monkeypatch.setattr(containers, function, acting)


@pytest.mark.parametrize("moment", ["_open", "_find", "_write"])
@pytest.mark.parametrize("form", ["as_saved", "tar_around_pth"])
def test_hash_is_that_of_the_bytes_that_were_loaded_though_the_file_is_written_meanwhile(
    form: str, moment: str, first: bytes, second: bytes, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    other = FORMS[form](second, tmp_path).read_bytes()
    path = FORMS[form](first, tmp_path)
    was, sha256 = load_checkpoint(path), hashlib.sha256(path.read_bytes()).hexdigest()
    _before(moment, lambda: path.write_bytes(other), monkeypatch)

    found = load_checkpoint(path)

    assert path.read_bytes() == other
    assert found.sha256 == was.sha256 == sha256
    assert differing_keys(found.network, was.network) == []


@pytest.mark.parametrize("moment", ["_members_sha256", "_find", "_write"])
def test_hash_of_a_folder_is_that_of_the_bytes_that_were_loaded(
    moment: str, first: bytes, second: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = unpacked(members_of(first), tmp_path / "snapshot_70.pth")
    was = load_checkpoint(folder)
    _before(moment, lambda: unpacked(members_of(second), folder), monkeypatch)

    found = load_checkpoint(folder)

    assert found.sha256 == was.sha256
    assert differing_keys(found.network, was.network) == []


@pytest.mark.parametrize("more", [b"more", b""], ids=["grows", "shrinks"])
def test_file_that_changes_its_size_while_it_is_read_is_told(
    more: bytes, first: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pth"
    path.write_bytes(first)
    content = first + more if more else first[:-1]
    _before("read_whole", lambda: path.write_bytes(content), monkeypatch)

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        load_checkpoint(path)

    assert caught.value.code == "unreadable"
    assert caught.value.problem == f"{path} changed its size while it was read"


def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        open_regular(tmp_path / "pipe")
