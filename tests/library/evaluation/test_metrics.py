"""Errors in millimetres: known predictions have known errors under both protocols."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convnextpose_check.evaluation.metrics import joint_errors_mm, rigidly_aligned
from convnextpose_check.human36m.geometry import Array, Camera
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.variants import Protocol
from tests.support.datasets import camera_entry

GRID = (32, 32, 64)
BOX = np.array([10.0, 5.0, 80.0, 80.0])
CAMERA = Camera.from_annotation(camera_entry())


def body(seed: int = 3) -> Array:
    """Eighteen joints in camera coordinates, no closer than 3 m."""
    around = np.random.default_rng(seed).uniform(-450, 450, (18, 3))
    return np.asarray(around + np.array([60, -40, 4000]), dtype=np.float32)


def sample(joints_cam_mm: Array, depth_mm: float | None = None) -> Sample:
    depth = joints_cam_mm[0, 2] if depth_mm is None else np.float32(depth_mm)
    return Sample(1, Path("any.jpg"), (100, 80), 9, "Posing", CAMERA, BOX, depth, joints_cam_mm)


def cells_of(joints_mm: Array, root_depth_mm: float) -> Array:
    """Cells that stand for these camera millimetres: the authors' formulas, solved for them."""
    focal, centre = (200.0, 220.0), (50.5, 40.25)
    joints = joints_mm.astype(np.float64)
    columns = (joints[:, 0] / joints[:, 2] * focal[0] + centre[0] - 10.0) / 80.0 * 32
    rows = (joints[:, 1] / joints[:, 2] * focal[1] + centre[1] - 5.0) / 80.0 * 32
    bins = ((joints[:, 2] - root_depth_mm) / 1000.0 + 1) / 2 * 64
    return np.stack([columns, rows, bins], axis=1).astype(np.float32)


def errors(predicted_mm: Array, truth_mm: Array, protocol: Protocol) -> Array:
    cells = cells_of(predicted_mm, float(truth_mm[0, 2]))
    return joint_errors_mm(cells, sample(truth_mm), GRID, protocol)


def turned(points_mm: Array, degrees: float = 40.0) -> Array:
    """The points turned about an oblique axis through their first one."""
    axis = np.array([2.0, -1.0, 2.0]) / 3
    angle = np.radians(degrees)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    rotation = np.eye(3) + np.sin(angle) * skew + (1 - np.cos(angle)) * (skew @ skew)
    centred = points_mm.astype(np.float64) - points_mm[0]
    return np.asarray(centred @ rotation.T + points_mm[0])


def quaternion_aligned(points_mm: Array, target_mm: Array) -> Array:
    """Horn's rigid alignment: the rotation is an eigenvector, a unit quaternion."""
    points = points_mm - points_mm.mean(axis=0)
    target = target_mm - target_mm.mean(axis=0)
    s = points.T @ target
    key = np.zeros((4, 4))
    key[0, 0] = np.trace(s)
    key[0, 1:] = key[1:, 0] = s[1, 2] - s[2, 1], s[2, 0] - s[0, 2], s[0, 1] - s[1, 0]
    key[1:, 1:] = s + s.T - np.trace(s) * np.eye(3)
    w, *v = np.linalg.eigh(key)[1][:, -1]
    vector = np.array(v)
    crossed = np.cross(vector, points)
    rotated = points + 2 * w * crossed + 2 * np.cross(vector, crossed)
    return np.asarray(rotated + target_mm.mean(axis=0))


@pytest.mark.parametrize("protocol", [1, 2])
def test_perfect_prediction_has_no_error(protocol: Protocol) -> None:
    truth = body()
    obtained = errors(truth, truth, protocol)
    assert obtained.shape == (17,)
    assert obtained.max() < 0.01


def test_known_offset_has_its_length_as_error() -> None:
    truth = body()
    predicted = truth.copy()
    predicted[5] += (30.0, 40.0, 0.0)
    predicted[9] += (0.0, 0.0, -120.0)
    obtained = errors(predicted, truth, 2)
    expected = np.zeros(17)
    expected[[5, 9]] = 50.0, 120.0
    np.testing.assert_allclose(obtained, expected, atol=0.01)


def test_both_roots_are_moved_to_the_origin() -> None:
    truth = body()
    predicted = truth + np.array([25.0, -14.0, 130.0])
    assert errors(predicted, truth, 2).max() < 0.01


def test_wrong_root_is_the_error_of_every_other_joint() -> None:
    truth = body()
    predicted = truth.copy()
    predicted[0] += (0.0, 3.0, 4.0)
    obtained = errors(predicted, truth, 2)
    np.testing.assert_allclose(obtained, [0.0] + [5.0] * 16, atol=0.01)


def test_thorax_does_not_count() -> None:
    truth = body()
    predicted = truth.copy()
    predicted[17] += 300.0
    assert errors(predicted, truth, 2).max() < 0.01


def test_thorax_takes_part_in_the_alignment() -> None:
    truth = body()
    predicted = truth.copy()
    predicted[17] += 300.0
    obtained = errors(predicted, truth, 1)
    aligned = quaternion_aligned(predicted - predicted[0], truth - truth[0])
    expected = np.linalg.norm(aligned - (truth - truth[0]), axis=1)[:17]
    assert expected.mean() > 10
    np.testing.assert_allclose(obtained, expected, atol=0.02)


def test_turned_and_moved_copy_has_no_error_after_alignment() -> None:
    truth = body()
    predicted = turned(truth) + np.array([50.0, 20.0, 100.0])
    assert errors(predicted, truth, 1).max() < 0.02
    assert errors(predicted, truth, 2).mean() > 100


def test_scaled_copy_has_an_error_after_alignment() -> None:
    truth = body()
    predicted = truth[0] + (truth - truth[0]) * np.float32(0.9)
    about_centre = truth - truth.mean(axis=0)
    expected = 0.1 * np.linalg.norm(about_centre, axis=1)[:17]
    np.testing.assert_allclose(errors(predicted, truth, 1), expected, atol=0.02)
    assert expected.mean() > 20


def test_mirrored_copy_is_not_matched() -> None:
    truth = body()
    predicted = truth.copy()
    predicted[:, 0] = 2 * truth[0, 0] - truth[:, 0]
    obtained = errors(predicted, truth, 1)
    expected = quaternion_aligned(predicted - predicted[0], truth - truth[0]) - (truth - truth[0])
    assert obtained.mean() > 50
    np.testing.assert_allclose(obtained, np.linalg.norm(expected, axis=1)[:17], atol=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_alignment_is_that_of_another_method(seed: int) -> None:
    target = body(seed).astype(np.float64)
    noise = np.random.default_rng(seed + 50).normal(0, 60, (18, 3))
    points = turned(target, 35.0 * seed) + noise
    obtained = rigidly_aligned(points, target)
    np.testing.assert_allclose(obtained, quaternion_aligned(points, target), atol=1e-6)
    lengths = np.linalg.norm(np.diff(points, axis=0), axis=1)
    np.testing.assert_allclose(np.linalg.norm(np.diff(obtained, axis=0), axis=1), lengths)


def test_alignment_of_a_flat_body_does_not_mirror_it() -> None:
    target = body().astype(np.float64)
    target[:, 2] = 0.0
    points = turned(target, 100.0)
    np.testing.assert_allclose(rigidly_aligned(points, target), target, atol=1e-6)


def test_wrong_root_depth_scales_what_is_seen() -> None:
    """RootNet's depth moves the prediction along its rays: 5 percent farther is 5 percent wider."""
    truth = body()
    truth[:, 2] = 4000.0
    cells = cells_of(truth, 4000.0)
    obtained = joint_errors_mm(cells, sample(truth, 4200.0), GRID, 2)
    expected = 0.05 * np.linalg.norm((truth - truth[0])[:17, :2], axis=1)
    np.testing.assert_allclose(obtained, expected, atol=0.02)


@pytest.mark.parametrize("protocol", [1, 2])
def test_arithmetic_stays_in_float32(protocol: Protocol) -> None:
    assert errors(body(), body(), protocol).dtype == np.float32
