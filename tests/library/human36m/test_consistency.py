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
from tests.support.datasets import FACTS, HandmadeDataset

Content = Any
Change = Callable[[Content], Content]
Load = Callable[[str, Change], Dataset]


@pytest.fixture
def load_changed(synthetic: SyntheticData, tmp_path: Path, fixtures: Path) -> Load:
    """Load a copy of the synthetic annotations after a change of a file of subject 11."""

    def load(part: str, change: Change) -> Dataset:
        shutil.copytree(synthetic.dataset / "annotations", tmp_path / "annotations")
        (tmp_path / "images").symlink_to(synthetic.dataset / "images")
        path = tmp_path / "annotations" / f"Human36M_subject11_{part}.json"
        path.write_text(json.dumps(change(json.loads(path.read_text()))))
        return load_dataset(tmp_path, read_record(fixtures).dataset, protocol=1)

    return load


def use_old_translation(cameras: Content) -> Content:
    for camera in cameras.values():
        camera["t"] = (-np.transpose(camera["R"]) @ camera["t"]).tolist()
    return cameras


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


@pytest.mark.parametrize(("part", "change"), [("data", jitter_boxes), ("joint_3d", shift_joints)])
def test_check_joints_inaccuracies_pass(load_changed: Load, part: str, change: Change) -> None:
    check_joints_lie_in_boxes(load_changed(part, change))


def test_check_joints_old_cameras_fail(load_changed: Load) -> None:
    with pytest.raises(CheckFailedError, match=r"subject 11 .*subject11_camera\.json is") as caught:
        check_joints_lie_in_boxes(load_changed("camera", use_old_translation))
    assert caught.value.code == "wrong-cameras"


def test_load_dataset_all_joints_behind_cameras_raises(load_changed: Load) -> None:
    with pytest.raises(ConvNeXtPoseCheckError, match=r"\(0% of camera 1's, .* 0% of camera 4's\)"):
        load_changed("camera", move_behind_camera)


def test_check_joints_lie_in_boxes_too_few_frames_are_not_compared(tmp_path: Path) -> None:
    dataset = load_dataset(HandmadeDataset().write(tmp_path / "set"), FACTS)

    assert check_joints_lie_in_boxes(dataset) == "too few frames to compare"
