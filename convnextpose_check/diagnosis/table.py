"""The samples of a run as arrays: positions, conversion constants and ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from convnextpose_check.human36m.geometry import Array, Camera, cells_to_camera
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.human36m.skeleton import ACTIONS, ANNOTATED_JOINTS, ROOT

Alignment = Literal["root", "none", "rigid", "rigid and scale"]
"""How a pose is compared: with its root at the origin, as it is, or aligned with the truth."""

AXES = {
    "subject": "S{0}", "camera": "camera {3}", "action": "{1}",
    "subject and camera": "S{0} camera {3}", "subject and action": "S{0} {1}",
    "take": "S{0} {1} {2}",
}  # fmt: skip
"""Labels of subject, action, take and camera that a fault may be limited to."""

Grid = tuple[int, int, int]


@dataclass(frozen=True)
class Group:
    """Samples that share a label, which is empty for all samples.

    ``mask`` is (N,), ``sequences`` the same for each sequence.
    """

    axis: str
    label: str
    mask: Array
    sequences: Array

    @property
    def place(self) -> str:
        """The label with the number of samples; empty for all samples."""
        count = f"{int(self.mask.sum()):,} of {len(self.mask):,} samples"
        return f"{self.label}, {count}" if self.label else ""


@dataclass(frozen=True)
class SampleTable:
    """N samples of one variant.

    ``cells_xyz`` (N, 18, 3) are the run's positions, which ``boxes_px`` (N, 4), ``root_depths_mm``
    (N,), ``focal_px`` (N, 2) and ``center_px`` (N, 2) convert to millimeters. ``truth_mm``
    (N, 18, 3) has the pelvis at the origin, ``pelvis_mm`` (N, 3) is its place before the camera.
    ``sequences`` are (N,). Poses are compared with the mean of the joints ``roots`` at the origin.
    Unless ``has_pelvis``, the predicted pelvis is unknown, as in the authors' output.
    """

    cells_xyz: Array
    boxes_px: Array
    root_depths_mm: Array
    focal_px: Array
    center_px: Array
    truth_mm: Array
    pelvis_mm: Array
    sequences: Array
    grid_whd: Grid
    alignment: Alignment = "root"
    roots: tuple[int, ...] = (ROOT,)
    has_pelvis: bool = True

    @classmethod
    def of_samples(
        cls, samples: Sequence[Sample], cells_xyz: Array, grid_whd: Grid, protocol: int
    ) -> SampleTable:
        """The samples with positions (N, 18, 3) in cells."""
        rows = (
            (s.box_xywh_px, s.root_depth_mm, s.camera.focal_px, s.camera.center_px, s.joints_cam_mm)
            for s in samples
        )
        boxes_px, depths_mm, focal_px, center_px, joints_mm = (
            np.array(values, dtype=np.float64) for values in zip(*rows, strict=True)
        )
        return cls(
            np.asarray(cells_xyz, dtype=np.float64), boxes_px, depths_mm, focal_px, center_px,
            joints_mm - joints_mm[:, ROOT, None], joints_mm[:, ROOT],
            np.array([s.sequence for s in samples]), grid_whd, "rigid" if protocol == 1 else "root",
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.cells_xyz)

    def select(self, indices: Any) -> SampleTable:
        """The samples of these indices, or of a mask."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        arrays: Any = {name: v[indices] for name, v in values if isinstance(v, np.ndarray)}
        return replace(self, **arrays)

    @property
    def middle_xyz(self) -> Array:
        """The middle (3,) of the heatmap, where mirrored positions keep their place."""
        return (np.array(self.grid_whd) - (1, 1, 0)) / 2

    def comparable(self, cells_xyz: Array) -> Array:
        """Positions (N, 18, 3) about the pelvis, if the place of the run's is unknown."""
        return cells_xyz if self.has_pelvis else cells_xyz - cells_xyz[:, :1] + self.middle_xyz

    @cached_property
    def conversion(self) -> tuple[Grid, Array, Array, Camera]:
        """Grid, boxes, root depths and cameras for the conversions of ``geometry``."""
        camera = Camera(np.eye(3), np.zeros(3), self.focal_px[:, None], self.center_px[:, None])
        return self.grid_whd, self.boxes_px[:, None], self.root_depths_mm[:, None], camera

    @cached_property
    def predicted_mm(self) -> Array:
        """The positions (N, 18, 3) before the camera, in millimeters."""
        return cells_to_camera(self.cells_xyz, *self.conversion)

    @cached_property
    def errors_mm(self) -> Array:
        """The error (N, 17) of each joint."""
        predicted_mm, truth_mm = self.predicted_mm, self.truth_mm
        if self.alignment == "none":
            truth_mm = truth_mm + self.pelvis_mm[:, None]
        else:
            roots = list(self.roots)
            predicted_mm = predicted_mm - predicted_mm[:, roots].mean(axis=1, keepdims=True)
            truth_mm = truth_mm - truth_mm[:, roots].mean(axis=1, keepdims=True)
        if self.alignment.startswith("rigid"):
            predicted_mm = align(predicted_mm, truth_mm, scales=self.alignment != "rigid")
        return np.asarray(np.linalg.norm(predicted_mm - truth_mm, axis=2)[:, :ANNOTATED_JOINTS])

    @property
    def error_mm(self) -> float:
        """The mean over samples and joints."""
        return float(self.errors_mm.mean())

    @cached_property
    def guess_mm(self) -> float:
        """The error of the mean pose, which needs no image."""
        poses_mm = self.truth_mm[:, :ANNOTATED_JOINTS]
        return float(np.linalg.norm(poses_mm - poses_mm.mean(axis=0), axis=2).mean())

    @cached_property
    def sequence_index(self) -> Array:
        """The number of each sample's sequence (N,)."""
        return np.unique(self.sequences, return_inverse=True)[1]

    def sequence_means(self, values: Array) -> Array:
        """The mean of (N,) values for each sequence."""
        index = self.sequence_index
        return np.asarray(np.bincount(index, values) / np.bincount(index))

    @cached_property
    def groups(self) -> list[Group]:
        """Every group of samples that a fault may be limited to: all, then from coarse to fine."""
        names = np.unique(self.sequences).tolist()  # such as s_09_act_02_subact_01_ca_01
        numbers = [[int(number) for number in name.split("_")[1::2]] for name in names]
        found = [Group("all", "", np.full(len(self), True), np.full(len(names), True))]
        for axis, form in AXES.items():
            labels = np.array([form.format(s, ACTIONS[a], take, c) for s, a, take, c in numbers])
            values = np.unique(labels).tolist()
            for value in values if len(values) > 1 else []:
                has_label = labels == value
                found.append(Group(axis, value, has_label[self.sequence_index], has_label))
        return found

    def smallest_group(self, values: Array) -> Group:
        """The smallest group with nine tenths of the sum of (N,) values, which may be negative."""
        values = values * np.sign(values.sum())
        holding = [each for each in self.groups if values[each.mask].sum() >= 0.9 * values.sum()]
        return min(holding, key=lambda each: int(each.mask.sum()))

    def groups_of(self, axis: str) -> list[Group]:
        """The groups of one axis; none if all samples share its label."""
        return [group for group in self.groups if group.axis == axis]


def scaled_boxes(boxes_px: Array, factor: float) -> Array:
    """Boxes (..., 4) as x, y, w, h with sides multiplied about their middles."""
    corners_px, sides_px = boxes_px[..., :2], boxes_px[..., 2:]
    corners_px = corners_px + sides_px * (1 - factor) / 2
    return np.concatenate([corners_px, sides_px * factor], axis=-1)


def align(points_mm: Array, target_mm: Array, *, scales: bool = False) -> Array:
    """Rotate and move each of (N, J, 3) onto its target, least squares (Kabsch).

    The same as ``metrics.align_rigidly`` for all samples at once, in double precision.
    """
    center, target_center = points_mm.mean(axis=1), target_mm.mean(axis=1)
    points, target = points_mm - center[:, None], target_mm - target_center[:, None]
    u, singular, vt = np.linalg.svd(np.einsum("nji,njk->nik", points, target))
    sign = np.ones_like(singular)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    turned = points @ ((u * sign[:, None]) @ vt)
    if scales:
        sizes = np.maximum((points**2).sum(axis=(1, 2)), 1e-9)  # not 0
        turned = turned * ((singular * sign).sum(axis=1) / sizes)[:, None, None]
    return np.asarray(turned + target_center[:, None])
