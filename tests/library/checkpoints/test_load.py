"""Valid files of any form load bit for bit; ``tests/hostile`` has the invalid ones."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save

from convnextpose_check.checkpoints import unpack
from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.variants import Architecture
from tests.support.archives import (
    EPOCH,
    FORMS,
    FormWriter,
    find_differing_keys,
    make_snapshot,
    make_zip,
    read_members,
    save_to_bytes,
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


@pytest.mark.parametrize(
    ("name", "code"),
    [("missing.tar", "file-not-found"), (".", "not-a-checkpoint"), ("file/a.tar", "unreadable")],
)
def test_load_checkpoint_no_checkpoint_raises(name: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConvNeXtPoseCheckError, match=rf"^\[{code}\] ") as caught:
        load_checkpoint(tmp_path / name)
    assert str(tmp_path / name) in caught.value.problem
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("text", "named", "remedy"),
    [
        ("Google Drive - Quota exceeded. Sign in", "quota page", "24 hours"),
        ("Google Drive - Virus scan warning", "virus scan page", "the command download"),
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
        ("folder", "_hash_members"),
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


def _load_saved(content: Any, folder: Path) -> Checkpoint:
    path = folder / "a.pth"
    path.write_bytes(save_to_bytes(content))
    return load_checkpoint(path)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda network: network,
        lambda network: {"state_dict": network, "lr": 0.1},
        lambda network: {"network": network, "ema": network},
    ],
    ids=["bare", "state_dict", "network"],
)
def test_load_without_epoch_is_read_and_lacks_named_parts(
    wrap: Callable[[Any], Any], tiny: Architecture, tmp_path: Path
) -> None:
    network = make_snapshot(tiny)["network"]
    checkpoint = _load_saved(wrap(network), tmp_path)
    assert find_differing_keys(checkpoint.network, network) == []
    assert (checkpoint.epoch, checkpoint.steps) == (None, ())
    assert checkpoint.not_recorded == ("epoch", "optimizer steps")


@pytest.mark.parametrize("is_zipped", [False, True])
def test_load_safetensors_keeps_tensors_and_metadata(
    is_zipped: bool, tiny: Architecture, tmp_path: Path
) -> None:
    network = make_snapshot(tiny)["network"]
    content = save(network, {"variant": "XS", "epoch": "68"})
    path = tmp_path / ("a.zip" if is_zipped else "a.safetensors")
    path.write_bytes(make_zip({"a.safetensors": content}) if is_zipped else content)
    checkpoint = load_checkpoint(path)
    assert find_differing_keys(checkpoint.network, network) == []
    in_file_order = sorted(network, key=lambda key: (network[key].is_floating_point(), key))
    assert list(checkpoint.network) == in_file_order
    assert checkpoint.metadata == {"variant": "XS", "epoch": "68"}
    assert checkpoint.epoch is None
    assert checkpoint.form == ("safetensors in zip" if is_zipped else "safetensors")
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def _use_channels_last(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.dim() == 4 else tensor


@pytest.mark.parametrize("convert", [torch.Tensor.double, _use_channels_last])
def test_load_exact_conversion_keeps_values(
    convert: Callable[[torch.Tensor], torch.Tensor], tiny: Architecture, tmp_path: Path
) -> None:
    network = make_snapshot(tiny)["network"]
    converted = {k: convert(t) if t.is_floating_point() else t for k, t in network.items()}
    checkpoint = _load_saved({"epoch": 1, "network": converted}, tmp_path)
    assert find_differing_keys(checkpoint.network, network) == []


@pytest.mark.parametrize(
    ("convert", "message"),
    [
        (torch.Tensor.half, r"wrong-layout.* a tensor of float16: expected float32 or int64"),
        (lambda t: t.double() + 1e-12, r"wrong-layout.* float64: expected values that float32 can"),
    ],
)
def test_load_inexact_weights_raise(
    convert: Callable[[torch.Tensor], torch.Tensor], message: str, tmp_path: Path
) -> None:
    content = {"epoch": 1, "network": {"w": convert(torch.rand(6, 4))}}
    with pytest.raises(ConvNeXtPoseCheckError, match=message) as caught:
        _load_saved(content, tmp_path)
    assert "Download" not in caught.value.remedy


EXTRAS: dict[str, Any] = {
    "numpy_numbers": [np.float64(56.61), np.float32(0.1), np.int64(3), np.bool_(True)],
    "random_states": [torch.get_rng_state(), random.Random(1).getstate()],
    "other_tensors": [torch.ones(3, dtype=d) for d in (torch.float16, torch.bool, torch.int8)],
    "plain_values": {"scale": 65536.0, "none": None, "names": ("a", ["b"])},
}


@pytest.mark.parametrize("extra", EXTRAS.values(), ids=EXTRAS)
def test_load_harmless_values_beside_network_pass(extra: Any, tmp_path: Path) -> None:
    content = {"epoch": np.int64(5), "network": {"w": torch.ones(1)}, "extra": extra}
    assert _load_saved(content, tmp_path).epoch == 5
