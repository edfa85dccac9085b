"""Joints, cameras and boxes that do not match fail a check."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convnextpose_check.checks.dataset import check_joints_lie_in_boxes
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.human36m.samples import Dataset, load_dataset
from convnextpose_check.synthetic.build import SyntheticData
from convnextpose_check.synthetic.record import read_record
from convnextpose_check.variants import Protocol
from tests.support.datasets import FACTS, HandmadeDataset

Content = Any
Change = Callable[[Content], Content]


class AnnotationFiles:
    """A copy of the synthetic annotations, which a test may change; images are linked."""

    def __init__(self, synthetic: SyntheticData, root: Path, fixtures: Path) -> None:
        self.root = root
        self.facts = read_record(fixtures).dataset
        shutil.copytree(synthetic.dataset / "annotations", root / "annotations")
        (root / "images").symlink_to(synthetic.dataset / "images")

    def change(self, subject: int, part: str, change: Change) -> None:
        path = self.root / "annotations" / f"Human36M_subject{subject}_{part}.json"
        path.write_text(json.dumps(change(json.loads(path.read_text()))))

    def load(self, protocol: Protocol = 1) -> Dataset:
        return load_dataset(self.root, self.facts, protocol)


@pytest.fixture
def files(synthetic: SyntheticData, tmp_path: Path, fixtures: Path) -> AnnotationFiles:
    return AnnotationFiles(synthetic, tmp_path / "set", fixtures)


def use_old_translation(cameras: Content) -> Content:
    for camera in cameras.values():
        camera["t"] = (-np.transpose(camera["R"]) @ camera["t"]).tolist()
    return cameras


def swap_rotations(cameras: Content) -> Content:
    return {i: c | {"R": cameras[str(int(i) % 4 + 1)]["R"]} for i, c in cameras.items()}


def move_behind_camera(cameras: Content) -> Content:
    """All joints still project to the same pixels."""
    for camera in cameras.values():
        camera["R"], camera["t"] = (np.negative(camera[name]).tolist() for name in "Rt")
    return cameras


def jitter_boxes(data: Content) -> Content:
    rng = np.random.default_rng(0)
    for annotation in data["annotations"]:
        x, y, width, height = annotation["bbox"]
        scale, (right, down) = rng.uniform(0.85, 1.3), rng.uniform(-0.06, 0.06, 2)
        left, top = x + width * (right + (1 - scale) / 2), y + height * (down + (1 - scale) / 2)
        annotation["bbox"] = [left, top, width * scale, height * scale]
    return data


def shift_joints(joints: Content) -> Content:
    """The offset is larger than in the published annotations of subject 9."""
    for action, subaction in (("5", "2"), ("10", "1"), ("13", "1")):
        for frame, pose in joints[action][subaction].items():
            joints[action][subaction][frame] = np.add(pose, (200, 150, 0)).tolist()
    return joints


def test_check_joints_lie_in_boxes_correct_annotations_pass(files: AnnotationFiles) -> None:
    dataset = files.load(2)

    assert check_joints_lie_in_boxes(dataset) == "100% of a camera's joints"
    assert dataset.box_consistency == (1.0, 1.0)


@pytest.mark.parametrize(("part", "change"), [("data", jitter_boxes), ("joint_3d", shift_joints)])
def test_check_joints_inaccuracies_pass(files: AnnotationFiles, part: str, change: Change) -> None:
    files.change(11, part, change)

    check_joints_lie_in_boxes(files.load())


@pytest.mark.parametrize(
    ("code", "change", "cause"),
    [
        ("wrong-cameras", use_old_translation, "subject11_camera.json is from before June 2020"),
        ("wrong-boxes", swap_rotations, "do not belong together"),
    ],
)
def test_wrong_cameras_fail(files: AnnotationFiles, code: str, change: Change, cause: str) -> None:
    files.change(11, "camera", change)

    with pytest.raises(CheckFailedError, match=f"subject 11 .*{cause}") as caught:
        check_joints_lie_in_boxes(files.load())
    assert (caught.value.code, caught.value.expected) == (code, "joints in their boxes")
    assert "June 2020 or later" in caught.value.remedy


def test_load_dataset_all_joints_behind_cameras_raises(files: AnnotationFiles) -> None:
    files.change(11, "camera", move_behind_camera)

    with pytest.raises(ConvNeXtPoseCheckError, match=r"\(0% of camera 1's, .* 0% of camera 4's\)"):
        files.load()


def test_check_joints_lie_in_boxes_too_few_frames_are_not_compared(tmp_path: Path) -> None:
    dataset = load_dataset(HandmadeDataset().write(tmp_path / "set"), FACTS)

    assert check_joints_lie_in_boxes(dataset) == "too few frames to compare"
