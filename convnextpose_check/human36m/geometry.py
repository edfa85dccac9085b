"""Conversions between world, camera, image and heatmap coordinates.

As in the authors' evaluation, annotations are float32 and every step keeps that precision, so the
errors agree with theirs up to rounding.

Joints may have a leading axis for samples, (N, J, 3). Each sample's box, root depth, focal length
and center then have the shape (N, 1, ...).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convnextpose_check.human36m.skeleton import LEFT_SHOULDER, RIGHT_SHOULDER
from convnextpose_check.variants import INPUT_SIDE_PX

Array = NDArray[Any]

BOX_MARGIN = 1.25
"""Factor by which a squared box is enlarged before the crop."""

HALF_DEPTH_MM = 1000.0
"""The depth bins cover this distance in front of and behind the root joint."""

PROJECTION_EPSILON_MM = 1e-8
"""Added to depths before the division, as in the authors' code."""


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
    def from_annotation(cls, entry: Mapping[str, Any]) -> "Camera":
        """Build a camera from the file's ``R`` (3, 3), ``t`` (3), ``f`` (2), ``c`` (2)."""
        return cls(*(np.array(entry[name], dtype=np.float32) for name in ("R", "t", "f", "c")))


def append_thorax(joints_mm: Array) -> Array:
    """Append the thorax, the mean of the shoulders: (17, 3) becomes (18, 3)."""
    thorax = (joints_mm[..., LEFT_SHOULDER, :] + joints_mm[..., RIGHT_SHOULDER, :]) * 0.5
    return np.concatenate([joints_mm, thorax[..., None, :]], axis=-2)


def world_to_camera(joints_world_mm: Array, camera: Camera) -> Array:
    """Convert world to camera coordinates, (J, 3) in mm."""
    rotated: Array = np.dot(camera.rotation, joints_world_mm.T).T
    return rotated + camera.translation_mm


def camera_to_image(joints_cam_mm: Array, camera: Camera) -> Array:
    """Project camera coordinates (J, 3) in mm to image pixels (J, 2)."""
    depth_mm = joints_cam_mm[..., 2:] + PROJECTION_EPSILON_MM
    projected: Array = joints_cam_mm[..., :2] / depth_mm * camera.focal_px + camera.center_px
    return projected


def square_box(box_xywh_px: Array, width_px: int, height_px: int) -> Array | None:
    """Clip the annotated box to the image, square it about its center, enlarge it.

    Returns (x, y, w, h) in pixels, or None for a box without area. As in the authors' evaluation,
    the box keeps the dtype of the annotation: integer boxes are truncated toward zero.
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
    """Convert heatmap cells (J, 3) to camera coordinates (J, 3) in mm.

    ``grid_whd`` is the number of cells along x, y and depth. Index 0 is at the edge of the box, not
    half a cell inside, as in the authors' code.
    """
    columns, rows, bins = grid_whd
    points = cells_xyz.copy()
    points[..., 0] = points[..., 0] / columns * box_xywh_px[..., 2] + box_xywh_px[..., 0]
    points[..., 1] = points[..., 1] / rows * box_xywh_px[..., 3] + box_xywh_px[..., 1]
    points[..., 2] = (points[..., 2] / bins * 2 - 1) * HALF_DEPTH_MM + root_depth_mm
    rays, depth_mm = (points[..., :2] - camera.center_px) / camera.focal_px, points[..., 2:]
    return np.concatenate([rays * depth_mm, depth_mm], axis=-1)


def camera_to_cells(
    joints_cam_mm: Array,
    grid_whd: tuple[int, int, int],
    box_xywh_px: Array,
    root_depth_mm: np.floating[Any] | Array,
    camera: Camera,
) -> Array:
    """Convert camera coordinates (J, 3) in mm to cells, inverting ``cells_to_camera``."""
    columns, rows, bins = grid_whd
    pixels_px = camera_to_image(joints_cam_mm, camera)
    crop_share = (pixels_px - box_xywh_px[..., :2]) / box_xywh_px[..., 2:]
    depth_share = ((joints_cam_mm[..., 2] - root_depth_mm) / HALF_DEPTH_MM + 1) / 2
    share = np.concatenate([crop_share, depth_share[..., None]], axis=-1)
    cells_xyz: Array = share * (columns, rows, bins)
    return cells_xyz


def cells_to_crop(cells_xyz: Array, grid_whd: tuple[int, int, int]) -> Array:
    """Convert heatmap cells (J, 3) to pixels (J, 2) of the crop."""
    pixels_px: Array = cells_xyz[:, :2] / np.array(grid_whd[:2]) * INPUT_SIDE_PX
    return pixels_px


def image_to_crop(pixels_px: Array, box_xywh_px: Array) -> Array:
    """Convert pixels (J, 2) of the image to pixels (J, 2) of the box's crop."""
    crop_px: Array = (pixels_px - box_xywh_px[:2]) / box_xywh_px[2:] * INPUT_SIDE_PX
    return crop_px
