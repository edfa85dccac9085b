"""Check that joints, cameras and boxes of the annotations belong together, before a long run.

The joints of some frames are projected and compared with the frames' boxes. If they do not fit,
each known error in annotation files is undone in turn: the one that restores the fit is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.human36m.annotations import (
    SubjectFiles,
    named_sequence,
    read_cameras,
    spread,
)
from convnextpose_check.human36m.geometry import Array, Camera, camera_to_image, world_to_camera
from convnextpose_check.human36m.layout import Layout, annotation_name, survey
from convnextpose_check.human36m.skeleton import JOINTS

VIEWS = 300
"""Frames of a subject to compare, spread evenly."""

FEWEST_VIEWS = 8
"""A camera with fewer frames is left out."""

GROWTH = 0.1
"""Tolerance on each side as a share of the box, for lens distortion and boxes drawn by hand."""

LEAST_INSIDE = 0.85
"""Share of each camera's joints. Correct annotations have all joints in their boxes; wrong ones
have at most two thirds for their worst camera."""

LEAST_FILLED = 0.45
"""Share of a box's side, as the root of its area, that the joints span: 0.7 to 0.85, but 0.26 to
0.36 if the box's far corner was taken for its size."""

EXPLAINED = 0.95
"""Share of each camera's joints that lie in their boxes once the error is undone."""

THIGH_MM = (100.0, 1000.0)
"""Median distance from hip to knee. A person's is 440 mm."""

REMEDY = (
    "Fetch the subject's annotation files again, all from one place and of June 2020 or later, such"
    " as those to which the authors' README links"
)

_HIPS = [JOINTS.index("R_Hip"), JOINTS.index("L_Hip")]
_KNEES = [JOINTS.index("R_Knee"), JOINTS.index("L_Knee")]
_HUMAN36M_SUBJECTS = (1, 5, 6, 7, 8, 9, 11)
_MM_PER_M = 1000.0

Cameras = Mapping[int, Camera]


class Views(NamedTuple):
    """Frames of one subject: camera indices (N,), joints (N, 17, 3) in world mm, boxes (N, 4)."""

    cameras: Array
    joints_world_mm: Array
    boxes_xywh_px: Array

    def of_camera(self, camera: int) -> Views:
        """The frames that one camera recorded."""
        return Views(*(part[self.cameras == camera] for part in self))


@dataclass(frozen=True)
class Fit:
    """How well the joints of one subject fit their boxes.

    ``inside`` is the share of joints in their grown boxes and ``filled`` the median share of a
    box's side that the joints span, both by camera; ``thigh_mm`` the median length of a thigh;
    ``joints`` the number of joints compared. ``misfit`` is the error to report, None for a fit.
    """

    inside: dict[int, float]
    filled: dict[int, float]
    thigh_mm: float
    joints: int
    misfit: ConvNeXtPoseCheckError | None = None

    def is_good(self, least_inside: float) -> bool:
        """Whether joints, cameras and boxes belong together."""
        return (
            min(self.inside.values()) >= least_inside
            and min(self.filled.values()) >= LEAST_FILLED
            and THIGH_MM[0] <= self.thigh_mm <= THIGH_MM[1]
        )

    def __str__(self) -> str:
        cameras = ", ".join(
            f"{share:.0%} of camera {camera}'s" for camera, share in self.inside.items()
        )
        return (
            f"{cameras} lie inside and span {min(self.filled.values()):.0%} of the boxes, a thigh"
            f" measures {self.thigh_mm:.3g} mm"
        )


class Correction(NamedTuple):
    """A known error in annotation files, and the views and cameras with this error undone."""

    code: ErrorCode
    cause: str
    views: Views
    cameras: Cameras


def fit_of(layout: Layout, files: SubjectFiles) -> Fit | None:
    """Project joints of frames spread over the subject's, and compare them with their boxes.

    Returns None if every camera has too few frames. A misfit names the known error whose correction
    restores the fit, if there is one.
    """
    views = _select_views(files)
    fit = _measure(views, files.cameras)
    if fit is None or fit.is_good(LEAST_INSIDE):
        return fit
    code: ErrorCode = ErrorCode.WRONG_BOXES
    cause = "no known error in annotation files explains it"
    for known in _corrections(layout, files, views):
        corrected = _measure(known.views, known.cameras)
        if corrected is not None and corrected.is_good(EXPLAINED):
            code, cause = known.code, known.cause
            break
    problem = f"the joints of subject {files.subject} do not fit their boxes ({fit}): {cause}"
    return replace(fit, misfit=ConvNeXtPoseCheckError(code, problem, REMEDY))


def _select_views(files: SubjectFiles) -> Views:
    """Frames of the subject, spread evenly, without those that lack joints, camera or box."""
    listed = [
        (image, annotation)
        for image, annotation in files.test_frames()
        if annotation and image.cam_idx in files.cameras and named_sequence(image)
    ]
    cameras, joints_world_mm, boxes_xywh_px = [], [], []
    for image, annotation in spread(listed, VIEWS):
        joints_mm = files.joints_world_mm(image)
        if joints_mm is not None and np.isfinite(joints_mm).all() and min(annotation.bbox[2:]) > 0:
            cameras.append(image.cam_idx)
            joints_world_mm.append(joints_mm)
            boxes_xywh_px.append(annotation.bbox)
    arrays = np.array(cameras), np.array(joints_world_mm, float), np.array(boxes_xywh_px, float)
    return Views(*arrays)


def _measure(views: Views, cameras: Cameras) -> Fit | None:
    numbers, counts = np.unique(views.cameras, return_counts=True)
    inside, filled, joints = {}, {}, 0
    for camera in numbers[counts >= FEWEST_VIEWS].tolist():
        own = views.of_camera(camera)
        of_views = _inside_and_filled(own, cameras[camera])
        inside[camera], filled[camera] = float(of_views[0].mean()), float(np.median(of_views[1]))
        joints += own.joints_world_mm.shape[0] * own.joints_world_mm.shape[1]
    if not inside:
        return None
    thighs_mm = views.joints_world_mm[:, _HIPS] - views.joints_world_mm[:, _KNEES]
    return Fit(inside, filled, float(np.median(np.linalg.norm(thighs_mm, axis=-1))), joints)


def _inside_and_filled(views: Views, camera: Camera) -> tuple[Array, Array]:
    """The share of joints in each grown box and of its side that they span, shape (N,) each."""
    corners_px, sizes_px = views.boxes_xywh_px[:, None, :2], views.boxes_xywh_px[:, None, 2:]
    joints_world_mm = views.joints_world_mm
    with np.errstate(all="ignore"):  # wrong annotations place joints anywhere
        joints_cam_mm = world_to_camera(joints_world_mm.reshape(-1, 3), camera)
        joints_cam_mm = joints_cam_mm.reshape(joints_world_mm.shape)
        pixels_px = camera_to_image(joints_cam_mm, camera)
        beyond_px = np.abs(pixels_px - corners_px - sizes_px / 2) - (0.5 + GROWTH) * sizes_px
        inside = (joints_cam_mm[..., 2] > 0) & (beyond_px <= 0).all(axis=-1)
        filled = np.sqrt(np.prod(np.ptp(pixels_px, axis=1) / sizes_px[:, 0], axis=-1))
    is_box = (sizes_px[:, 0] > 0).all(axis=-1)
    return inside.mean(axis=-1) * is_box, np.nan_to_num(filled) * is_box


def _corrections(layout: Layout, files: SubjectFiles, views: Views) -> Iterator[Correction]:
    """Every known error, undone; the most likely first."""
    cameras = files.cameras
    camera_file = annotation_name(files.subject, "camera")
    new = {k: replace(c, translation_mm=-c.rotation @ c.translation_mm) for k, c in cameras.items()}
    cause = f"{camera_file} is of before June 2020, when cameras meant R(X - t) and not RX + t"
    yield Correction(ErrorCode.WRONG_CAMERAS, cause, views, new)

    fitting = {camera: _best_fitting(views, camera, cameras) for camera in cameras}
    renamed = [f"{one} under {other}" for one, other in fitting.items() if one != other]
    cause = f"the cameras in {camera_file} are swapped: {', '.join(renamed)}"
    swapped = {camera: cameras[other] for camera, other in fitting.items()}
    yield Correction(ErrorCode.WRONG_CAMERAS, cause, views, swapped)

    names = [annotation_name(subject, "camera") for subject in _HUMAN36M_SUBJECTS]
    with suppress(ConvNeXtPoseCheckError):
        for name, path in survey(layout.root, names).annotations.items():
            others = read_cameras(path)
            if others.keys() >= cameras.keys():
                cause = f"{camera_file} holds the cameras of another subject: its own are in {name}"
                yield Correction(ErrorCode.WRONG_CAMERAS, cause, views, others)

    joints_in_mm = views._replace(joints_world_mm=views.joints_world_mm * _MM_PER_M)
    in_mm = {k: replace(c, translation_mm=c.translation_mm * _MM_PER_M) for k, c in cameras.items()}
    joints_are = f"the joints in {files.joints_file.name}"
    cameras_are = f"the translations t in {camera_file}"
    for what, corrected_views, corrected_cameras in (
        (joints_are, joints_in_mm, cameras),
        (cameras_are, views, in_mm),
        (f"{joints_are} and {cameras_are}", joints_in_mm, in_mm),
    ):
        cause = f"{what} are in metres: expected millimetres"
        yield Correction(ErrorCode.WRONG_UNITS, cause, corrected_views, corrected_cameras)

    boxes_xywh_px = views.boxes_xywh_px.copy()
    boxes_xywh_px[:, 2:] -= boxes_xywh_px[:, :2]
    cause = (
        f"the boxes in {files.data_file.name} are (x1, y1, x2, y2), their corners:"
        " expected (x, y, width, height)"
    )
    corrected = views._replace(boxes_xywh_px=boxes_xywh_px)
    yield Correction(ErrorCode.WRONG_BOXES, cause, corrected, cameras)

    cause = f"the rotations R in {camera_file} are transposed"
    transposed = {k: replace(c, rotation=c.rotation.T) for k, c in cameras.items()}
    yield Correction(ErrorCode.WRONG_CAMERAS, cause, views, transposed)


def _best_fitting(views: Views, camera: int, cameras: Cameras) -> int:
    """The camera with most joints of this camera's frames in their boxes, itself if equal."""
    own = views.of_camera(camera)
    inside = {other: _inside_and_filled(own, cameras[other])[0].sum() for other in cameras}
    return max([camera, *cameras], key=inside.__getitem__)
