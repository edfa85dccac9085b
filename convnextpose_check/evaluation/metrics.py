"""Joint errors in mm, from positions in heatmap cells and ground truth."""

from collections.abc import Iterable

import numpy as np

from convnextpose_check.human36m.geometry import Array, cells_to_camera
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, ROOT
from convnextpose_check.variants import Protocol


def joint_errors_mm(
    cells_xyz: Array, sample: Sample, grid_whd: tuple[int, int, int], protocol: Protocol
) -> Array:
    """Distances (17,) between the joints of the two poses of ``compared_poses_mm``."""
    predicted_mm, truth_mm = compared_poses_mm(cells_xyz, sample, grid_whd, protocol)
    errors_mm: Array = np.sqrt(np.sum((predicted_mm - truth_mm) ** 2, axis=1))
    return errors_mm


def sample_errors_mm(
    cells_xyz: Array,
    samples: Iterable[Sample],
    grid_whd: tuple[int, int, int],
    protocol: Protocol,
) -> Array:
    """Joint errors (N, 17) float64 of predicted positions (N, 18, 3)."""
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
    predicted_mm, truth_mm = root_relative_poses_mm(cells_xyz, sample, grid_whd)
    if protocol == 1:
        predicted_mm = align_poses(predicted_mm, truth_mm)
    return predicted_mm[:ANNOTATED_JOINTS], truth_mm[:ANNOTATED_JOINTS]


def root_relative_poses_mm(
    cells_xyz: Array, sample: Sample, grid_whd: tuple[int, int, int]
) -> tuple[Array, Array]:
    """Prediction and ground truth (18, 3), in camera axes relative to the root."""
    predicted_mm = cells_to_camera(
        cells_xyz, grid_whd, sample.box_xywh_px, sample.root_depth_mm, sample.camera
    )
    return predicted_mm - predicted_mm[ROOT], sample.joints_cam_mm - sample.joints_cam_mm[ROOT]


def stack_samples(samples: Iterable[Sample]) -> tuple[Array, ...]:
    """Boxes (N, 4), root depths (N,), focal lengths and centers (N, 2), joints (N, 18, 3)."""
    rows = (
        (s.box_xywh_px, s.root_depth_mm, s.camera.focal_px, s.camera.center_px, s.joints_cam_mm)
        for s in samples
    )
    return tuple(np.array(values, dtype=np.float64) for values in zip(*rows, strict=True))


def align_poses(points_mm: Array, target_mm: Array, *, scales: bool = False) -> Array:
    """Rotate and translate poses (..., J, 3) onto their targets, least squares (Kabsch).

    As in the authors' code, poses are not mirrored, and scaled only with ``scales``, which lowers
    errors.
    """
    target_center_mm = target_mm.mean(axis=-2, keepdims=True)
    points = points_mm - points_mm.mean(axis=-2, keepdims=True)
    target = target_mm - target_center_mm
    u, singular, vt = np.linalg.svd(points.swapaxes(-1, -2) @ target)
    sign = np.ones_like(singular)
    sign[..., 2] = np.sign(np.linalg.det(u @ vt))
    turned = points @ ((u * sign[..., None, :]) @ vt)
    if scales:
        sizes = np.maximum((points**2).sum(axis=(-2, -1)), 1e-9)  # a network may predict a point
        turned = turned * ((singular * sign).sum(axis=-1) / sizes)[..., None, None]
    return np.asarray(turned + target_center_mm)
