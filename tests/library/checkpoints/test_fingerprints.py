"""Fingerprints identify the published tensors."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from convnextpose_check.__main__ import main
from convnextpose_check.checkpoints.fingerprints import (
    Fingerprint,
    fingerprint,
    read_fingerprints,
    tensor_digests,
)
from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.checks.archives import check_published_tensors
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.network.layout import expected_layout
from convnextpose_check.variants import Architecture, Catalogue
from tests.support.archives import (
    make_checkpoint,
    make_snapshot,
    save_to_bytes,
    tiny_variant,
)

KEY = "backbone.stages.1.0.pwconv1.weight"


def test_read_fingerprints_has_keys_of_architecture(fixtures: Path, catalogue: Catalogue) -> None:
    known = read_fingerprints(fixtures, catalogue.names)
    layout = list(expected_layout(catalogue["XS"].architecture))

    assert tuple(known) == catalogue.names
    assert {name for name, each in known.items() if each.sha256} == {"XS"}
    keys = list(known["XS"].sha256)
    assert len(keys) == 183
    assert keys == layout[11:], "the first eleven storages are not known"


def test_check_published_tensors_compares_by_modern_key(tiny: Architecture) -> None:
    known = fingerprint(make_checkpoint(make_snapshot(tiny)["network"]), "a test")
    legacy = make_snapshot(tiny, legacy=True)["network"]
    assert check_published_tensors(known, make_checkpoint(legacy)).startswith("106 of 106 ")
    del legacy[f"module.{KEY}"]

    with pytest.raises(CheckFailedError, match=rf"\[wrong-tensors\] 1 of 106 .* '{KEY}' \(a test"):
        check_published_tensors(known, make_checkpoint(legacy))


def test_fingerprint_command_prints_json(
    tiny: Architecture, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = Catalogue("The user's own model.", (replace(tiny_variant(tiny, "XS"), name="T"),))
    (tmp_path / "own.json").write_bytes(msgspec.json.encode(own))
    path = tmp_path / "own_T.pth"
    path.write_bytes(save_to_bytes(make_snapshot(tiny, epoch=3)))

    assert main(["fingerprint", str(path), "--variants-file", str(tmp_path / "own.json")]) == 0

    captured = capsys.readouterr()
    added = msgspec.json.decode(captured.out, type=dict[str, Fingerprint])["T"]
    checkpoint = load_checkpoint(path)
    assert added.sha256 == tensor_digests(checkpoint)
    assert added.source.startswith("own_T.pth, epoch 3, sha256 ")

    assert main(["fingerprint", str(path)]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["own_T"]
