"""Check that a subject's projected joints are inside its annotated boxes."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.human36m.annotations import SubjectFiles, parse_sequence, select_evenly
from convnextpose_check.human36m.geometry import Array, Camera, camera_to_image, world_to_camera
from convnextpose_check.human36m.layout import GET_ANNOTATIONS, annotation_name

MIN_FRAMES = 6
"""Cameras with fewer frames are skipped."""

BOX_TOLERANCE = 0.1
"""Tolerance on each side relative to the box, for lens distortion and hand-drawn boxes."""

MIN_SHARE_INSIDE = 0.85
"""Smallest allowed share of a camera's joints inside their boxes. Correct annotations reach 1,
wrong ones at most two thirds for their worst camera."""


def compare_joints_with_boxes(files: SubjectFiles) -> float | ConvNeXtPoseCheckError | None:
    """The smallest share of a camera's joints inside their boxes.

    Returns the error to report if the share is too small, None if all cameras have too few frames.
    """
    frames = _frames_by_camera(files)
    shares = _shares_inside(frames, files.cameras)
    if not shares or min(shares.values()) >= MIN_SHARE_INSIDE:
        return min(shares.values(), default=None)
    code: ErrorCode = ErrorCode.WRONG_BOXES
    cause = "joints, cameras and boxes do not belong together"
    # Before June 2020, t was the camera's position: 3DMPPE_POSENET_RELEASE, issue 58.
    corrected = {
        index: replace(camera, translation_mm=-camera.rotation @ camera.translation_mm)
        for index, camera in files.cameras.items()
    }
    if min(_shares_inside(frames, corrected).values()) >= MIN_SHARE_INSIDE:
        code = ErrorCode.WRONG_CAMERAS
        cause = (
            f"{annotation_name(files.subject, 'camera')} is from before June 2020, when t was the"
            " position of the camera"
        )
    listed = ", ".join(f"{share:.0%} of camera {index}'s" for index, share in shares.items())
    problem = f"the joints of subject {files.subject} do not lie in their boxes ({listed}): {cause}"
    return ConvNeXtPoseCheckError(code, problem, GET_ANNOTATIONS)


def _frames_by_camera(files: SubjectFiles) -> dict[int, list[tuple[Array, tuple[float, ...]]]]:
    """World joints (17, 3) in mm and box (x, y, w, h) in px of frames, by camera."""
    listed = [
        (image, annotation)
        for image, annotation in files.test_frames
        if annotation and image.cam_idx in files.cameras and parse_sequence(image)
    ]
    frames: dict[int, list[tuple[Array, tuple[float, ...]]]] = defaultdict(list)
    for image, annotation in select_evenly(listed, 300):
        joints_mm = files.joints_world_mm(image)
        if joints_mm is not None and np.isfinite(joints_mm).all() and min(annotation.bbox[2:]) > 0:
            frames[image.cam_idx].append((joints_mm, annotation.bbox))
    return frames


def _shares_inside(
    frames: Mapping[int, list[tuple[Array, tuple[float, ...]]]], cameras: Mapping[int, Camera]
) -> dict[int, float]:
    """Share of joints in enlarged boxes, by camera with at least ``MIN_FRAMES``."""
    shares = {}
    for index in sorted(index for index in frames if len(frames[index]) >= MIN_FRAMES):
        joints_world_mm, boxes_px = (
            np.array(part, float) for part in zip(*frames[index], strict=True)
        )
        corners_px, sizes_px = boxes_px[:, None, :2], boxes_px[:, None, 2:]
        with np.errstate(all="ignore"):  # wrong annotations may project joints to infinity
            joints_cam_mm = world_to_camera(joints_world_mm.reshape(-1, 3), cameras[index])
            joints_cam_mm = joints_cam_mm.reshape(joints_world_mm.shape)
            pixels_px = camera_to_image(joints_cam_mm, cameras[index])
            offsets_px = np.abs(pixels_px - corners_px - sizes_px / 2)
            is_inside = (offsets_px <= (0.5 + BOX_TOLERANCE) * sizes_px).all(axis=-1)
            is_inside &= joints_cam_mm[..., 2] > 0
        shares[index] = float(is_inside.mean())
    return shares
