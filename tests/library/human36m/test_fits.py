"""Annotations that do not belong together are refused, and the mistake is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convnextpose_check.checks.dataset import check_joints_lie_in_boxes
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.human36m.fits import (
    LEAST_FILLED,
    LEAST_INSIDE,
    View,
    _inside_and_filled,
)
from convnextpose_check.human36m.geometry import Array, Camera, camera_to_image
from convnextpose_check.human36m.samples import BoxSource, Dataset, load_dataset
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.miniature.record import read_record
from convnextpose_check.variants import Protocol
from tests.support.datasets import camera_entry

Content = Any
Change = Callable[[Content], Content]


class Files:
    """The miniature's annotations, copied to be changed; its images are linked."""

    def __init__(self, miniature: Miniature, root: Path, fixtures: Path) -> None:
        self.root = root
        self.facts = read_record(fixtures).dataset
        shutil.copytree(miniature.dataset / "annotations", root / "annotations")
        shutil.copytree(miniature.dataset / "bbox_root", root / "bbox_root")
        (root / "images").symlink_to(miniature.dataset / "images")

    def path(self, subject: int, part: str) -> Path:
        return self.root / "annotations" / f"Human36M_subject{subject}_{part}.json"

    def change(self, subject: int, part: str, change: Change) -> None:
        path = self.path(subject, part)
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    def load(self, protocol: Protocol = 2, boxes: BoxSource = "gt") -> Dataset:
        dataset = load_dataset(self.root, self.facts, protocol, boxes)
        check_joints_lie_in_boxes(dataset)
        return dataset

    def refusal(self, protocol: Protocol = 2, boxes: BoxSource = "gt") -> CheckFailedError:
        with pytest.raises(CheckFailedError) as caught:
            self.load(protocol, boxes)
        return caught.value


@pytest.fixture
def files(miniature: Miniature, tmp_path: Path, fixtures: Path) -> Files:
    return Files(miniature, tmp_path / "set", fixtures)


def of_each_camera(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    return lambda cameras: {index: camera | change(camera) for index, camera in cameras.items()}


OLD = of_each_camera(lambda camera: {"t": (-np.transpose(camera["R"]) @ camera["t"]).tolist()})
TRANSPOSED = of_each_camera(lambda camera: {"R": np.transpose(camera["R"]).tolist()})
CAMERAS_IN_METRES = of_each_camera(lambda camera: {"t": [t / 1000 for t in camera["t"]]})


def joints_in_metres(joints: Content) -> Content:
    if isinstance(joints, dict):
        return {key: joints_in_metres(part) for key, part in joints.items()}
    return (np.array(joints) / 1000).tolist()


def with_corners(data: Content) -> Content:
    for annotation in data["annotations"]:
        x, y, width, height = annotation["bbox"]
        annotation["bbox"] = [x, y, x + width, y + height]
    return data


def swapped(one: str, other: str) -> Change:
    return lambda cameras: cameras | {one: cameras[other], other: cameras[one]}


def turned(cameras: Content) -> Content:
    """Every camera looks at the one after it, as no mistake that is known would have it."""
    return {i: c | {"R": cameras[str(int(i) % 4 + 1)]["R"]} for i, c in cameras.items()}


@pytest.mark.parametrize("protocol", [1, 2])
def test_true_annotations_fit_by_a_wide_margin(files: Files, protocol: Protocol) -> None:
    fits = files.load(protocol).fits

    assert len(fits) == protocol
    for fit in fits:
        assert set(fit.inside.values()) == {1.0}
        assert min(fit.filled.values()) > LEAST_FILLED + 0.2
        assert fit.thigh_mm == pytest.approx(440, abs=20)
    assert LEAST_INSIDE < 0.9


MISTAKES: dict[str, tuple[str, list[tuple[str, Change]], str]] = {
    "before-june-2020": ("old-cameras", [("camera", OLD)], "before June 2020"),
    "metres": (
        "metres",
        [("joint_3d", joints_in_metres), ("camera", CAMERAS_IN_METRES)],
        "subject11_joint_3d.json and the translations",
    ),
    "joints-in-metres": ("metres", [("joint_3d", joints_in_metres)], "joints in .* are in metres"),
    "cameras-in-metres": ("metres", [("camera", CAMERAS_IN_METRES)], "translations t in"),
    "corners": ("corners-for-sizes", [("data", with_corners)], "their corners"),
    "transposed": ("transposed-rotations", [("camera", TRANSPOSED)], "are transposed"),
    "unheard-of": ("joints-outside-boxes", [("camera", turned)], "no mistake that is known"),
    **{
        f"swapped-{one}{other}": (
            "swapped-cameras",
            [("camera", swapped(one, other))],
            f"{one} under {other}, {other} under {one}",
        )
        for one, other in ("12", "13", "14", "23", "24", "34")
    },
}


@pytest.mark.parametrize(("code", "changes", "said"), MISTAKES.values(), ids=MISTAKES)
@pytest.mark.parametrize("boxes", ["gt", "rootnet"])
def test_mistake_is_named(
    files: Files, code: str, changes: list[tuple[str, Change]], said: str, boxes: BoxSource
) -> None:
    for part, change in changes:
        files.change(11, part, change)

    error = files.refusal(boxes=boxes)

    assert error.code == code
    assert error.remedy
    with pytest.raises(CheckFailedError, match=f"subject 11 .*{said}"):
        files.load(1, boxes)


def test_cameras_of_another_subject_are_found_where_they_are(files: Files) -> None:
    one, other = files.path(9, "camera"), files.path(11, "camera")
    first = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(first)

    for protocol, own in ((1, 9), (2, 11)):
        error = files.refusal(protocol)  # type: ignore[arg-type]
        assert error.code == "cameras-of-another-subject"
        assert f"its own are in Human36M_subject{own}_camera.json" in error.problem


@pytest.mark.parametrize("subject", [9, 11])
def test_copied_camera_file_is_told_by_the_one_it_equals(files: Files, subject: int) -> None:
    files.path(subject, "camera").write_bytes(files.path(20 - subject, "camera").read_bytes())

    error = files.refusal()

    assert error.code == "cameras-of-another-subject"
    assert f"subject{subject}_camera.json holds the cameras of another subject: the same as" in (
        error.problem
    )


def test_wrong_set_is_refused_even_where_every_joint_would_be_behind_the_camera(
    files: Files,
) -> None:
    """What cannot be right is not first counted as thousands of images left out."""
    for subject in (9, 11):
        files.change(subject, "camera", OLD)
    assert files.refusal().code == "old-cameras"


def test_joints_behind_the_camera_do_not_lie_in_a_box() -> None:
    """They are projected to the same pixels as those in front of it."""
    camera = Camera.from_annotation(camera_entry())
    joints_cam_mm = np.random.default_rng(0).uniform(-500, 500, (17, 3))
    joints_cam_mm[:, 2] += 4000
    pixels_px = camera_to_image(joints_cam_mm, camera)
    low_px, high_px = pixels_px.min(axis=0), pixels_px.max(axis=0)

    def inside(joints_cam_mm: Array) -> float:
        joints_world_mm = (joints_cam_mm - camera.translation_mm) @ camera.rotation
        view = View(1, joints_world_mm, np.concatenate([low_px, high_px - low_px]))
        return _inside_and_filled(view, camera)[0]

    some_behind_mm = joints_cam_mm * np.where(np.arange(17) < 4, -1, 1)[:, None]
    np.testing.assert_allclose(camera_to_image(some_behind_mm, camera), pixels_px, atol=1e-3)

    assert inside(joints_cam_mm) == 1
    assert inside(some_behind_mm) == pytest.approx(13 / 17)
    assert inside(-joints_cam_mm) == 0


def test_boxes_drawn_close_or_wide_or_aside_raise_no_alarm(files: Files) -> None:
    """Who drew the boxes need not have known all joints, nor where the lens shows them."""
    chance = np.random.default_rng(0)

    def drawn_otherwise(data: Content) -> Content:
        for annotation in data["annotations"]:
            x, y, width, height = annotation["bbox"]
            grown, (right, down) = chance.uniform(0.85, 1.3), chance.uniform(-0.06, 0.06, 2)
            annotation["bbox"] = [
                x + width * (right + (1 - grown) / 2),
                y + height * (down + (1 - grown) / 2),
                width * grown,
                height * grown,
            ]
        return data

    for subject in (9, 11):
        files.change(subject, "data", drawn_otherwise)
    assert files.load().is_complete()


def test_bodies_displaced_in_some_takes_raise_no_alarm(files: Files) -> None:
    """As in the published annotations of subject 9, and farther."""

    def displaced(joints: Content) -> Content:
        for action, subaction in (("5", "2"), ("10", "2"), ("13", "1")):
            for frame, pose in joints[action][subaction].items():
                joints[action][subaction][frame] = np.add(pose, (200, 150, 0)).tolist()
        return joints

    files.change(9, "joint_3d", displaced)
    assert files.load().is_complete()
