"""Errors in millimeters: known predictions have known errors under both protocols."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from convnextpose_check.evaluation.metrics import align_poses, joint_errors_mm
from convnextpose_check.human36m.geometry import Array, Camera
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.variants import Protocol
from tests.support.datasets import camera_entry

GRID = (32, 32, 64)
BOX = np.array([10.0, 5.0, 80.0, 80.0])
CAMERA = Camera.from_annotation(camera_entry())


def make_body() -> Array:
    """Camera coordinates (18, 3) float32 in mm, at least 3 m from the camera."""
    offsets_mm = np.random.default_rng(3).uniform(-450, 450, (18, 3))
    return np.asarray(offsets_mm + np.array([60, -40, 4000]), dtype=np.float32)


def make_sample(joints_cam_mm: Array, depth_mm: float | None = None) -> Sample:
    depth = joints_cam_mm[0, 2] if depth_mm is None else np.float32(depth_mm)
    return Sample(1, Path("any.jpg"), (100, 80), 9, "Posing", CAMERA, BOX, depth, joints_cam_mm)


def project_to_cells(joints_mm: Array, root_depth_mm: float) -> Array:
    """Cells of these camera coordinates, from the inverse of the authors' formulas."""
    focal, center = (200.0, 220.0), (50.5, 40.25)
    joints = joints_mm.astype(np.float64)
    columns = (joints[:, 0] / joints[:, 2] * focal[0] + center[0] - 10.0) / 80.0 * 32
    rows = (joints[:, 1] / joints[:, 2] * focal[1] + center[1] - 5.0) / 80.0 * 32
    bins = ((joints[:, 2] - root_depth_mm) / 1000.0 + 1) / 2 * 64
    return np.stack([columns, rows, bins], axis=1).astype(np.float32)


def rotate(points_mm: Array, degrees: float = 40.0) -> Array:
    """The points rotated about an oblique axis through the first point."""
    axis = np.array([2.0, -1.0, 2.0]) / 3
    angle = np.radians(degrees)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    rotation = np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * (skew @ skew)
    centered = points_mm.astype(np.float64) - points_mm[0]
    return np.asarray(centered @ rotation.T + points_mm[0])


Expected = Callable[[Array, Array], Array]


def no_error(_predicted: Array, _truth: Array) -> Array:
    return np.zeros(17)


def unscaled_error(_predicted: Array, truth: Array) -> Array:
    return np.asarray(0.1 * np.linalg.norm(truth - truth.mean(axis=0), axis=1)[:17])


def shift_joints(joints: int | slice, *offset_mm: float) -> Callable[[Array], Array]:
    def shift(truth: Array) -> Array:
        predicted = truth.copy()
        predicted[joints] += np.array(offset_mm, np.float32)
        return predicted

    return shift


CASES: dict[str, tuple[Protocol, Callable[[Array], Array], Expected]] = {
    "perfect": (2, np.copy, no_error),
    "perfect_aligned": (1, np.copy, no_error),
    "one_joint": (2, shift_joints(5, 30, 40, 0), lambda *_: 50.0 * np.eye(17)[5]),
    "one_joint_in_depth": (2, shift_joints(9, 0, 0, -120), lambda *_: 120.0 * np.eye(17)[9]),
    "whole_body": (2, shift_joints(slice(None), 25, -14, 130), no_error),
    "root": (2, shift_joints(0, 0, 3, 4), lambda *_: np.array([0.0] + [5.0] * 16)),
    "thorax": (2, shift_joints(17, 300, 300, 300), no_error),
    "turned": (1, lambda truth: rotate(truth) + np.array([50.0, 20.0, 100.0]), no_error),
    "scaled": (1, lambda t: t[0] + (t - t[0]) * np.float32(0.9), unscaled_error),
}


@pytest.mark.parametrize(("protocol", "predict", "expected"), CASES.values(), ids=CASES)
def test_joint_errors_mm_known_predictions_have_known_errors(
    protocol: Protocol, predict: Callable[[Array], Array], expected: Expected
) -> None:
    truth = make_body()
    predicted = predict(truth)

    cells_xyz = project_to_cells(predicted, float(truth[0, 2]))
    errors_mm = joint_errors_mm(cells_xyz, make_sample(truth), GRID, protocol)

    assert errors_mm.dtype == np.float32
    np.testing.assert_allclose(errors_mm, expected(predicted, truth), atol=0.02)


def test_align_poses_flat_body_is_not_mirrored() -> None:
    target = make_body().astype(np.float64)
    target[:, 2] = 0.0

    np.testing.assert_allclose(align_poses(rotate(target, 100.0), target), target, atol=1e-6)


def test_joint_errors_mm_wrong_root_depth_scales_prediction() -> None:
    """A root depth 5% too large makes the prediction 5% wider."""
    truth = make_body()
    truth[:, 2] = 4000.0

    sample = make_sample(truth, 4200.0)
    errors_mm = joint_errors_mm(project_to_cells(truth, 4000.0), sample, GRID, 2)

    expected_mm = 0.05 * np.linalg.norm((truth - truth[0])[:17, :2], axis=1)
    np.testing.assert_allclose(errors_mm, expected_mm, atol=0.02)
