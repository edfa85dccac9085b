"""Joint errors in mm, from positions in heatmap cells and ground truth."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from convnextpose_check.human36m.geometry import Array, cells_to_camera
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, ROOT
from convnextpose_check.variants import Protocol


def joint_errors_mm(
    cells_xyz: Array, sample: Sample, grid_whd: tuple[int, int, int], protocol: Protocol
) -> Array:
    """Euclidean errors (17,) of the poses of ``compared_poses_mm``."""
    predicted_mm, truth_mm = compared_poses_mm(cells_xyz, sample, grid_whd, protocol)
    errors_mm: Array = np.sqrt(np.sum((predicted_mm - truth_mm) ** 2, axis=1))
    return errors_mm


def sample_errors_mm(
    cells_xyz: Array,
    samples: Iterable[Sample],
    grid_whd: tuple[int, int, int],
    protocol: Protocol,
) -> Array:
    """Joint errors (N, 17) float64 of positions (N, 18, 3)."""
    errors_mm = [
        joint_errors_mm(cells, sample, grid_whd, protocol)
        for cells, sample in zip(cells_xyz, samples, strict=True)
    ]
    return np.array(errors_mm, dtype=np.float64).reshape(-1, ANNOTATED_JOINTS)


def compared_poses_mm(
    cells_xyz: Array, sample: Sample, grid_whd: tuple[int, int, int], protocol: Protocol
) -> tuple[Array, Array]:
    """Prediction and ground truth (17, 3), in camera coordinates relative to the root.

    ``cells_xyz`` is (18, 3). Under protocol 1 the prediction is aligned rigidly to the ground
    truth with all 18 joints, before the thorax is dropped.
    """
    predicted_mm = cells_to_camera(
        cells_xyz, grid_whd, sample.box_xywh_px, sample.root_depth_mm, sample.camera
    )
    predicted_mm = predicted_mm - predicted_mm[ROOT]
    truth_mm = sample.joints_cam_mm - sample.joints_cam_mm[ROOT]
    if protocol == 1:
        predicted_mm = align_rigidly(predicted_mm, truth_mm)
    return predicted_mm[:ANNOTATED_JOINTS], truth_mm[:ANNOTATED_JOINTS]


def align_rigidly(points_mm: Array, target_mm: Array) -> Array:
    """Rotate and translate (J, 3) points to fit the target in the least-squares sense.

    The Kabsch algorithm as in the authors' code: no mirroring, no scaling (it lowers errors).
    """
    center, target_center = points_mm.mean(axis=0), target_mm.mean(axis=0)
    covariance = np.dot((points_mm - center).T, target_mm - target_center)
    u, _, vt = np.linalg.svd(covariance)
    rotation = np.dot(vt.T, u.T)
    if np.linalg.det(rotation) < 0:
        vt[2] = -vt[2]
        rotation = np.dot(vt.T, u.T)
    aligned: Array = np.dot(rotation, points_mm.T).T + (target_center - np.dot(rotation, center))
    return aligned
