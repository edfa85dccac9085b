"""Misnamed and packed parts of Human3.6M are found."""

from __future__ import annotations

from pathlib import Path

from convnextpose_check.commands.look_alikes import look_alikes

CAMERA = "Human36M_subject9_camera.json"


def test_look_alikes_image_folders_and_archives(tmp_path: Path) -> None:
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


def test_look_alikes_annotation_file_only_if_it_is_missing(tmp_path: Path) -> None:
    (tmp_path / "Human36M_subject9_camera (1).json").touch()
    (tmp_path / f"{CAMERA}.zip").touch()
    assert len(look_alikes(tmp_path, [CAMERA])) == 2

    (tmp_path / CAMERA).touch()

    assert look_alikes(tmp_path, [CAMERA]) == []


def test_look_alikes_folder_in_other_case(tmp_path: Path) -> None:
    (tmp_path / "h36m").mkdir()

    assert look_alikes(tmp_path / "H36M", ()) == [f"there is {tmp_path / 'h36m'}"]
    assert look_alikes(tmp_path / "missing" / "H36M", ()) == []
