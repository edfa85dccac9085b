"""Check that joints, cameras and boxes of the annotations belong together, before a long run.

The joints of some frames are projected into their images and compared with the boxes there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.human36m.annotations import SubjectFiles, named_sequence, spread
from convnextpose_check.human36m.geometry import Array, Camera, camera_to_image, world_to_camera
from convnextpose_check.human36m.layout import annotation_name

FRAMES = 300
"""Frames of a subject to compare, spread evenly."""

FEWEST_FRAMES = 6
"""A camera with fewer frames is left out."""

GROWTH = 0.1
"""Tolerance on each side as a share of the box, for lens distortion and boxes drawn by hand."""

LEAST_INSIDE = 0.85
"""Share of each camera's joints. Correct annotations have all joints in their boxes; wrong ones
have at most two thirds for their worst camera."""

REMEDY = (
    "Fetch the subject's annotation files again, all from one place and of June 2020 or later, such"
    " as those to which the authors' README links"
)


@dataclass(frozen=True)
class Fit:
    """The share of each camera's joints that lie in their boxes, by camera index.

    ``misfit`` is the error to report, None if joints, cameras and boxes belong together.
    """

    inside: Mapping[int, float]
    misfit: ConvNeXtPoseCheckError | None = None


class _Frames(NamedTuple):
    """Camera indices (N,), joints (N, 17, 3) in world mm and boxes (N, 4) of a subject's frames."""

    cameras: Array
    joints_world_mm: Array
    boxes_xywh_px: Array


def fit_of(files: SubjectFiles) -> Fit | None:
    """Compare joints and boxes of a subject; None if every camera has too few frames."""
    frames = _select_frames(files)
    inside = _shares_inside(frames, files.cameras)
    if not inside:
        return None
    if min(inside.values()) >= LEAST_INSIDE:
        return Fit(inside)
    code: ErrorCode = ErrorCode.WRONG_BOXES
    cause = "joints, cameras and boxes do not belong together"
    # Before June 2020: 3DMPPE_POSENET_RELEASE, issue 58
    corrected = {
        index: replace(camera, translation_mm=-camera.rotation @ camera.translation_mm)
        for index, camera in files.cameras.items()
    }
    if min(_shares_inside(frames, corrected).values()) >= LEAST_INSIDE:
        code = ErrorCode.WRONG_CAMERAS
        cause = (
            f"{annotation_name(files.subject, 'camera')} is of before June 2020, when cameras meant"
            " R(X - t) and not RX + t"
        )
    shares = ", ".join(f"{share:.0%} of camera {index}'s" for index, share in inside.items())
    problem = f"the joints of subject {files.subject} do not lie in their boxes ({shares}): {cause}"
    return Fit(inside, ConvNeXtPoseCheckError(code, problem, REMEDY))


def _select_frames(files: SubjectFiles) -> _Frames:
    """Frames of the subject, spread evenly, without those that lack joints, camera or box."""
    listed = [
        (image, annotation)
        for image, annotation in files.test_frames
        if annotation and image.cam_idx in files.cameras and named_sequence(image)
    ]
    cameras, joints_world_mm, boxes_xywh_px = [], [], []
    for image, annotation in spread(listed, FRAMES):
        joints_mm = files.joints_world_mm(image)
        if joints_mm is not None and np.isfinite(joints_mm).all() and min(annotation.bbox[2:]) > 0:
            cameras.append(image.cam_idx)
            joints_world_mm.append(joints_mm)
            boxes_xywh_px.append(annotation.bbox)
    arrays = np.array(cameras), np.array(joints_world_mm, float), np.array(boxes_xywh_px, float)
    return _Frames(*arrays)


def _shares_inside(frames: _Frames, cameras: Mapping[int, Camera]) -> dict[int, float]:
    """The share of joints in their grown boxes, by camera, without cameras of too few frames."""
    shares = {}
    indices, counts = np.unique(frames.cameras, return_counts=True)
    for index in indices[counts >= FEWEST_FRAMES].tolist():
        _, joints_world_mm, boxes_px = (part[frames.cameras == index] for part in frames)
        corners_px, sizes_px = boxes_px[:, None, :2], boxes_px[:, None, 2:]
        with np.errstate(all="ignore"):  # wrong annotations place joints anywhere
            joints_cam_mm = world_to_camera(joints_world_mm.reshape(-1, 3), cameras[index])
            joints_cam_mm = joints_cam_mm.reshape(joints_world_mm.shape)
            pixels_px = camera_to_image(joints_cam_mm, cameras[index])
            beyond_px = np.abs(pixels_px - corners_px - sizes_px / 2) - (0.5 + GROWTH) * sizes_px
            inside = (joints_cam_mm[..., 2] > 0) & (beyond_px <= 0).all(axis=-1)
        shares[index] = float(inside.mean())
    return shares
