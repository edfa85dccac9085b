"""Conversions between world, camera, image and heatmap coordinates.

Each conversion is written once, here. The annotations are float32 in the authors' evaluation and
every step keeps that precision, so the millimetres agree with theirs to rounding.

Joints may have further axes before theirs, such as (N, J, 3); what belongs to one sample, its box,
depth and the camera's focal length and center, then has (N, 1, ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convnextpose_check.human36m.skeleton import LEFT_SHOULDER, RIGHT_SHOULDER
from convnextpose_check.variants import INPUT_SIDE_PX

Array = NDArray[Any]

BOX_MARGIN = 1.25
"""A squared box grows by this factor before the crop."""

HALF_DEPTH_MM = 1000.0
"""The depth bins span this distance before and behind the root joint."""

PROJECTION_EPSILON_MM = 1e-8


@dataclass(frozen=True)
class Camera:
    """A pinhole camera of ``Human36M_subject*_camera.json``, as float32 arrays.

    ``X_camera = rotation @ X_world + translation_mm``; lens distortion is ignored.
    """

    rotation: Array
    translation_mm: Array
    focal_px: Array
    center_px: Array

    @classmethod
    def from_annotation(cls, entry: Mapping[str, Any]) -> Camera:
        """Build the camera from the file's ``R`` (3, 3), ``t`` (3), ``f`` (2) and ``c`` (2)."""
        return cls(*(np.array(entry[name], dtype=np.float32) for name in ("R", "t", "f", "c")))


def with_thorax(joints_mm: Array) -> Array:
    """Append the thorax, the mean of the shoulders: (17, 3) becomes (18, 3)."""
    thorax = (joints_mm[..., LEFT_SHOULDER, :] + joints_mm[..., RIGHT_SHOULDER, :]) * 0.5
    return np.concatenate([joints_mm, thorax[..., None, :]], axis=-2)


def world_to_camera(joints_world_mm: Array, camera: Camera) -> Array:
    """World to camera coordinates, (J, 3) millimetres."""
    rotated: Array = np.dot(camera.rotation, joints_world_mm.T).T
    return rotated + camera.translation_mm


def camera_to_image(joints_cam_mm: Array, camera: Camera) -> Array:
    """Project (J, 3) camera millimetres to (J, 2) pixels."""
    depth_mm = joints_cam_mm[..., 2:] + PROJECTION_EPSILON_MM
    projected: Array = joints_cam_mm[..., :2] / depth_mm * camera.focal_px + camera.center_px
    return projected


def square_box(box_xywh_px: Array, width_px: int, height_px: int) -> Array | None:
    """The annotated box clipped to the image, squared about its center and grown by the margin.

    Returns (x, y, w, h) in pixels, or None for a box without area, whose sample is dropped. The
    box keeps the dtype of the annotation: a box written in whole numbers stays in whole numbers,
    cut off towards zero, as in the authors' evaluation.
    """
    x, y, w, h = box_xywh_px
    left, top = np.max((0, x)), np.max((0, y))
    right = np.min((width_px - 1, left + np.max((0, w - 1))))
    bottom = np.min((height_px - 1, top + np.max((0, h - 1))))
    if not (w * h > 0 and right >= left and bottom >= top):
        return None
    box = np.array([left, top, right - left, bottom - top])
    center_x, center_y = box[0] + box[2] / 2.0, box[1] + box[3] / 2.0
    box[2] = box[3] = max(box[2], box[3]) * BOX_MARGIN
    box[0], box[1] = center_x - box[2] / 2.0, center_y - box[3] / 2.0
    return box


def cells_to_camera(
    cells_xyz: Array,
    grid_whd: tuple[int, int, int],
    box_xywh_px: Array,
    root_depth_mm: np.floating[Any] | Array,
    camera: Camera,
) -> Array:
    """Heatmap cells (J, 3) to camera millimetres (J, 3).

    ``grid_whd`` counts the heatmap's cells along x, y and depth. A cell index counts from 0 and
    is not shifted by half a cell.
    """
    columns, rows, bins = grid_whd
    located = cells_xyz.copy()
    located[..., 0] = located[..., 0] / columns * box_xywh_px[..., 2] + box_xywh_px[..., 0]
    located[..., 1] = located[..., 1] / rows * box_xywh_px[..., 3] + box_xywh_px[..., 1]
    located[..., 2] = (located[..., 2] / bins * 2 - 1) * HALF_DEPTH_MM + root_depth_mm
    rays, depth_mm = (located[..., :2] - camera.center_px) / camera.focal_px, located[..., 2:]
    return np.concatenate([rays * depth_mm, depth_mm], axis=-1)


def camera_to_cells(
    joints_cam_mm: Array,
    grid_whd: tuple[int, int, int],
    box_xywh_px: Array,
    root_depth_mm: np.floating[Any] | Array,
    camera: Camera,
) -> Array:
    """Camera millimetres (J, 3) to heatmap cells (J, 3): the inverse of ``cells_to_camera``."""
    columns, rows, bins = grid_whd
    pixels_px = camera_to_image(joints_cam_mm, camera)
    crop_share = (pixels_px - box_xywh_px[..., :2]) / box_xywh_px[..., 2:]
    depth_share = ((joints_cam_mm[..., 2] - root_depth_mm) / HALF_DEPTH_MM + 1) / 2
    share = np.concatenate([crop_share, depth_share[..., None]], axis=-1)
    cells_xyz: Array = share * (columns, rows, bins)
    return cells_xyz


def cells_to_crop(cells_xyz: Array, grid_whd: tuple[int, int, int]) -> Array:
    """Heatmap cells (J, 3) to pixels (J, 2) of the crop."""
    pixels_px: Array = cells_xyz[:, :2] / np.array(grid_whd[:2]) * INPUT_SIDE_PX
    return pixels_px


def image_to_crop(pixels_px: Array, box_xywh_px: Array) -> Array:
    """Pixels (J, 2) of the image to pixels (J, 2) of the crop of its box."""
    crop_px: Array = (pixels_px - box_xywh_px[:2]) / box_xywh_px[2:] * INPUT_SIDE_PX
    return crop_px
