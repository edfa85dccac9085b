"""``doctor`` says what of Human3.6M was found where, and what is missing or misnamed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from convnextpose_check.doctor.look_alikes import look_alikes
from tests.support.asking import Doctor, given, says


def test_samples_that_are_lost_are_counted_by_reason(doctor: Doctor, inputs: Path) -> None:
    images = sorted((inputs / "h36m" / "images").glob("s_11_act_16*/*.jpg"))
    for image in images:
        image.unlink()

    code, rows = doctor(*given(inputs))

    assert code == 1
    assert "missing: 4 samples of protocol 2" in rows["test samples"]
    assert says(rows["test samples"], "2 excluded because there is no such image (2,")
    first = f"the first {images[0].parent.name}/{images[0].name})"
    assert says(rows["test samples"], first)


def test_missing_subject_is_told(doctor: Doctor, inputs: Path) -> None:
    for folder in (inputs / "h36m" / "images").glob("s_09_*"):
        shutil.rmtree(folder)

    code, rows = doctor(*given(inputs))

    assert code == 1
    assert rows["images"].startswith("missing: no sequences of subject 9 anywhere, 2 sequences of")
    assert doctor(*given(inputs), "--protocol", 1)[0] == 0


def test_rootnets_boxes_are_missed_only_where_they_are_read(doctor: Doctor, inputs: Path) -> None:
    shutil.rmtree(inputs / "h36m" / "bbox_root")

    code, rows = doctor(*given(inputs))
    assert (code, rows["RootNet boxes"].split(":")[0]) == (0, "ok")
    code, rows = doctor(*given(inputs), "--bbox", "rootnet")
    assert (code, rows["RootNet boxes"].split(":")[0]) == (1, "missing")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("human36m_Subject9_camera.JSON", "should be named Human36M_subject9_camera.json"),
        ("Human36M_subject9_camera (1).json", "should be named Human36M_subject9_camera.json"),
        ("Human36M_subject9_camera.json.zip", "is still packed"),
        ("Annotations (1).zip", "is still packed"),
        ("notes.zip", None),
    ],
)
def test_annotation_file_under_another_name_is_told(
    doctor: Doctor, inputs: Path, name: str, said: str | None
) -> None:
    folder = inputs / "h36m" / "annotations"
    (folder / "Human36M_subject9_camera.json").rename(folder / name)

    code, rows = doctor(*given(inputs))

    assert code == 1
    text = rows["annotations"]
    assert text.startswith("missing: 5 of 6 files below ")
    assert says(text, "without Human36M_subject9_camera.json")
    assert says(text, f"; {folder / name} {said}") if said else not says(text, name)
    assert ("ln -s" in text) is (said is not None)
    assert rows["test samples"].startswith("missing: not counted")


def test_image_folders_under_other_names_are_told(tmp_path: Path) -> None:
    misnamed = tmp_path / "S9" / "S_09_Act_02_subact_01_ca_01"
    (misnamed / "not entered" / "images.zip").mkdir(parents=True)
    (misnamed / "images.zip").touch()
    (tmp_path / "s_11_act_02_subact_01_ca_01 (1)").mkdir()
    (tmp_path / "s_11_act_02_subact_01_ca_02").mkdir()
    (tmp_path / "S11_ACT2_16.tar").touch()
    (tmp_path / "S1_ACT2_16.tar").touch()

    assert look_alikes(tmp_path, ()) == [
        f"the folder {tmp_path}/s_11_act_02_subact_01_ca_01 (1) should be named"
        " s_11_act_02_subact_01_ca_01",
        f"{tmp_path}/S11_ACT2_16.tar is still packed",
        f"the folder {tmp_path}/S9/S_09_Act_02_subact_01_ca_01 should be named"
        " s_09_act_02_subact_01_ca_01",
    ]


def test_folder_in_other_letters_is_told(doctor: Doctor, inputs: Path) -> None:
    arguments = [inputs / "H36M" if a == inputs / "h36m" else a for a in given(inputs)]

    code, rows = doctor(*arguments)

    assert code == 1
    assert says(rows["annotations"], f"there is no folder {inputs / 'H36M'}")
    assert says(rows["annotations"], f"there is {inputs / 'h36m'}, in other letters")


def test_annotations_that_cannot_be_read_are_told(doctor: Doctor, inputs: Path) -> None:
    (inputs / "h36m" / "annotations" / "Human36M_subject9_data.json").write_text('{"images"')

    code, rows = doctor(*given(inputs))

    assert code == 1
    assert says(rows["test samples"], "Human36M_subject9_data.json cannot be used")
