"""The hashed bytes are those loaded, and only regular files are opened."""

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
from convnextpose_check.files.whole import open_regular
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
    """Another archive of the same layout and size."""
    data = members_of(first)["data/0"]
    return zipped(members_of(first) | {"data/0": bytes(len(data))})


def _before(function: str, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Call ``act`` before each call of a function of ``containers``."""
    original: Callable[..., Any] = getattr(containers, function)

    def acting(*arguments: Any) -> Any:
        act()
        return original(*arguments)

    monkeypatch.setattr(containers, function, acting)


MOMENTS = [
    (form, moment)
    for form in ("as_saved", "tar_around_pth", "folder")
    for moment in ("_members_sha256" if form == "folder" else "_open", "_find", "_write")
]


@pytest.mark.parametrize(("form", "moment"), MOMENTS)
def test_hash_is_that_of_the_loaded_bytes_if_the_file_is_written_meanwhile(
    form: str, moment: str, first: bytes, second: bytes, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def put(content: bytes) -> Path:
        if form == "folder":
            return unpacked(members_of(content), tmp_path / "snapshot_70.pth")
        return FORMS[form](content, tmp_path)

    before = load_checkpoint(put(first))
    _before(moment, lambda: put(second), monkeypatch)

    found = load_checkpoint(before.path)

    assert found.sha256 == before.sha256
    assert differing_keys(found.network, before.network) == []
    if form != "folder":
        assert put(first) == before.path
        assert hashlib.sha256(before.path.read_bytes()).hexdigest() == before.sha256


@pytest.mark.parametrize("more", [b"more", b""], ids=["grows", "shrinks"])
def test_file_that_changes_its_size_while_it_is_read_is_refused(
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
