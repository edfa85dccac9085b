"""Whether joints, cameras and boxes of the annotations belong together, told before a long run.

The joints of some frames are projected and looked for in the frames' boxes. Where they are not
there, each mistake that is known to be made is undone in turn: the one whose undoing puts them
back is the one that was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, replace

import numpy as np

from convnextpose_check.errors import Code, ConvNeXtPoseCheckError
from convnextpose_check.human36m.annotations import (
    SubjectFiles,
    named_sequence,
    read_cameras,
    spread,
)
from convnextpose_check.human36m.data_file import Annotation, Image
from convnextpose_check.human36m.geometry import Array, Camera, camera_to_image, world_to_camera
from convnextpose_check.human36m.layout import Layout, annotation_name, survey
from convnextpose_check.human36m.skeleton import JOINTS

VIEWS = 300
"""So many frames of a subject are looked at, spread evenly."""

FEWEST_VIEWS = 8
"""Of a camera with fewer nothing is said."""

GROWTH = 0.1
"""A box may be too narrow by this share of its size on each side: lens distortion is ignored, and
who drew the boxes did so by other joints or by hand."""

LEAST_INSIDE = 0.85
"""Of each camera's joints; true annotations have all of them in their boxes, and of those that are
wrong the worst camera has at most two thirds."""

LEAST_FILLED = 0.45
"""Of a box's side, as the root of its area, the joints span 0.7 to 0.85; of a box whose far corner
was taken for its size 0.26 to 0.36."""

EXPLAINED = 0.95
"""Of each camera's joints, once the mistake is undone."""

THIGH_MM = (100.0, 1000.0)
"""From hip to knee, the median. A person's measures 0.44 m."""

_THIGHS = [(JOINTS.index(f"{side}_Hip"), JOINTS.index(f"{side}_Knee")) for side in "RL"]
_HUMAN36M_SUBJECTS = (1, 5, 6, 7, 8, 9, 11)
_MM_PER_M = 1000.0


@dataclass(frozen=True)
class View:
    """One frame as one camera saw it: joints (17, 3) in world millimetres, box in pixels."""

    camera: int
    joints_world_mm: Array
    box_xywh_px: Array


Views = list[View]
Cameras = Mapping[int, Camera]


@dataclass(frozen=True)
class Misfit:
    """What is wrong where joints do not lie in their boxes, and how to mend it.

    ``code`` is that of the error that tells it.
    """

    code: Code
    problem: str
    remedy: str


@dataclass(frozen=True)
class Fit:
    """How well the views of one subject fit their boxes.

    ``inside`` is the share of joints in their grown boxes and ``filled`` the median share of a
    box's side that the joints span, both by camera; ``thigh_mm`` the median length of a thigh.
    ``joints`` were looked at. ``misfit`` is None where joints, cameras and boxes belong together.
    """

    inside: dict[int, float]
    filled: dict[int, float]
    thigh_mm: float
    joints: int
    misfit: Misfit | None = None

    def is_good(self, least_inside: float) -> bool:
        """Whether joints, cameras and boxes belong together."""
        return (
            all(share >= least_inside for share in self.inside.values())
            and all(share >= LEAST_FILLED for share in self.filled.values())
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


@dataclass(frozen=True)
class Mistake:
    """One way in which annotations can be wrong, undone: what it is, and how to mend it.

    One that ``is_certain`` was found in the files themselves, and cannot be undone.
    """

    code: Code
    name: str
    remedy: str
    views: Views
    cameras: Cameras
    is_certain: bool = False


def fit_of(layout: Layout, files: SubjectFiles) -> Fit | None:
    """How well the joints of frames spread over the subject's, projected, lie in their boxes.

    None for a subject of whose cameras each has too few frames. A misfit names the mistake whose
    undoing makes them fit, or says that none does.
    """
    views, cameras = _views(files), files.cameras
    obtained = _fit(views, cameras)
    if obtained is None or obtained.is_good(LEAST_INSIDE):
        return obtained
    problem = f"the joints of subject {files.subject} do not fit their boxes ({obtained})"
    for mistake in _mistakes(layout, files, views):
        undone = _fit(mistake.views, mistake.cameras)
        if mistake.is_certain or (undone is not None and undone.is_good(EXPLAINED)):
            misfit = Misfit(mistake.code, f"{problem}: {mistake.name}", mistake.remedy)
            return replace(obtained, misfit=misfit)
    misfit = Misfit(
        "joints-outside-boxes",
        f"{problem}, and no mistake that is known to be made explains it",
        "Fetch cameras, joints and boxes of that subject again, all from one place",
    )
    return replace(obtained, misfit=misfit)


def _views(files: SubjectFiles) -> Views:
    """Frames of the subject, spread evenly; those that lack something say nothing."""
    listed = [
        (image, annotation)
        for image, annotation in files.test_frames()
        if annotation and image.cam_idx in files.cameras and named_sequence(image)
    ]
    found = (_view(files, *each) for each in spread(listed, VIEWS))
    return [view for view in found if view is not None]


def _view(files: SubjectFiles, image: Image, annotation: Annotation) -> View | None:
    joints_world_mm = files.joints_world_mm(image)
    box = np.array(annotation.bbox, dtype=float)
    if joints_world_mm is None or not np.isfinite(joints_world_mm).all() or not (box[2:] > 0).all():
        return None
    return View(image.cam_idx, joints_world_mm.astype(float), box)


def _fit(views: Views, cameras: Cameras) -> Fit | None:
    by_camera: dict[int, Views] = {}
    for view in views:
        by_camera.setdefault(view.camera, []).append(view)
    many = {c: by_camera[c] for c in sorted(by_camera) if len(by_camera[c]) >= FEWEST_VIEWS}
    if not many:
        return None
    measured = {c: [_inside_and_filled(v, cameras[c]) for v in of] for c, of in many.items()}
    thighs_mm = [
        np.linalg.norm(view.joints_world_mm[hip] - view.joints_world_mm[knee])
        for view in views
        for hip, knee in _THIGHS
    ]
    return Fit(
        {c: float(np.mean([inside for inside, _ in of])) for c, of in measured.items()},
        {c: float(np.median([filled for _, filled in of])) for c, of in measured.items()},
        float(np.median(thighs_mm)),
        sum(len(view.joints_world_mm) for of in many.values() for view in of),
    )


def _inside_and_filled(view: View, camera: Camera) -> tuple[float, float]:
    """The share of joints in the grown box, and of the box's side that they span."""
    corner_px, size_px = view.box_xywh_px[:2], view.box_xywh_px[2:]
    if not (size_px > 0).all():
        return 0.0, 0.0
    with np.errstate(all="ignore"):  # wrong annotations put joints anywhere
        joints_cam_mm = world_to_camera(view.joints_world_mm, camera)
        pixels_px = camera_to_image(joints_cam_mm, camera)
        beyond_px = np.abs(pixels_px - corner_px - size_px / 2) - (0.5 + GROWTH) * size_px
        inside = (joints_cam_mm[:, 2] > 0) & (beyond_px <= 0).all(axis=1)
        filled = np.sqrt(np.prod(np.ptp(pixels_px, axis=0) / size_px))
    return float(inside.mean()), float(np.nan_to_num(filled))


def _mistakes(layout: Layout, files: SubjectFiles, views: Views) -> Iterator[Mistake]:
    """Every mistake that is known to be made, undone; the likeliest first."""
    cameras = files.cameras
    camera_file = annotation_name(files.subject, "camera")
    yield Mistake(
        "old-cameras",
        f"{camera_file} is of before June 2020, when cameras meant R(X - t) and not RX + t",
        "Fetch the annotations of June 2020 or later, to which the authors' README links",
        views,
        {k: replace(c, translation_mm=-c.rotation @ c.translation_mm) for k, c in cameras.items()},
    )
    fitting = {camera: _best_fitting(views, camera, cameras) for camera in cameras}
    renamed = [f"{one} under {other}" for one, other in fitting.items() if one != other]
    yield Mistake(
        "swapped-cameras",
        f"the cameras in {camera_file} are swapped: {', '.join(renamed)}",
        "Fetch that file again",
        views,
        {camera: cameras[other] for camera, other in fitting.items()},
    )
    for other, others in _cameras_of_others(layout, files.subject):
        is_copy = _are_equal(cameras, others)
        others_file = annotation_name(other, "camera")
        yield Mistake(
            "cameras-of-another-subject",
            f"{camera_file} holds the cameras of another subject: "
            + (f"the same as {others_file}" if is_copy else f"its own are in {others_file}"),
            "Fetch both files again",
            views,
            others,
            is_copy,
        )
    yield from _metres(files, views)
    yield Mistake(
        "corners-for-sizes",
        f"the boxes in {files.data_file.name} are (x1, y1, x2, y2), their corners:"
        " expected (x, y, width, height)",
        "Write x2 - x1 and y2 - y1 in the place of x2 and y2, or fetch the file again",
        [replace(v, box_xywh_px=v.box_xywh_px - [0, 0, *v.box_xywh_px[:2]]) for v in views],
        cameras,
    )
    yield Mistake(
        "transposed-rotations",
        f"the rotations R in {camera_file} are transposed",
        "Fetch that file again",
        views,
        {k: replace(c, rotation=c.rotation.T) for k, c in cameras.items()},
    )


def _metres(files: SubjectFiles, views: Views) -> Iterator[Mistake]:
    in_mm = [replace(v, joints_world_mm=v.joints_world_mm * _MM_PER_M) for v in views]
    cameras_in_mm = {
        k: replace(c, translation_mm=c.translation_mm * _MM_PER_M) for k, c in files.cameras.items()
    }
    joints, cameras = files.joints_file.name, annotation_name(files.subject, "camera")
    for what, undone, undone_cameras in (
        (f"the joints in {joints} are", in_mm, files.cameras),
        (f"the translations t in {cameras} are", views, cameras_in_mm),
        (f"the joints in {joints} and the translations t in {cameras} are", in_mm, cameras_in_mm),
    ):
        yield Mistake(
            "metres",
            f"{what} in metres: expected millimetres",
            "Multiply them by 1000, or fetch the files again",
            undone,
            undone_cameras,
        )


def _best_fitting(views: Views, camera: int, cameras: Cameras) -> int:
    """Of all cameras the one that puts most joints of this camera's frames into their boxes."""
    own = [view for view in views if view.camera == camera]

    def inside(other: int) -> float:
        return sum(_inside_and_filled(view, cameras[other])[0] for view in own)

    # The camera itself comes first: of equals, the first counts.
    return max([camera, *(c for c in cameras if c != camera)], key=inside)


def _are_equal(cameras: Cameras, others: Cameras) -> bool:
    return cameras.keys() == others.keys() and all(
        np.array_equal(getattr(camera, part.name), getattr(others[index], part.name))
        for index, camera in cameras.items()
        for part in fields(Camera)
    )


def _cameras_of_others(layout: Layout, subject: int) -> Iterator[tuple[int, Cameras]]:
    """The cameras of the other subjects that lie below the data set's folder, if of equal names."""
    names = {s: annotation_name(s, "camera") for s in _HUMAN36M_SUBJECTS if s != subject}
    with suppress(ConvNeXtPoseCheckError):
        found = survey(layout.root, names.values()).annotations
        for other, name in names.items():
            if name in found:
                yield other, read_cameras(found[name])
