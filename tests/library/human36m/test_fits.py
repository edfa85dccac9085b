"""Joints, cameras and boxes that do not belong together fail a check that names the known error."""

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
from convnextpose_check.human36m.fits import LEAST_FILLED, LEAST_INSIDE, Views, _inside_and_filled
from convnextpose_check.human36m.geometry import Camera, camera_to_image
from convnextpose_check.human36m.samples import BoxSource, Dataset, load_dataset
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.miniature.record import read_record
from convnextpose_check.variants import Protocol
from tests.support.datasets import camera_entry

Content = Any
Change = Callable[[Content], Content]


class Files:
    """A copy of the synthetic annotations to change; the images are linked."""

    def __init__(self, miniature: Miniature, root: Path, fixtures: Path) -> None:
        self.root = root
        self.facts = read_record(fixtures).dataset
        shutil.copytree(miniature.dataset / "annotations", root / "annotations")
        shutil.copytree(miniature.dataset / "bbox_root", root / "bbox_root")
        (root / "images").symlink_to(miniature.dataset / "images")

    def change(self, subject: int, part: str, change: Change) -> None:
        path = self.root / "annotations" / f"Human36M_subject{subject}_{part}.json"
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    def load(self, protocol: Protocol = 2, boxes: BoxSource = "gt") -> Dataset:
        return load_dataset(self.root, self.facts, protocol, boxes)


@pytest.fixture
def files(miniature: Miniature, tmp_path: Path, fixtures: Path) -> Files:
    return Files(miniature, tmp_path / "set", fixtures)


@pytest.mark.parametrize("protocol", [1, 2])
def test_fits_correct_annotations_have_wide_margin(files: Files, protocol: Protocol) -> None:
    dataset = files.load(protocol)

    assert check_joints_lie_in_boxes(dataset).startswith("100% of a camera's joints, ")
    assert len(dataset.fits) == protocol
    for fit in dataset.fits:
        assert set(fit.inside.values()) == {1.0}
        assert min(fit.filled.values()) > LEAST_FILLED + 0.2
        assert fit.thigh_mm == pytest.approx(440, abs=20)
    assert LEAST_INSIDE < 0.9


def for_each_camera(change: Callable[[Content], Content]) -> Change:
    return lambda cameras: {index: camera | change(camera) for index, camera in cameras.items()}


def swap(one: str, other: str) -> Change:
    return lambda cameras: cameras | {one: cameras[other], other: cameras[one]}


def joints_in_meters(joints: Content) -> Content:
    if isinstance(joints, dict):
        return {key: joints_in_meters(part) for key, part in joints.items()}
    return (np.array(joints) / 1000).tolist()


def corners(data: Content) -> Content:
    for annotation in data["annotations"]:
        x, y, width, height = annotation["bbox"]
        annotation["bbox"] = [x, y, x + width, y + height]
    return data


def unknown_error(cameras: Content) -> Content:
    return {i: c | {"R": cameras[str(int(i) % 4 + 1)]["R"]} for i, c in cameras.items()}


OLD = for_each_camera(lambda camera: {"t": (-np.transpose(camera["R"]) @ camera["t"]).tolist()})
TRANSPOSED = for_each_camera(lambda camera: {"R": np.transpose(camera["R"]).tolist()})
METERS = for_each_camera(lambda camera: {"t": [t / 1000 for t in camera["t"]]})
JOINTS = ("joint_3d", joints_in_meters)

KNOWN_ERRORS: list[tuple[BoxSource, str, list[tuple[str, Change]], str]] = [
    ("gt", "wrong-cameras", [("camera", OLD)], "before June 2020"),
    ("rootnet", "wrong-cameras", [("camera", OLD)], "before June 2020"),
    (
        "gt",
        "wrong-units",
        [JOINTS, ("camera", METERS)],
        "subject11_joint_3d.json and the translations",
    ),
    ("gt", "wrong-units", [JOINTS], "joints in .* are in metres"),
    ("gt", "wrong-units", [("camera", METERS)], "boxes .*: the translations t in"),
    ("gt", "wrong-boxes", [("data", corners)], "their corners"),
    ("gt", "wrong-cameras", [("camera", TRANSPOSED)], "are transposed"),
    ("gt", "wrong-cameras", [("camera", swap("1", "3"))], "1 under 3, 3 under 1"),
    ("gt", "wrong-cameras", [("camera", swap("2", "4"))], "2 under 4, 4 under 2"),
    ("gt", "wrong-boxes", [("camera", unknown_error)], "no known error"),
]


@pytest.mark.parametrize(("boxes", "code", "changes", "fragment"), KNOWN_ERRORS)
def test_check_joints_lie_in_boxes_wrong_annotations_names_error(
    files: Files, boxes: BoxSource, code: str, changes: list[tuple[str, Change]], fragment: str
) -> None:
    for part, change in changes:
        files.change(11, part, change)

    dataset = files.load(1, boxes)

    with pytest.raises(CheckFailedError, match=f"subject 11 .*{fragment}") as caught:
        check_joints_lie_in_boxes(dataset)
    assert (caught.value.code, caught.value.expected) == (code, "joints in their boxes")
    assert caught.value.remedy


@pytest.mark.parametrize(("protocol", "own"), [(1, 9), (2, 11)])
def test_check_joints_lie_in_boxes_cameras_of_other_subject_names_their_file(
    files: Files, protocol: Protocol, own: int
) -> None:
    first, second = (files.root / f"annotations/Human36M_subject{n}_camera.json" for n in (9, 11))
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)

    with pytest.raises(
        CheckFailedError, match=f"own are in Human36M_subject{own}_camera"
    ) as caught:
        check_joints_lie_in_boxes(files.load(protocol))
    assert caught.value.code == "wrong-cameras"


def test_check_joints_lie_in_boxes_other_subject_with_fewer_cameras_is_ignored(
    files: Files,
) -> None:
    files.change(9, "camera", lambda cameras: {"1": cameras["1"]})
    files.change(11, "camera", unknown_error)

    with pytest.raises(CheckFailedError, match="no known error"):
        check_joints_lie_in_boxes(files.load(1))


def test_load_dataset_all_joints_behind_cameras_still_reports_misfit(files: Files) -> None:
    for subject in (9, 11):
        files.change(subject, "camera", OLD)

    with pytest.raises(CheckFailedError, match="before June 2020"):
        check_joints_lie_in_boxes(files.load())


def test_inside_and_filled_joints_behind_camera_are_outside() -> None:
    """They project to the same pixels as those in front of it."""
    camera = Camera.from_annotation(camera_entry())
    front_mm = np.random.default_rng(0).uniform((-500, -500, 3500), (500, 500, 4500), (17, 3))
    some_behind_mm = front_mm * np.where(np.arange(17) < 4, -1, 1)[:, None]
    pixels_px = camera_to_image(front_mm, camera)
    box_px = np.concatenate([pixels_px.min(axis=0), np.ptp(pixels_px, axis=0)])
    poses_mm = np.stack([front_mm, some_behind_mm, -front_mm])
    joints_world_mm = (poses_mm - camera.translation_mm) @ camera.rotation

    inside, filled = _inside_and_filled(
        Views(np.ones(3), joints_world_mm, np.tile(box_px, (3, 1))), camera
    )

    np.testing.assert_allclose(camera_to_image(some_behind_mm, camera), pixels_px, atol=1e-3)
    assert inside.tolist() == pytest.approx([1, 13 / 17, 0])
    assert filled.tolist() == pytest.approx([1, 1, 1], abs=1e-4)


def test_fits_boxes_drawn_by_hand_pass(files: Files) -> None:
    rng = np.random.default_rng(0)

    def drawn_by_hand(data: Content) -> Content:
        for annotation in data["annotations"]:
            x, y, width, height = annotation["bbox"]
            grown, (right, down) = rng.uniform(0.85, 1.3), rng.uniform(-0.06, 0.06, 2)
            left, top = x + width * (right + (1 - grown) / 2), y + height * (down + (1 - grown) / 2)
            annotation["bbox"] = [left, top, width * grown, height * grown]
        return data

    for subject in (9, 11):
        files.change(subject, "data", drawn_by_hand)

    check_joints_lie_in_boxes(files.load())


def test_fits_displaced_bodies_of_subject_9_pass(files: Files) -> None:
    """Farther than in the published annotations."""

    def displaced(joints: Content) -> Content:
        for action, subaction in (("5", "2"), ("10", "2"), ("13", "1")):
            for frame, pose in joints[action][subaction].items():
                joints[action][subaction][frame] = np.add(pose, (200, 150, 0)).tolist()
        return joints

    files.change(9, "joint_3d", displaced)

    check_joints_lie_in_boxes(files.load())
