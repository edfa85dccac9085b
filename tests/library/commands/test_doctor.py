"""``doctor`` runs the checks of a run, names missing inputs, and changes no file."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from convnextpose_check.__main__ import main
from convnextpose_check.checkpoints.training_record import TrainingRecord
from convnextpose_check.checks import archives, dataset, machine
from convnextpose_check.errors import CheckFailedError, ErrorCode
from convnextpose_check.variants import Architecture
from tests.support.datasets import list_files, make_image, rearrange_dataset
from tests.support.full_size import write_own_model

Doctor = Callable[..., tuple[int, dict[str, str]]]
Patch = pytest.MonkeyPatch

pytestmark = pytest.mark.usefixtures("nothing_set")

MACHINE = {"device", "memory", "OpenCV", "disk", "results folder"}
DATA = {"Human3.6M", "joints in boxes", "all samples", "boxes", "images"}
CHECKS = (
    " file", " variant", " epoch", " training record", " tensors", " weights", " BatchNorm",
    " key map",
)  # fmt: skip
SETS = {9: "S9_ACT2_16", 11: "S11_ACT2_16"}


@pytest.fixture
def doctor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Doctor:
    """Run ``doctor``; returns the exit code and its lines by title, the hints and the last line."""

    def run_doctor(*arguments: object) -> tuple[int, dict[str, str]]:
        code = main(["doctor", f"--results-dir={tmp_path / 'out'}", *map(str, arguments)])
        captured = capsys.readouterr()
        assert captured.err == ""
        rows = [
            (line[:8].strip(), line[8:32].strip(), line[32:])
            for line in captured.out.splitlines()
            if line.startswith(("ok ", "warning ", "n/a ", "failed "))
        ]
        hints = captured.out.partition("hint: ")[2]
        end = captured.out.splitlines()[-1]
        texts = {title: f"{state}: {text}" for state, title, text in rows}
        return code, {**texts, "hints": hints, "end": end}

    return run_doctor


def make_arguments(inputs: Path) -> list[object]:
    return [
        "--device=cpu", f"--h36m-root={inputs / 'h36m'}", f"--checkpoints={inputs / 'models'}",
        f"--variants-file={inputs / 'own.json'}",
    ]  # fmt: skip


def list_failed(rows: dict[str, str]) -> set[str]:
    return {title for title, text in rows.items() if text.startswith("failed: ")}


def test_doctor_without_inputs_names_missing_inputs_and_options(doctor: Doctor) -> None:
    code, rows = doctor("--device=cuda:99")

    assert code == 1
    assert list_failed(rows) == {
        "device", "Human3.6M", "XS file", "S file", "M file", "L file",
    }  # fmt: skip
    assert "[device-not-found]" in rows["device"]
    assert "Pass the folder of Human3.6M with --h36m-root" in rows["Human3.6M"]
    assert rows["L file"] == "failed: for the same reason as XS file"
    assert "with --checkpoints" in rows["XS file"]
    assert not {"memory", "joints in boxes", "XS epoch"} & rows.keys()
    assert rows["OpenCV"].startswith("ok: ")


def test_doctor_kaggle_layout_passes(doctor: Doctor, inputs: Path, monkeypatch: Patch) -> None:
    kaggle = inputs.with_name("kaggle")
    rearrange_dataset(inputs / "h36m", kaggle / "h36m", "annotations (1)/annotations", SETS)
    (kaggle / "models").symlink_to(inputs / "models")
    before = list_files(inputs.parent)
    monkeypatch.setenv("CONVNEXTPOSE_LIMIT", "1")  # a subset would not be complete
    monkeypatch.setenv("CONVNEXTPOSE_DOWNLOAD", "1")  # downloading would need a folder

    arguments = [f"--variants-file={inputs / 'own.json'}", "--device=cpu"]

    code, rows = doctor(*arguments, f"--h36m-root={kaggle}", f"--checkpoints={kaggle}")

    assert list_files(inputs.parent) == before
    assert code == 0
    checkpoints = {f"{name}{check}" for name in "TU" for check in CHECKS} - {
        "T tensors",
        "U tensors",
    }
    assert {title for title, text in rows.items() if text.startswith("ok: ")} == {
        *MACHINE, *DATA, *checkpoints,
    }  # fmt: skip
    assert rows["T tensors"] == "n/a: no published tensors on record"
    assert rows["end"] == "No check failed."
    assert rows["Human3.6M"] == "ok: 6 samples"
    assert rows["T file"] == f"ok: {kaggle / 'models' / 'own_T.pth'}"
    assert (rows["T epoch"], rows["T key map"]) == ("ok: 1", "ok: modern")
    _, rows = doctor(*make_arguments(inputs), "--variants=U")
    assert not {"T file", "T variant"} & rows.keys()


def test_doctor_weights_only_reads_no_human36m(doctor: Doctor, inputs: Path) -> None:
    arguments = [argument for argument in make_arguments(inputs) if "h36m" not in str(argument)]

    code, rows = doctor(*arguments, "--weights-only")
    refused, tensors = doctor(*arguments, "--weights-only", "--require-identity")

    assert (code, refused) == (0, 1)
    assert not DATA & rows.keys()
    assert "[not-verified]" in tensors["T tensors"]


def test_doctor_contradiction_warns(doctor: Doctor, inputs: Path, monkeypatch: Patch) -> None:
    record = TrainingRecord("counters differ", "2")
    check = "convnextpose_check.checks.archives.check_training_record"
    monkeypatch.setattr(check, lambda *_: record)

    code, rows = doctor(*make_arguments(inputs), "--variants=T")

    assert (code, rows["T training record"]) == (0, "warning: counters differ")


def test_doctor_failure_stops_no_check(doctor: Doctor, inputs: Path, monkeypatch: Patch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise CheckFailedError(ErrorCode.WRONG_COUNT, "broken", "Fix it")

    monkeypatch.setitem(sys.modules, "cv2", None)  # makes OpenCV's check fail
    for module in (archives, dataset, machine):
        for name in vars(module).keys() - {"check_interpolation"}:
            if name.startswith("check_"):
                monkeypatch.setattr(module, name, fail)

    code, rows = doctor(*make_arguments(inputs), "--variants=T")

    assert code == 1
    assert rows.keys() - {"hints", "end"} == {*MACHINE, *DATA, *(f"T{check}" for check in CHECKS)}
    assert rows.keys() - list_failed(rows) == {
        "device", "Human3.6M", "T file", "hints", "end",
    }  # fmt: skip
    assert "cv2" in rows.pop("OpenCV")
    assert "cv2" in rows.pop("images")
    assert {rows[title] for title in list_failed(rows)} == {
        "failed: [wrong-count] broken. Fix it.", "failed: for the same reason as memory",
    }  # fmt: skip


def test_doctor_swapped_files_are_named(doctor: Doctor, inputs: Path, tiny: Architecture) -> None:
    models = inputs / "models"
    (models / "own_U.pth").replace(models / "own_T.pth")

    code, rows = doctor(*make_arguments(inputs))

    assert code == 1
    assert f"{models / 'own_T.pth'} contains variant U: expected T" in rows["T variant"]
    assert "no checkpoint of U" in rows["U file"]
    write_own_model(tiny, models, "T", epoch=5)
    assert "expected 1 (a test)" in doctor(*make_arguments(inputs))[1]["T epoch"]


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("human36m_Subject9_camera.JSON", "should be named Human36M_subject9_camera.json"),
        ("Human36M_subject9_camera (1).json", "should be named Human36M_subject9_camera.json"),
        ("Annotations (1).zip", "is still packed"),
        ("images.tar.gzaa", "is still packed"),
        ("notes.zip", ""),
    ],
)
def test_doctor_misnamed_file_is_hinted(doctor: Doctor, inputs: Path, name: str, hint: str) -> None:
    folder = inputs / "h36m" / "annotations"
    (folder / "Human36M_subject9_camera.json").rename(folder / name)

    code, rows = doctor(*make_arguments(inputs))

    assert code == 1
    assert "Human36M_subject9_camera.json" in rows["Human3.6M"]
    assert (f"{folder / name} {hint}\n" in rows["hints"]) is bool(hint)
    assert ("ln -s" in rows["hints"]) is bool(hint)


def test_doctor_resized_images_are_named(doctor: Doctor, inputs: Path) -> None:
    for path in (inputs / "h36m" / "images").rglob("*.jpg"):
        cv2.imwrite(str(path), make_image(1)[:40, :50])

    code, rows = doctor(*make_arguments(inputs))

    assert code == 1
    assert list_failed(rows) == {"images"}
    assert "2 of 2 images, one of each" in rows["images"]
    assert "because it is 50x40 (resized): expected 100x80: " in rows["images"]
    assert "s_09_act_03_subact_01_ca_01_000001.jpg. Use the orig" in rows["images"]


def test_doctor_missing_images_of_a_subject_are_suggested(doctor: Doctor, inputs: Path) -> None:
    for folder in (inputs / "h36m" / "images").glob("s_09_*"):
        shutil.rmtree(folder)
    (inputs / "h36m" / "S9_ACT2_16.tar").touch()

    code, rows = doctor(*make_arguments(inputs))

    assert code == 1
    assert "[incomplete]" in rows["all samples"]
    assert "S9_ACT2_16.tar is still packed\n" in rows["hints"]
    assert doctor(*make_arguments(inputs), "--protocol=1")[0] == 0
