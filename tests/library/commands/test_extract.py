"""``extract`` writes what the suite itself writes, and stops for no file that is bad."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from convnextpose_check.__main__ import main
from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.checkpoints.safetensors_file import source_sha256
from convnextpose_check.checkpoints.snapshot import write_snapshot
from convnextpose_check.miniature.archives import made_epoch
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.miniature.reference import miniature_catalogue
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.network.keymap import with_prefix
from convnextpose_check.paths import hold_folder
from convnextpose_check.variants import Architecture, Catalogue
from tests.support.archives import members_of, saved, unpacked, zipped
from tests.support.datasets import listing
from tests.support.deferred import Deferred
from tests.support.full_size import write_own_model

if TYPE_CHECKING:
    import torch
else:
    torch = Deferred("torch")


@pytest.fixture
def own(tiny: Architecture, tmp_path: Path) -> Path:
    """A folder with checkpoints of two tiny models T and U, and with their figures."""
    folder = tmp_path / "own"
    folder.mkdir()
    figures = write_own_model(tiny, folder, "T", epoch=3)
    wider = write_own_model(replace(tiny, head_channels=8), folder, "U", epoch=4)
    figures["variants"] += wider["variants"]
    (folder / "own.json").write_text(json.dumps(figures))
    return folder


def extract(own: Path, *files: Path) -> int:
    return main(
        [
            "extract", *map(str, files), "--results-dir", str(own.parent / "out"),
            "--variants-file", str(own / "own.json"),
        ]
    )  # fmt: skip


def snapshots(own: Path) -> list[str]:
    """What was written, below ``model_dump``."""
    dump = own.parent / "out" / "model_dump"
    return sorted(str(path.relative_to(dump)) for path in dump.rglob("*.pth"))


def test_archives_become_what_the_suite_itself_writes(
    miniature: Miniature, catalogue: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = listing(miniature.checkpoints)

    code = main(["extract", str(miniature.checkpoints), "--results-dir", str(tmp_path / "out")])

    assert code == 0
    out = capsys.readouterr().out
    for variant in catalogue.variants:
        checkpoint = load_checkpoint(miniature.checkpoints / variant.checkpoint.file_name)
        path = tmp_path / "out" / "model_dump" / f"snapshot_{made_epoch(variant)}.pth"
        expected = write_snapshot(checkpoint, variant.name, tmp_path / "suite")
        assert path.read_bytes() == expected.read_bytes()
        assert path.with_name(f"{path.name}.tar").samefile(path)
        assert f"holds   {variant.name}, epoch {made_epoch(variant)}" in out
        assert f"trained {made_epoch(variant) + 1} x 19,512 iterations: five subjects" in out
        assert f"{len(checkpoint.network)} tensors, {variant.checkpoint.head_keys} head keys" in out
        assert f"sha256  {checkpoint.sha256}" in out
        assert f"went to {path}\n  and to  {path.with_suffix('.safetensors')}\n" in out
        assert source_sha256(path.with_suffix(".safetensors")) == checkpoint.sha256
    assert f"\n{len(miniature_catalogue().names)} extracted\n" in out
    assert listing(miniature.checkpoints) == before


def test_bad_file_does_not_stop_the_others(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = own.parent / "own_page.tar"
    page.write_text("<!DOCTYPE html><title>Quota exceeded</title>")

    code = extract(own, page, own / "nowhere.tar", own / "own_T.pth", own / "own_U.pth")

    assert code == 1
    assert snapshots(own) == ["snapshot_3.pth", "snapshot_4.pth"]
    captured = capsys.readouterr()
    assert [line.split("]")[0] for line in captured.err.splitlines()] == [
        "[html-page",
        "[no-checkpoints",
    ]
    assert captured.out.endswith("\n2 extracted, 2 not\n")


def test_swapped_file_is_refused(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own / "own_T.pth").unlink()
    (own / "own_U.pth").rename(own / "own_T.pth")

    assert extract(own, own / "own_T.pth") == 1

    error = capsys.readouterr().err
    assert error.startswith(f"[wrong-variant] {own / 'own_T.pth'} is used as T but holds U")
    assert snapshots(own) == []


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("module.backbone.norm.weight", float("nan"), "not-finite"),
        ("module.backbone.norm.running_var", -1.0, "implausible-variance"),
    ],
)
def test_weights_that_no_training_leaves_are_refused(
    own: Path, key: str, value: float, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    content = torch.load(own / "own_T.pth", weights_only=True)
    content["network"][key][0] = value
    torch.save(content, own / "own_T.pth")

    assert extract(own, own / "own_T.pth") == 1

    assert capsys.readouterr().err.startswith(f"[{code}] ")
    assert snapshots(own) == []


def test_folder_gives_all_checkpoints_and_passes_over_the_rest(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own / "own_T.pth").rename(own / "any name.zip")
    members = members_of((own / "own_U.pth").read_bytes())
    unpacked(members, own / "deep" / "own_U" / "snapshot_4.pth")
    (own / "own_U.pth").unlink()
    (own / "a.zip").write_bytes(zipped({"readme.txt": b"hello"}))

    assert extract(own, own) == 0

    assert snapshots(own) == ["snapshot_3.pth", "snapshot_4.pth"]
    captured = capsys.readouterr()
    assert f"passed over {own / 'a.zip'}: " in captured.out
    assert captured.err == ""


def test_folder_without_any_checkpoint_is_told(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether it is empty or what lies in it is something else."""
    (own.parent / "empty").mkdir()
    (own.parent / "other").mkdir()
    (own.parent / "other" / "a.zip").write_bytes(zipped({"readme.txt": b"hello"}))

    assert extract(own, own.parent / "empty") == 1
    assert capsys.readouterr().err.startswith("[no-checkpoints] there is nothing like a checkpoint")
    assert extract(own, own.parent / "other") == 1
    assert str(own.parent / "other" / "a.zip") in capsys.readouterr().err


def test_bad_file_of_a_variants_name_in_a_folder_is_not_passed_over(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = (own / "own_U.pth").read_bytes()
    (own / "own_U.pth").write_bytes(content[: len(content) // 2])

    assert extract(own, own) == 1

    assert snapshots(own) == ["snapshot_3.pth"]
    assert str(own / "own_U.pth") in capsys.readouterr().err


def test_model_that_is_none_of_the_variants_is_refused(
    own: Path, tiny: Architecture, capsys: pytest.CaptureFixture[str]
) -> None:
    state = with_prefix(seeded_state(replace(tiny, head_channels=9), seed=1))
    (own / "mine.pth").write_bytes(saved({"epoch": 1, "network": state}))

    assert extract(own, own / "mine.pth") == 1

    assert "[wrong-layout]" in (error := capsys.readouterr().err)
    assert "holds none of T, U" in error
    assert "--variants-file" in error


def test_variants_that_weights_do_not_tell_apart_are_told_by_the_name(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The head's upsampling leaves no trace in the weights."""
    figures = json.loads((own / "own.json").read_text())
    twin = json.loads(json.dumps(figures["variants"][0]))
    twin["name"], twin["checkpoint"]["file_name"] = "V", "own_V.pth"
    twin["architecture"]["head_upsamplings"] = 3
    figures["variants"].append(twin)
    (own / "own.json").write_text(json.dumps(figures))
    (own / "any.pth").write_bytes((own / "own_T.pth").read_bytes())
    (own / "own_V.pth").write_bytes((own / "own_T.pth").read_bytes())

    assert extract(own, own / "any.pth") == 1
    assert "[several-variants]" in (error := capsys.readouterr().err)
    assert "can be T or V" in error
    assert extract(own, own / "own_V.pth") == 0
    assert "holds   V, epoch 3," in capsys.readouterr().out


def test_other_epoch_than_the_published_is_told(
    own: Path, tiny: Architecture, capsys: pytest.CaptureFixture[str]
) -> None:
    write_own_model(tiny, own, "T", epoch=9)

    assert extract(own, own / "own_T.pth") == 0

    assert "holds   T, epoch 9 (expected 3), " in capsys.readouterr().out
    assert snapshots(own) == ["snapshot_9.pth"]


def test_two_files_of_one_epoch_stay_apart(
    own: Path, tiny: Architecture, capsys: pytest.CaptureFixture[str]
) -> None:
    write_own_model(replace(tiny, head_channels=8), own, "U", epoch=3)

    assert extract(own, own) == 0

    written = snapshots(own)
    assert written[1:] == ["snapshot_3.pth"]
    assert written[0].startswith("U_")
    assert written[0] in capsys.readouterr().out


def test_folder_of_another_run_is_left_alone(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with hold_folder(own.parent / "out"):
        assert extract(own, own) == 2

    assert capsys.readouterr().err.startswith("[in-use] ")
    assert snapshots(own) == []


@pytest.mark.parametrize("command", ["doctor", "link", "extract"])
def test_help_says_what_the_command_does_and_returns(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    with pytest.raises(SystemExit, match=r"^0$"):
        main([command, "--help"])

    out = capsys.readouterr().out
    assert "exit code" in " ".join(out.split())
    lines = out.partition("options:")[0].splitlines()
    assert any(line.startswith(f"  python -m convnextpose_check {command} ") for line in lines)
    assert max(map(len, out.splitlines())) <= 80
