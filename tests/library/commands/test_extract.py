"""``extract`` writes the snapshots of a run; an invalid file does not stop the others."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from msgspec.structs import replace

from convnextpose_check.__main__ import main
from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.checkpoints.snapshot import write_snapshot
from convnextpose_check.network.keymap import add_prefix
from convnextpose_check.paths import lock_directory
from convnextpose_check.synthetic.weights import seeded_state
from convnextpose_check.variants import Architecture
from tests.support.archives import (
    find_differing_keys,
    make_zip,
    read_members,
    save_to_bytes,
    write_members,
)
from tests.support.datasets import list_files
from tests.support.full_size import write_own_model

Capture = pytest.CaptureFixture[str]
HOSTILE_NAMES = ("\udcff", "::error::T", "a\n::error::T", "\x1b[2J", "\u202eT", "##[error]T")


@pytest.fixture
def own(written_inputs: Path, tmp_path: Path) -> Path:
    """A folder with checkpoints of two tiny models T and U, and their variants file."""
    folder = Path(shutil.copytree(written_inputs / "models", tmp_path / "own"))
    shutil.copy2(written_inputs / "own.json", folder)
    return folder


def run_extract(own: Path, *files: Path) -> int:
    results, variants = own.parent / "out", own / "own.json"
    return main(
        ["extract", *map(str, files), f"--results-dir={results}", f"--variants-file={variants}"]
    )


def list_snapshots(own: Path) -> list[str]:
    """Relative paths of the files written below ``model_dump``."""
    dump = own.parent / "out" / "model_dump"
    return sorted(str(path.relative_to(dump)) for path in dump.rglob("*.pth"))


def test_extract_writes_what_a_run_writes(own: Path, capsys: Capture) -> None:
    before = list_files(own)

    assert run_extract(own, own) == 0

    out = capsys.readouterr().out
    for name, epoch in (("T", 1), ("U", 2)):
        checkpoint = load_checkpoint(own / f"own_{name}.pth")
        path = own.parent / "out" / "model_dump" / f"snapshot_{epoch}.pth"
        safetensors = path.with_suffix(".safetensors")
        expected = write_snapshot(checkpoint, name, own.parent / "run").read_bytes()
        assert path.read_bytes() == path.with_name(f"{path.name}.tar").read_bytes() == expected
        assert load_checkpoint(safetensors).metadata["source_sha256"] == checkpoint.sha256
        assert (
            f"contains  {name}, epoch {epoch}, {len(checkpoint.network)} tensors, modern head keys,"
            " prefix 'module.' removed, zip\n"
            f"  sha256    {checkpoint.sha256}\n"
            f"  written   {path}\n"
            f"  written   {safetensors}\n"
        ) in out
    assert out.endswith("\n2 extracted\n")
    assert list_files(own) == before


def test_extract_safetensors_are_judged_like_their_source(own: Path, capsys: Capture) -> None:
    assert run_extract(own, own) == 0
    written = own.parent / "out" / "model_dump" / "snapshot_1.safetensors"
    source = load_checkpoint(own / "own_T.pth")
    (own / "own_T.pth").unlink()
    written.rename(own / "own_T.safetensors")

    assert run_extract(own, own / "own_T.safetensors") == 0

    out = capsys.readouterr().out
    path = own.parent / "out" / "model_dump" / "snapshot_T.pth"
    for text in (
        "contains  T, epoch not recorded, ",
        "modern head keys, no prefix, safetensors\n",
        f"written   {path}\n",
    ):
        assert text in out
    snapshot = load_checkpoint(path)
    assert find_differing_keys(snapshot.network, source.network) == []
    assert snapshot.epoch is None


def test_extract_bad_file_does_not_stop_the_others(own: Path, capsys: Capture) -> None:
    for name in HOSTILE_NAMES:
        (own / f"{name}.pth").write_bytes((own / "own_T.pth").read_bytes())
    page = own.parent / "\udcfe\n::error::page.tar"
    page.write_text("<!DOCTYPE html><title>Quota exceeded</title>")

    code = run_extract(own, page, own)

    assert code == 1
    assert list_snapshots(own) == ["snapshot_1.pth", "snapshot_2.pth"]
    captured = capsys.readouterr()
    assert captured.err.startswith(f"[html-page] {own.parent}/\\udcfe\\n\\x3a:error\\x3a:page.tar")
    assert captured.out.endswith(f"\n{2 + len(HOSTILE_NAMES)} extracted, 1 failed\n")
    for line in (captured.out + captured.err).split("\n"):
        assert line.isprintable()
        assert "::" not in line
        assert "##" not in line
    assert run_extract(own, own / "nowhere.tar") == 2


def test_extract_folder_skips_other_files_and_names_bad_ones(own: Path, capsys: Capture) -> None:
    (own / "own_T.pth").rename(own / "any name.zip")
    members = read_members((own / "own_U.pth").read_bytes())
    write_members(members, own / "deep" / "own_U" / "snapshot_2.pth")
    content = (own / "own_U.pth").read_bytes()
    (own / "own_U.pth").unlink()
    (own / "a.zip").write_bytes(make_zip({"readme.txt": b"hello"}))

    assert run_extract(own, own) == 0

    assert list_snapshots(own) == ["snapshot_1.pth", "snapshot_2.pth"]
    captured = capsys.readouterr()
    assert f"skipped {own / 'a.zip'}: " in captured.out
    assert captured.err == ""
    (own / "own_U.pth").write_bytes(content[: len(content) // 2])
    assert run_extract(own, own) == 1
    assert str(own / "own_U.pth") in capsys.readouterr().err


def test_extract_impossible_weights_are_refused(own: Path, capsys: Capture) -> None:
    for name, key, value in (("T", "weight", float("nan")), ("U", "running_var", -1.0)):
        content = torch.load(own / f"own_{name}.pth", weights_only=True)
        content["network"][f"module.backbone.norm.{key}"][0] = value
        torch.save(content, own / f"own_{name}.pth")

    assert run_extract(own, own) == 1

    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == [
        "[bad-weights]", "[bad-weights]",
    ]  # fmt: skip
    assert list_snapshots(own) == []


def test_extract_other_variant_is_refused(own: Path, tiny: Architecture, capsys: Capture) -> None:
    state = add_prefix(seeded_state(replace(tiny, head_channels=9), seed=1))
    (own / "mine.pth").write_bytes(save_to_bytes({"epoch": 1, "network": state}))
    (own / "own_U.pth").replace(own / "own_T.pth")

    assert run_extract(own, own / "mine.pth", own / "own_T.pth") == 1

    none, swapped = capsys.readouterr().err.splitlines()
    assert none.startswith(f"[wrong-layout] {own / 'mine.pth'} contains none of T, U; ")
    assert "the first key is 'module.backbone." in none
    assert "--variants-file" in none
    assert swapped.startswith(f"[wrong-variant] {own / 'own_T.pth'} contains variant U: expected T")
    assert list_snapshots(own) == []


def test_extract_equal_variants_are_distinguished_by_name(own: Path, capsys: Capture) -> None:
    """Upsampling in the head has no weights."""
    figures = json.loads((own / "own.json").read_text())
    twin = json.loads(json.dumps(figures["variants"][0]))
    twin["name"], twin["checkpoint"]["file_name"] = "V", "own_V.pth"
    twin["architecture"]["head_upsamplings"] = 3
    figures["variants"].append(twin)
    (own / "own.json").write_text(json.dumps(figures))
    (own / "any.pth").write_bytes((own / "own_T.pth").read_bytes())
    (own / "own_V.pth").write_bytes((own / "own_T.pth").read_bytes())

    assert run_extract(own, own / "any.pth") == 1
    assert "[wrong-variant]" in (error := capsys.readouterr().err)
    assert "contains T or V" in error
    assert run_extract(own, own / "own_V.pth") == 0
    assert "contains  V, epoch 1," in capsys.readouterr().out


def test_extract_equal_epochs_stay_apart(own: Path, tiny: Architecture, capsys: Capture) -> None:
    write_own_model(replace(tiny, head_channels=8), own, "U", epoch=1)

    assert run_extract(own, own) == 0

    assert "contains  U, epoch 1 (expected 2), " in (out := capsys.readouterr().out)
    first, second = list_snapshots(own)
    assert second == "snapshot_1.pth"
    assert first.startswith("U_")
    assert first in out


def test_extract_results_folder_in_use_is_refused(own: Path, capsys: Capture) -> None:
    with lock_directory(own.parent / "out"):
        assert run_extract(own, own) == 2

    assert capsys.readouterr().err.startswith("[in-use] ")
    assert list_snapshots(own) == []
