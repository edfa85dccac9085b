"""Valid files of any form load bit for bit; ``tests/hostile`` has the invalid ones."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.checkpoints import unpack
from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.synthetic.archives import generated_epoch
from convnextpose_check.synthetic.weights import seeded_state
from convnextpose_check.variants import Architecture
from tests.support.archives import (
    EPOCH,
    FORMS,
    FormWriter,
    find_differing_keys,
    make_authors_archive,
    make_snapshot,
    make_zip,
    read_members,
    save_to_bytes,
    tiny_variant,
)


@pytest.fixture(scope="module")
def archive(tiny: Architecture) -> bytes:
    return make_zip(read_members(save_to_bytes(make_snapshot(tiny))))


@pytest.mark.parametrize("write", FORMS.values(), ids=FORMS)
def test_load_any_form_keeps_tensors(write: FormWriter, tiny: Architecture, tmp_path: Path) -> None:
    content = make_snapshot(tiny)
    checkpoint = load_checkpoint(write(save_to_bytes(content), tmp_path))
    assert type(checkpoint.network) is dict
    assert list(checkpoint.network) == list(content["network"])
    assert find_differing_keys(checkpoint.network, content["network"]) == []
    assert checkpoint.epoch == EPOCH


@pytest.mark.parametrize("form", ["as_saved", "folder"])
def test_load_authors_archive_keeps_tensors(form: str, tiny: Architecture, tmp_path: Path) -> None:
    """The archive has the layout of older torch versions."""
    variant = tiny_variant(tiny, "L")
    checkpoint = load_checkpoint(FORMS[form](make_authors_archive(variant, tmp_path), tmp_path))
    values = seeded_state(tiny, generated_epoch(variant)).values()
    expected = dict(zip(checkpoint.network, values, strict=True))
    assert find_differing_keys(checkpoint.network, expected) == []
    assert checkpoint.epoch == generated_epoch(variant)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("as_saved", "zip"),
        ("folder", "folder"),
        ("tar_of_folder", "tar"),
        ("tar_gz_of_folder", "compressed tar"),
        ("zip_around_tar_gz", "zip in compressed tar in zip"),
    ],
)
def test_load_has_form_and_sha256(form: str, expected: str, archive: bytes, tmp_path: Path) -> None:
    path = FORMS[form](archive, tmp_path)
    checkpoint = load_checkpoint(path)
    assert checkpoint.form == expected
    if form == "folder":
        data = path / "data" / "0"
        data.write_bytes(bytes(data.stat().st_size))
        assert load_checkpoint(path).sha256 != checkpoint.sha256
    else:
        assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_load_checkpoint_uses_weights_only_and_hides_torch_advice(
    archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {}

    def load(*_: Any, **given: Any) -> None:
        options.update(given)
        raise pickle.UnpicklingError("re-running with weights_only=False will likely succeed")

    path = FORMS["as_saved"](archive, tmp_path)
    monkeypatch.setattr("torch.load", load)
    with pytest.raises(ConvNeXtPoseCheckError, match=r"^\[unsafe-archive\] ") as caught:
        load_checkpoint(path)
    assert options["weights_only"] is True
    assert "UnpicklingError" in caught.value.problem
    assert "weights_only" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("missing.tar", "file-not-found"),
        (".", "not-a-checkpoint"),
        ("file/below.tar", "unreadable"),
    ],
)
def test_load_checkpoint_no_checkpoint_raises(place: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConvNeXtPoseCheckError, match=rf"^\[{code}\] ") as caught:
        load_checkpoint(tmp_path / place)
    assert str(tmp_path / place) in caught.value.problem
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "named", "remedy"),
    [
        ("Google Drive - Quota exceeded. Sign in", "quota page", "24 hours"),
        ("Sorry, too many users have viewed or downloaded this file", "quota page", "24 hours"),
        ("Sorry, the file you have requested does not exist. Sign in", "not exist", "link"),
        ("You need access. Request access, or sign in", "permission page", "account with access"),
        ("https://accounts.google.com/ServiceLogin", "sign-in page", "Sign in"),
        ("Google Drive - Virus scan warning", "virus scan page", "convnextpose_check download"),
        ("404", "web page", "browser"),
    ],
)
def test_load_web_page_raises_html_page(text: str, named: str, remedy: str, tmp_path: Path) -> None:
    path = tmp_path / "L.tar"
    path.write_text(f"<html><title>{text}</title></html>")
    with pytest.raises(ConvNeXtPoseCheckError, match=r"^\[html-page\] ") as caught:
        load_checkpoint(path)
    assert caught.value.problem.startswith(f"{path} is a web page")
    assert named in caught.value.problem
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("form", "function"),
    [
        ("as_saved", "_open_container"),
        ("tar_around_pth", "_open_container"),
        ("folder", "_members_sha256"),
    ],
)
def test_load_checkpoint_file_changed_after_hashing_loads_hashed_content(
    form: str, function: str, archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = bytes(len(read_members(archive)["data/0"]))
    other = make_zip(read_members(archive) | {"data/0": zeros})
    path = FORMS[form](archive, tmp_path)
    before = load_checkpoint(path)
    _call_first(function, lambda: FORMS[form](other, tmp_path), monkeypatch)

    found = load_checkpoint(path)

    assert found.sha256 == before.sha256
    assert find_differing_keys(found.network, before.network) == []


@pytest.mark.parametrize("edit", [lambda whole: whole + b"more", lambda whole: whole[:-1]])
def test_load_checkpoint_size_changed_while_reading_raises_unreadable(
    edit: Callable[[bytes], bytes], archive: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = FORMS["as_saved"](archive, tmp_path)
    _call_first("read_exactly", lambda: path.write_bytes(edit(archive)), monkeypatch)

    with pytest.raises(ConvNeXtPoseCheckError, match=r"^\[unreadable\] ") as caught:
        load_checkpoint(path)

    assert caught.value.problem == f"the size of {path} changed while it was read"


def _call_first(function: str, action: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Call ``action`` before each call of a function of ``unpack``."""
    original: Callable[..., Any] = getattr(unpack, function)

    def call_both(*arguments: Any) -> Any:
        action()
        return original(*arguments)

    monkeypatch.setattr(unpack, function, call_both)
