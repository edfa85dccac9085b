"""What the annotations say of every sample, as arrays, and the takes that samples are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from convnextpose_check.human36m.geometry import Array, Camera, camera_to_image
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.human36m.skeleton import ACTIONS, ANNOTATED_JOINTS, ROOT

FEWEST = 3
"""Of fewer frames no median is taken."""


@dataclass(frozen=True)
class Seen:
    """N samples: joints (N, 17, 3) in camera millimetres and (N, 17, 2) in pixels, and the rest.

    ``boxes_px`` (N, 4) are the squares that are cropped, ``sizes_px`` (N, 2) those of the images,
    ``focal_px`` (N, 2) the cameras' and ``axes`` (N, 2, 3) their right and down in the world.
    ``too_deep_mm`` (N,) is the root's depth minus its true one, ``moved_mm``
    (N,) as in ``Sample``, NaN where it is not known. ``takes``, ``views`` and
    ``instants`` number performances, performances as one camera sees them, and their frames.
    """

    image_ids: Array
    subjects: Array
    frames: Array
    joints_cam_mm: Array
    joints_px: Array
    boxes_px: Array
    sizes_px: Array
    focal_px: Array
    axes: Array
    too_deep_mm: Array
    moved_mm: Array
    take_titles: tuple[str, ...]
    takes: Array
    views: Array
    instants: Array

    @classmethod
    def of(cls, dataset: Dataset) -> Seen:
        """All samples of a data set."""
        samples = dataset.samples
        parts = [sample.path.name.split("_") for sample in samples]
        take_titles, takes = _numbered([title_of(sample.sequence) for sample in samples])
        _, views = _numbered([sample.sequence for sample in samples])
        _, instants = _numbered([f"{t} {name[-1]}" for t, name in zip(takes, parts, strict=True)])
        joints_mm = np.array([s.joints_cam_mm[:ANNOTATED_JOINTS] for s in samples], dtype=float)
        focal_px, centre_px = (
            np.array([getattr(s.camera, name) for s in samples], dtype=float)
            for name in ("focal_px", "centre_px")
        )
        cameras = Camera(np.eye(3), np.zeros(3), focal_px[:, None], centre_px[:, None])
        depths_mm = np.array([s.root_depth_mm for s in samples], dtype=float)
        return cls(
            image_ids=np.array([s.image_id for s in samples]),
            subjects=np.array([s.subject for s in samples]),
            frames=np.array([int(name[-1].split(".")[0]) - 1 for name in parts]),
            joints_cam_mm=joints_mm,
            joints_px=camera_to_image(joints_mm, cameras),
            boxes_px=np.array([s.box_xywh_px for s in samples], dtype=float),
            sizes_px=np.array([s.size_px for s in samples], dtype=float),
            focal_px=focal_px,
            axes=np.array([s.camera.rotation[:2] for s in samples], dtype=float),
            too_deep_mm=depths_mm - joints_mm[:, ROOT, 2],
            moved_mm=np.array([np.nan if s.moved_mm is None else s.moved_mm for s in samples]),
            take_titles=take_titles,
            takes=takes,
            views=views,
            instants=instants,
        )

    @cached_property
    def is_cut(self) -> Array:
        """(N,) whether the body may reach over the image's border, where boxes are cut off."""
        low_px, high_px = self.joints_px.min(axis=1), self.joints_px.max(axis=1)
        margin_px = 0.15 * (high_px - low_px)
        reaches = (low_px - margin_px < 0) | (high_px + margin_px > self.sizes_px)
        cut: Array = reaches.any(axis=1)
        return cut

    @cached_property
    def beside_mm(self) -> Array:
        """(N, 2) how far right and down of the middle of its joints the middle of a box is.

        In millimetres at the pelvis; NaN for a body that may be cut off.
        """
        middle_px = (self.joints_px.min(axis=1) + self.joints_px.max(axis=1)) / 2
        beside_px = self.boxes_px[:, :2] + self.boxes_px[:, 2:] / 2 - middle_px
        beside_mm: Array = beside_px / self.focal_px * self.joints_cam_mm[:, ROOT, 2:]
        beside_mm[self.is_cut] = np.nan
        return beside_mm

    def medians(self, values: Array) -> Array:
        """For each sample the median of a value (N,) over its view; NaN for too few frames."""
        found = np.full(len(values), np.nan)
        for view in range(int(self.views.max()) + 1):
            of_view = self.views == view
            known = values[of_view][~np.isnan(values[of_view])]
            if len(known) >= FEWEST:
                found[of_view] = np.median(known)
        return found

    def usual(self, of_views: Array) -> Array:
        """For each sample the median over its subject's views of what is known of each view.

        ``of_views`` (N,) is the same for all samples of a view.
        """
        found = np.full(len(of_views), np.nan)
        _, first = np.unique(self.views, return_index=True)
        for subject in np.unique(self.subjects):
            known = of_views[first[self.subjects[first] == subject]]
            known = known[~np.isnan(known)]
            if len(known):
                found[self.subjects == subject] = np.median(known)
        return found


def title_of(sequence: str) -> str:
    """What a person calls the take of a sequence, such as ``S9 Greeting 2``."""
    _, subject, _, action, _, subaction, *_ = sequence.split("_")
    return f"S{int(subject)} {ACTIONS[int(action)]} {int(subaction)}"


def _numbered(names: Sequence[str]) -> tuple[tuple[str, ...], Array]:
    """The different names in order, and the number of each one's place among them."""
    different, numbers = np.unique(np.array(names), return_inverse=True)
    return tuple(map(str, different)), numbers
