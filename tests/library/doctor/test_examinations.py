"""``doctor`` says of everything that a run needs whether it is there, and how to mend it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convnextpose_check.__main__ import main
from convnextpose_check.checks import machine
from convnextpose_check.doctor.finding import Finding, examined
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.miniature.record import read_record
from convnextpose_check.run import preflight
from convnextpose_check.settings.options import PREFIX
from convnextpose_check.variants import Architecture
from tests.support.asking import Doctor, given, says, states
from tests.support.datasets import listing, rearranged
from tests.support.full_size import write_own_model

SETS = {9: "S9_ACT2_16", 11: "S11_ACT2_16"}


def test_on_an_empty_machine_all_that_is_missing_is_told_with_its_option(doctor: Doctor) -> None:
    code, rows = doctor("--device", "cuda:99")

    assert code == 1
    for title, said in {
        "device": "-> On Kaggle choose Settings",
        "annotations": "-> Give the folder that holds Human3.6M with --h36m-root",
        "checkpoints": "-> Give the folder or the files that hold the authors' four downloads",
    }.items():
        assert rows[title].startswith("missing: ")
        assert said in rows[title]
    below = {"images", "test samples", *(f"checkpoint {name}" for name in ("XS", "S", "M", "L"))}
    assert {rows[title].partition(" above")[0].split(": ", 1)[0] for title in below} == {"missing"}
    assert all(rows[title].endswith("above") for title in below | {"RootNet boxes"})
    assert rows["RootNet boxes"].startswith("note: ")
    assert doctor("--bbox", "rootnet")[1]["RootNet boxes"].startswith("missing: ")
    machine_rows = {"Python", "packages", "torch", "memory", "OpenCV", "results"}
    assert {rows[title].split(":")[0] for title in machine_rows} == {"ok"}


def test_weights_alone_need_no_human36m(doctor: Doctor) -> None:
    _, rows = doctor("--weights-only")

    assert not {"annotations", "images", "RootNet boxes", "test samples"} & rows.keys()
    assert rows["device"].startswith("ok: ")
    assert rows["checkpoints"].startswith("missing: ")


def test_miniature_laid_out_as_on_kaggle_lacks_nothing(
    doctor: Doctor,
    miniature: Miniature,
    fixtures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facts = read_record(fixtures).dataset
    monkeypatch.setattr("convnextpose_check.run.published.read_facts", lambda: facts)
    kaggle = tmp_path / "input"
    rearranged(miniature.dataset, kaggle / "h36m", "annotations (1)/annotations", SETS)
    (kaggle / "models").symlink_to(miniature.checkpoints)
    before = listing(tmp_path)

    code, rows = doctor("--device", "cpu", "--h36m-root", kaggle, "--checkpoints", kaggle)

    assert code == 0
    assert states(rows, "device", "disk") == {"ok"}
    assert rows["annotations"] == "ok: 6 files in h36m/annotations (1)/annotations"
    assert rows["images"] == (
        "ok: 30 sequences of subject 9 in h36m/S9_ACT2_16, 30 sequences of subject 11 in"
        " h36m/S11_ACT2_16"
    )
    assert rows["test samples"] == "ok: 120 of 120: 60 of subject 9 and 60 of subject 11"
    for name, held in {
        "XS": ("epoch 68,", "42.5 MB, modern", 69),
        "S": ("epoch 67 (67 or 68, claimed by", "89.5 MB, modern", 68),
        "M": ("epoch 70 (70, claimed by", "91.3 MB, legacy", 71),
        "L": ("epoch 83,", "100.8 MB, legacy", 84),
    }.items():
        epoch, form, epochs = held
        row = rows[f"checkpoint {name}"]
        assert row.startswith(f"ok: models/ConvNeXtPose_{name}.tar is {name}: {epoch}")
        assert f", {form} head keys, zip; {epochs} x 19,512 iterations: five subjects" in row
    assert listing(tmp_path) == before


def test_own_models_and_data_lack_nothing(doctor: Doctor, inputs: Path) -> None:
    code, rows = doctor(*given(inputs))

    assert code == 0
    assert states(rows, "device", "disk") == {"ok"}
    assert rows["device"].startswith("note: the CPU runs a kernel")
    assert "own_U.pth is U: epoch 2" in rows["checkpoint U"]


def test_variables_of_the_run_are_read_and_shown(
    doctor: Doctor,
    inputs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(f"{PREFIX}VARIANTS", "U")
    assert "checkpoint T" not in doctor(*given(inputs))[1]

    main(["doctor", "--device", "cpu"])
    assert "read: CONVNEXTPOSE_VARIANTS U" in capsys.readouterr().out.splitlines()


def test_several_checkpoints_may_be_named_at_once(doctor: Doctor, inputs: Path) -> None:
    files = sorted((inputs / "models").iterdir())
    arguments = [*given(inputs), "--checkpoints", *files]
    arguments.remove("--checkpoints")
    arguments.remove(inputs / "models")

    assert doctor(*arguments)[0] == 0


def test_swapped_checkpoints_are_told_by_what_they_hold(doctor: Doctor, inputs: Path) -> None:
    models = inputs / "models"
    (models / "own_T.pth").rename(models / "kept")
    (models / "own_U.pth").rename(models / "own_T.pth")

    code, rows = doctor(*given(inputs))

    assert code == 1
    assert says(rows["checkpoint T"], f"{models / 'own_T.pth'} is used as T but holds U")
    assert says(rows["checkpoint T"], "-> Give the file of T, own_T.pth")
    assert says(rows["checkpoint U"], f"{models / 'own_T.pth'} holds U")
    assert says(rows["checkpoint U"], "-> Rename that file to own_U.pth")
    (models / "kept").rename(models / "own_U.pth")
    code, rows = doctor(*given(inputs))
    assert code == 1
    assert "is used as T but holds U" in rows["checkpoint T"]
    assert "is used as U but holds T" in rows["checkpoint U"]


def test_variant_that_weights_do_not_tell_apart_is_not_found_under_the_others_name(
    doctor: Doctor, inputs: Path
) -> None:
    """The head's upsampling leaves no trace in the weights: the file may well be what it says."""
    own = json.loads((inputs / "own.json").read_text())
    twin = json.loads(json.dumps(own["variants"][0]))
    twin["name"], twin["checkpoint"]["file_name"] = "V", "own_V.pth"
    twin["architecture"]["head_upsamplings"] = 3
    own["variants"].append(twin)
    (inputs / "own.json").write_text(json.dumps(own))

    code, rows = doctor(*given(inputs))

    assert code == 1
    assert rows["checkpoint T"].startswith("ok: ")
    assert "Rename" not in rows["checkpoint V"]
    assert rows["checkpoint V"].startswith("missing: there is no checkpoint of V in ")


def test_checkpoint_of_any_name_is_told_by_its_content(doctor: Doctor, inputs: Path) -> None:
    (inputs / "models" / "own_T.pth").rename(inputs / "models" / "downloaded.zip")

    code, rows = doctor(*given(inputs))

    assert code == 0
    assert rows["checkpoint T"].startswith("ok: downloaded.zip is T, told by its content")


def test_other_epoch_and_web_page_are_no_checkpoints_to_judge(
    doctor: Doctor, inputs: Path, tiny: Architecture
) -> None:
    write_own_model(tiny, inputs / "models", "T", epoch=5)
    (inputs / "models" / "own_U.pth").write_text("<!DOCTYPE html><title>Quota exceeded</title>")

    code, rows = doctor(*given(inputs))

    assert code == 1
    said = "has epoch 5: expected 1 (the variants file) -> Download own_T.pth again"
    assert said in rows["checkpoint T"]
    assert rows["checkpoint U"].startswith("missing: ")
    assert "web page" in rows["checkpoint U"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(None, "ok: own_T.pth is T: epoch 5, ", id="unknown"),
        pytest.param(
            {"value": [1, 2], "source": "two notes", "information_only": "never read"},
            "ok: own_T.pth is T: epoch 5 (1 or 2, claimed by two notes), ",
            id="claimed",
        ),
    ],
)
def test_epoch_that_nobody_knows_is_shown_and_lacks_nothing(
    doctor: Doctor, inputs: Path, tiny: Architecture, change: object, said: str
) -> None:
    write_own_model(tiny, inputs / "models", "T", epoch=5)
    own = json.loads((inputs / "own.json").read_text())
    own["variants"][0]["checkpoint"]["epoch"] = change
    (inputs / "own.json").write_text(json.dumps(own))

    code, rows = doctor(*given(inputs))

    assert code == 0
    assert rows["checkpoint T"].startswith(said)
    assert "Download" not in rows["checkpoint T"]


def test_other_training_than_the_known_one_is_told(doctor: Doctor, inputs: Path) -> None:
    own = json.loads((inputs / "own.json").read_text())
    own["variants"][0]["checkpoint"]["iterations"] = {"value": 7, "source": "its maker"}
    (inputs / "own.json").write_text(json.dumps(own))

    code, rows = doctor(*given(inputs))

    assert code == 1
    assert says(rows["checkpoint T"], "not from the recorded training of T: 2 x 19,512 iterations")
    assert says(rows["checkpoint T"], "expected 2 x 7 iterations (its maker) -> Give own_T.pth")


def test_broken_interpolation_is_told(
    doctor: Doctor, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cv2

    warp = cv2.warpAffine

    def other_warp(*arguments: Any, **options: Any) -> Any:
        return np.asarray(warp(*arguments, **options), dtype=np.uint8) ^ 1

    monkeypatch.setattr("cv2.warpAffine", other_warp)

    code, rows = doctor(*given(inputs))

    assert code == 1
    assert rows["OpenCV"].startswith(f"missing: OpenCV {cv2.__version__} interpolates unlike")
    assert "pip install 'opencv-python-headless>=4.10.0.84,<5'" in rows["OpenCV"]
    assert states(rows, "OpenCV", "device", "disk") == {"ok"}


def test_package_that_does_not_load_is_told(
    doctor: Doctor, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "cv2", None)

    code, rows = doctor(*given(inputs))

    assert code == 1
    assert rows["OpenCV"].startswith("missing: a package does not load: ")
    assert "pip install -e ." in rows["OpenCV"]


@pytest.mark.parametrize("place", ["/proc/out", "/dev/null/out"])
def test_results_folder_that_cannot_be_written_is_told(
    doctor: Doctor, inputs: Path, place: str
) -> None:
    code, rows = doctor(*given(inputs), results_dir=place)

    assert code == 1
    assert rows["results"].startswith(f"missing: cannot write {place}: ")
    assert "-> Name a folder that can be written" in rows["results"]


@pytest.mark.parametrize(
    ("free_gb", "code", "said"),
    [(0.5, 1, "missing: 0.5 GB are free"), (3, 0, "note: 3.0 GB free"), (6, 0, "ok: 6.0 GB free")],
)
def test_room_on_the_disk_is_told(
    doctor: Doctor,
    inputs: Path,
    free_gb: float,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(machine, "free_disk_gb", lambda _folder: free_gb)

    obtained, rows = doctor(*given(inputs))

    assert obtained == code
    assert rows["disk"].startswith(said)


def test_too_little_memory_is_a_row(
    doctor: Doctor, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "free_ram_gb", lambda: 0.5)

    code, rows = doctor(*given(inputs))

    assert code == 1
    assert rows["memory"].startswith("missing: 0.5 GB of memory are free")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--protocol", "3"], "--protocol is '3': expected one of 1, 2"),
        (["--variants", "Q"], "no variant is named 'Q'"),
        (["--variants-file", "nowhere.json"], "cannot read the variants file"),
    ],
)
def test_mistaken_option_is_one_sentence(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", *arguments]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ("torch>=99", "torch "),
        ("no-such-package-anywhere>=1", "no-such-package-anywhere not installed"),
    ],
)
def test_package_that_is_missing_or_old_is_told(
    requirement: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ["numpy>=2", requirement, "gone; extra == 'dev'", "opencv-python-headless<5"]
    monkeypatch.setattr(preflight, "requires", lambda _name: wanted)

    finding = examined(lambda: Finding("ok", preflight.check_packages()))

    assert finding.state == "missing"
    assert finding.found.startswith(said)
    assert f"(expected {requirement})" in finding.found
    assert "gone" not in finding.found
    assert "pip install -e ." in finding.mend


def test_python_that_the_suite_is_not_made_for_is_told() -> None:
    assert preflight.check_python("3.13.1") == "3.13.1"
    with pytest.raises(ConvNeXtPoseCheckError, match=r"this is Python 3\.9\.1: expected >=3\.10"):
        preflight.check_python("3.9.1")


def test_suite_that_was_not_installed_is_only_noted(
    doctor: Doctor, inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preflight, "DISTRIBUTION", "convnextpose-check-of-nobody")

    code, rows = doctor(*given(inputs))

    assert code == 0
    assert rows["Python"].startswith("note: this suite was not installed")
    assert rows["packages"].startswith("note: this suite was not installed")


def test_long_words_stay_within_the_columns() -> None:
    finding = Finding("missing", "/x" * 100, "mend " * 30)

    lines = list(finding.lines("title", 13, 60))

    assert max(map(len, lines)) == 60
    assert lines[0].startswith("missing  title          /x")
    assert [line[:24] for line in lines[1:]] == [" " * 24] * (len(lines) - 1)
    assert "".join(line[24:] for line in lines).count("/x") == 100
    assert any(line[24:].startswith("-> mend") for line in lines)
