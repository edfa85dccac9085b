"""Errors in millimeters: known predictions have known errors under both protocols."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from convnextpose_check.evaluation.metrics import align_poses, joint_errors_mm
from convnextpose_check.human36m.geometry import Array, Camera, camera_to_cells
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.variants import Protocol
from tests.support.datasets import camera_entry

GRID = (32, 32, 64)
BOX = np.array([10.0, 5.0, 80.0, 80.0])
CAMERA = Camera.from_annotation(camera_entry())


BODY = np.asarray(
    np.random.default_rng(3).uniform(-450, 450, (18, 3)) + np.array([60, -40, 4000]), np.float32
)
"""Camera coordinates (18, 3) in mm, at least 3 m from the camera."""


def rotate(points_mm: Array, degrees: float) -> Array:
    """The points rotated about an oblique axis through the first point."""
    rotation, _ = cv2.Rodrigues(np.radians(degrees) * np.array([2.0, -1.0, 2.0]) / 3)
    return np.asarray((points_mm - points_mm[0]).astype(np.float64) @ rotation.T + points_mm[0])


def move_joints(joints: int | slice, *offset_mm: float) -> Array:
    predicted = BODY.copy()
    predicted[joints] += np.array(offset_mm, np.float32)
    return predicted


UNSCALED_MM = 0.1 * np.linalg.norm(BODY - BODY.mean(axis=0), axis=1)[:17]
CASES: dict[str, tuple[Protocol, Array, Array]] = {
    "one_joint": (2, move_joints(5, 30, 40, 0), 50.0 * np.eye(17)[5]),
    "one_joint_in_depth": (2, move_joints(9, 0, 0, -120), 120.0 * np.eye(17)[9]),
    "whole_body": (2, move_joints(slice(None), 25, -14, 130), np.zeros(17)),
    "root": (2, move_joints(0, 0, 3, 4), np.array([0.0] + [5.0] * 16)),
    "thorax": (2, move_joints(17, 300, 300, 300), np.zeros(17)),
    "turned": (1, rotate(BODY, 40) + np.array([50.0, 20.0, 100.0]), np.zeros(17)),
    "scaled": (1, BODY[0] + (BODY - BODY[0]) * np.float32(0.9), UNSCALED_MM),
}


@pytest.mark.parametrize(("protocol", "predicted_mm", "expected_mm"), CASES.values(), ids=CASES)
def test_joint_errors_mm_known_predictions_have_known_errors(
    protocol: Protocol, predicted_mm: Array, expected_mm: Array
) -> None:
    cells_xyz = camera_to_cells(predicted_mm, GRID, BOX, BODY[0, 2], CAMERA).astype(np.float32)
    sample = Sample(1, Path("any.jpg"), (100, 80), 9, "Posing", CAMERA, BOX, BODY[0, 2], BODY)

    errors_mm = joint_errors_mm(cells_xyz, sample, GRID, protocol)

    assert errors_mm.dtype == np.float32
    np.testing.assert_allclose(errors_mm, expected_mm, atol=0.02)


def test_align_poses_does_not_mirror() -> None:
    """For a flat body at some angles, the covariance is decomposed into a reflection."""
    mirrored_mm = BODY * np.array([-1, 1, 1])
    assert not np.allclose(align_poses(mirrored_mm, BODY), BODY, atol=50)
    target_mm = BODY.astype(np.float64)
    target_mm[:, 2] = 0.0

    for degrees in range(20, 360, 20):
        aligned_mm = align_poses(rotate(target_mm, degrees), target_mm)

        np.testing.assert_allclose(aligned_mm, target_mm, atol=1e-6)
