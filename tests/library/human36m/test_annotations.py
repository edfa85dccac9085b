"""Annotation files that are not as Human3.6M's are: one error that names file and place."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.human36m.geometry import is_rotation
from convnextpose_check.human36m.samples import BoxSource, load_dataset
from tests.support.datasets import FACTS, ROOTNET, Handmade

NAN = float("nan")
Change = Callable[[Handmade], object]


@pytest.fixture
def made() -> Handmade:
    return Handmade()


def refused(root: Path, file: str, boxes: BoxSource = "gt") -> str:
    """The message of the one error that names the file."""
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        load_dataset(root, FACTS, boxes=boxes)
    assert caught.value.code == "bad-annotations"
    assert file in caught.value.problem
    return caught.value.problem


@pytest.mark.parametrize("part", ["data", "camera", "joint_3d"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_cut_off_file_is_refused(made: Handmade, tmp_path: Path, part: str, share: float) -> None:
    root = made.write(tmp_path / "set")
    file = root / "annotations" / f"Human36M_subject11_{part}.json"
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    assert "truncated" in refused(root, file.name)


WRONG_FORMS: dict[str, tuple[str, str, Change]] = {
    "text-for-id": ("9_data", "$.images[1].id", lambda m: m.image(101).update(id="7")),
    "no-width": ("9_data", "width", lambda m: m.image(101).pop("width")),
    "short-box": ("11_data", "annotations[0].bbox", lambda m: m.annotation(200)["bbox"].pop()),
    "null-box": ("11_data", "bbox[1]", lambda m: m.annotation(200)["bbox"].__setitem__(1, None)),
    "nan-box": ("9_data", "bbox[0]", lambda m: m.annotation(100).update(bbox=[NAN] * 4)),
    "joint-2d": (
        "9_joint_3d",
        "`$[4]` of action 2, 1, frame 64",
        lambda m: m.frame(102)[4].pop(),
    ),
    "joint-text": (
        "9_joint_3d",
        "`$[4][0]` of action 2, 1, frame 64",
        lambda m: m.frame(102)[4].__setitem__(0, "x"),
    ),
    "joints-16": (
        "11_joint_3d",
        "16 joints of action 16, 2, frame 128: expected 17",
        lambda m: m.frame(203).pop(),
    ),
    "camera-list": ("9_camera", "$[...]", lambda m: m.cameras[9].update({"1": 5})),
    "camera-r": (
        "9_camera",
        "camera '1' lacks or garbles 'R'",
        lambda m: m.cameras[9]["1"].pop("R"),
    ),
    "camera-t": ("9_camera", "camera '1'", lambda m: m.cameras[9]["1"].update(t=[1, 2])),
    "camera-nan": ("9_camera", "not a finite", lambda m: m.cameras[9]["1"].update(f=[NAN, 1])),
    "camera-huge": ("9_camera", "camera '1'", lambda m: m.cameras[9]["1"].update(f=[10**400, 1])),
    "camera-float32": ("9_camera", "not a finite", lambda m: m.cameras[9]["1"].update(c=[1e39, 1])),
    "camera-flat": ("9_camera", "not positive", lambda m: m.cameras[9]["1"].update(f=[200, 0])),
    "camera-mirrored": ("9_camera", "f, which", lambda m: m.cameras[9]["1"].update(f=[-200, 200])),
    "camera-mirror-image": (
        "9_camera",
        "camera '1' lacks or garbles R, which is no rotation",
        lambda m: m.cameras[9]["1"].update(R=[[1, 0, 0], [0, 0, -1], [0, -1, 0]]),
    ),
    "camera-scaled": (
        "9_camera",
        "camera '1' lacks or garbles R, which is no rotation",
        lambda m: m.cameras[9]["1"].update(R=[[1.001, 0, 0], [0, 0, -1.001], [0, 1.001, 0]]),
    ),
    "camera-sheared": (
        "11_camera",
        "camera '1' lacks or garbles R, which is no rotation",
        lambda m: m.cameras[11]["1"]["R"][0].__setitem__(1, 0.01),
    ),
    "camera-of-zeros": (
        "11_camera",
        "camera '1' lacks or garbles R, which is no rotation",
        lambda m: m.cameras[11]["1"].update(R=[[0] * 3] * 3),
    ),
    "camera-float32-rotation": (
        "11_camera",
        "camera '1' lacks or garbles R, which is no rotation",
        lambda m: m.cameras[11]["1"].update(R=[[1e38] * 3] * 3),
    ),
    "camera-name": ("9_camera", "camera 'front'", lambda m: m.cameras[9].update(front={})),
    "camera-twice": (
        "9_camera",
        "camera '01'",
        lambda m: m.cameras[9].update({"01": m.cameras[9]["1"]}),
    ),
    "image-twice": (
        "9_data",
        "image id 100 occurs twice",
        lambda m: m.data[9]["images"].append(m.image(100)),
    ),
    "annotation-twice": (
        "11_data",
        "annotation id 1201 occurs twice",
        lambda m: m.data[11]["annotations"].append(m.annotation(201)),
    ),
    "annotated-twice": (
        "9_data",
        "the annotation of image 100 occurs twice",
        lambda m: m.annotation(102).update(image_id=100),
    ),
    "same-file": (
        "9_data",
        "the image file s_09_act_02_subact_01_ca_01/s_09_act_02_subact_01_ca_01_000001.jpg occurs",
        lambda m: m.image(102).update(file_name=m.image(100)["file_name"]),
    ),
    "same-frame": (
        "9_data",
        "the image of action 2, 1, camera 1, frame 64 occurs twice",
        lambda m: m.image(100).update(frame_idx=64),
    ),
    "id-beyond-int64": ("9_data", "images[0].id", lambda m: m.image(100).update(id=2**63)),
    "huge-number": ("9_data", "frame_idx", lambda m: m.image(100).update(frame_idx=10**600)),
    "huge-box": ("9_data", "bbox[2]", lambda m: m.annotation(100).update(bbox=[1, 1, 10**10, 1])),
    "huge-real-box": (
        "9_data",
        "bbox[0]",
        lambda m: m.annotation(100).update(bbox=[-1e300, 1, 1, 1]),
    ),
    "infinite-box": (
        "9_data",
        "invalid",
        lambda m: m.annotation(100).update(bbox=[1, 1, float("inf"), 1]),
    ),
    "frame-of-a-frame": ("9_data", "frame_idx", lambda m: m.image(100).update(frame_idx=0.5)),
    "dangling": (
        "9_data",
        "annotation 7 has no image",
        lambda m: m.data[9]["annotations"].append({"id": 7, "image_id": 5, "bbox": [1, 1, 2, 2]}),
    ),
    "no-images": ("9_data", "images", lambda m: m.data[9].pop("images")),
}  # fmt: skip


@pytest.mark.parametrize(("part", "place", "change"), WRONG_FORMS.values(), ids=WRONG_FORMS)
def test_wrong_form_is_refused_naming_file_and_place(
    made: Handmade, tmp_path: Path, part: str, place: str, change: Change
) -> None:
    root = made.write(tmp_path / "set")
    change(made)
    contents = {"data": made.data, "camera": made.cameras, "joint_3d": made.joints}
    subject, _, kind = part.partition("_")
    file = f"Human36M_subject{part}.json"
    (root / "annotations" / file).write_text(json.dumps(contents[kind][int(subject)]))
    assert place in refused(root, file)


REPEATED: dict[str, tuple[str, str, str, str]] = {
    "camera": ("9_camera", '{"1":', '{"1": {}, "1":', "the key '1' stands twice"),
    "camera-written-otherwise": (
        "9_camera", '{"1":', '{"\\u0031": {}, "1":', "the key '1' stands twice",
    ),
    "rotation": ("11_camera", '"R":', '"R": 5, "R":', "the key 'R' stands twice in '1'"),
    "deep-in-a-camera": (
        "11_camera", '"R":', '"a": [{"b": 1, "c": 2, "b": "\\""}], "R":',
        "the key 'b' stands twice in '1' 'a'",
    ),
    "action": ("9_joint_3d", '"3": {', '"2": {}, "3": {', "the key '2' stands twice"),
    "subaction": ("9_joint_3d", '{"1":', '{"1": {}, "1":', "the key '1' stands twice in '"),
    "frame": ("9_joint_3d", '"64":', '"0": [], "64":', "the key '0' stands twice in '2' '1'"),
    "frame-of-no-test": ("9_joint_3d", '"64":', '"1": [], "64":', "the key '1' stands twice in '"),
}  # fmt: skip


@pytest.mark.parametrize(("part", "old", "new", "place"), REPEATED.values(), ids=REPEATED)
def test_key_that_stands_twice_is_refused_naming_file_and_place(
    made: Handmade, tmp_path: Path, part: str, old: str, new: str, place: str
) -> None:
    root = made.write(tmp_path / "set")
    file = root / "annotations" / f"Human36M_subject{part}.json"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    assert place in refused(root, file.name)


def test_texts_beside_the_keys_are_no_keys(made: Handmade, tmp_path: Path) -> None:
    made.cameras[9]["1"].update(name='"1" and "1"', sizes=[{"a": 1}, {"a": 1}])
    root = made.write(tmp_path / "set")
    assert len(load_dataset(root, FACTS).samples) == 6


@pytest.mark.parametrize("decimals", [17, 6, 4])
def test_rounded_rotations_of_the_real_cameras_are_rotations(fixtures: Path, decimals: int) -> None:
    by_subject = json.loads((fixtures / "h36m_cameras.json").read_text())
    cameras = [camera for name in ("S9", "S11") for camera in by_subject[name].values()]
    rotations = [np.round(np.array(camera["R"]), decimals) for camera in cameras]
    assert len(rotations) == 8
    assert all(map(is_rotation, rotations))
    assert not any(is_rotation(1.001 * rotation) for rotation in rotations)
    assert not any(is_rotation(-rotation) for rotation in rotations)


def test_file_that_is_not_text_is_refused(made: Handmade, tmp_path: Path) -> None:
    root = made.write(tmp_path / "set")
    (root / "annotations" / "Human36M_subject9_data.json").write_bytes(b"\x1f\x8b\x08\xff" * 9)
    refused(root, "Human36M_subject9_data.json")


def test_folder_in_place_of_an_annotation_link_is_refused(made: Handmade, tmp_path: Path) -> None:
    root = made.write(tmp_path / "set")
    file = root / "annotations" / "Human36M_subject9_data.json"
    file.unlink()
    file.symlink_to(tmp_path / "gone")
    assert "cannot be read (No such file" in refused(root, file.name)


def test_endless_nesting_is_refused(made: Handmade, tmp_path: Path) -> None:
    root = made.write(tmp_path / "set")
    for part in ("data", "camera", "joint_3d"):
        file = root / "annotations" / f"Human36M_subject9_{part}.json"
        before = file.read_bytes()
        file.write_bytes(b'{"1":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
        refused(root, file.name)
        file.write_bytes(before)


def test_annotations_in_a_pipe_are_refused_without_waiting(made: Handmade, tmp_path: Path) -> None:
    root = made.write(tmp_path / "set")
    file = root / "annotations" / "Human36M_subject9_data.json"
    file.unlink()
    os.mkfifo(file)
    assert "no regular file" in refused(root, file.name)


def test_annotation_file_that_links_to_itself_is_refused(made: Handmade, tmp_path: Path) -> None:
    root = made.write(tmp_path / "set")
    file = root / "annotations" / "Human36M_subject9_joint_3d.json"
    file.unlink()
    file.symlink_to(file)
    assert "Too many levels" in refused(root, file.name)


def test_wrong_rootnet_file_is_refused(made: Handmade, tmp_path: Path) -> None:
    made.rootnet[3]["root_cam"] = [1, 2]
    root = made.write(tmp_path / "set")
    assert "$[3].root_cam" in refused(root, ROOTNET, boxes="rootnet")
