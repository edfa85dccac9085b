"""The samples of a run as arrays: positions, conversion constants and ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from convnextpose_check.human36m.geometry import Array, Camera, camera_to_cells, cells_to_camera
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.human36m.skeleton import ACTIONS, ANNOTATED_JOINTS, ROOT

Alignment = Literal["root", "none", "rigid", "rigid and scale"]
"""How a pose is compared: with its root at the origin, as it is, or aligned with the truth."""

TINY = 1e-9
"""Keeps a division by a length of zero finite."""


@dataclass(frozen=True)
class Group:
    """Samples that share a label; ``mask`` is (N,), ``label`` empty for all samples."""

    axis: str
    label: str
    mask: Array

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
    ``sequences`` are (N,). Poses are compared with the
    mean of the joints ``roots`` at the origin. Unless ``has_pelvis``, the position of the predicted
    pelvis is unknown, as in the authors' output.
    """

    cells_xyz: Array
    boxes_px: Array
    root_depths_mm: Array
    focal_px: Array
    center_px: Array
    truth_mm: Array
    pelvis_mm: Array
    sequences: Array
    grid_whd: tuple[int, int, int]
    alignment: Alignment = "root"
    roots: tuple[int, ...] = (ROOT,)
    has_pelvis: bool = True

    @classmethod
    def of_samples(
        cls,
        samples: Sequence[Sample],
        cells_xyz: Array,
        grid_whd: tuple[int, int, int],
        protocol: int,
    ) -> SampleTable:
        """The samples with positions (N, 18, 3) in cells."""

        def stack(values: list[Any]) -> Array:
            return np.array(values, dtype=np.float64)

        joints_mm = stack([s.joints_cam_mm for s in samples])
        return cls(
            stack([*cells_xyz]),
            stack([s.box_xywh_px for s in samples]),
            stack([s.root_depth_mm for s in samples]),
            stack([s.camera.focal_px for s in samples]),
            stack([s.camera.centre_px for s in samples]),
            joints_mm - joints_mm[:, ROOT, None],
            joints_mm[:, ROOT],
            np.array([s.sequence for s in samples]),
            grid_whd,
            "rigid" if protocol == 1 else "root",
        )

    def __len__(self) -> int:
        return len(self.cells_xyz)

    def select(self, indices: Array) -> SampleTable:
        """The samples of these indices, or of a mask."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        arrays = {name: v[indices] for name, v in values.items() if isinstance(v, np.ndarray)}
        return replace(self, **arrays)  # type: ignore[arg-type]

    @cached_property
    def conversion(self) -> tuple[tuple[int, int, int], Array, Array, Camera]:
        """Grid, boxes, root depths and cameras for the conversions of ``geometry``."""
        camera = Camera(np.eye(3), np.zeros(3), self.focal_px[:, None], self.center_px[:, None])
        return self.grid_whd, self.boxes_px[:, None], self.root_depths_mm[:, None], camera

    def cells_of(self, joints_mm: Array) -> Array:
        """Positions (N, 18, 3) before the camera as cells."""
        return camera_to_cells(joints_mm, *self.conversion)

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
        if self.alignment in ("rigid", "rigid and scale"):
            scales = self.alignment == "rigid and scale"
            predicted_mm = align(predicted_mm, truth_mm, scales=scales)
        errors_mm: Array = np.linalg.norm(predicted_mm - truth_mm, axis=2)[:, :ANNOTATED_JOINTS]
        return errors_mm

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

    @cached_property
    def sequence_starts(self) -> Array:
        """The index of a sample of each sequence."""
        return np.unique(self.sequences, return_index=True)[1]

    @cached_property
    def groups(self) -> list[Group]:
        """Every group of samples that a fault may be limited to: all, then from coarse to fine."""
        parts = [name.split("_") for name in self.sequences.tolist()]  # s_09_act_02_subact_01_ca_01
        labels_of: list[dict[str, str]] = []
        for part in parts:
            subject, action, take, camera = (int(number) for number in part[1::2])
            name = f"S{subject} {ACTIONS[action]}"
            labels_of.append({
                "subject": f"S{subject}",
                "camera": f"camera {camera}",
                "action": ACTIONS[action],
                "subject and camera": f"S{subject} camera {camera}",
                "subject and action": name,
                "take": f"{name} {take}",
            })  # fmt: skip
        found = [Group("all", "", np.ones(len(self), dtype=bool))]
        for axis in labels_of[0]:
            labels = np.array([each[axis] for each in labels_of])
            values = np.unique(labels).tolist() if len(np.unique(labels)) > 1 else []
            found += [Group(axis, value, labels == value) for value in values]
        return found

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

    The same as ``metrics.rigidly_aligned`` for all samples at once, in double precision.
    """
    center, target_center = points_mm.mean(axis=1), target_mm.mean(axis=1)
    points, target = points_mm - center[:, None], target_mm - target_center[:, None]
    u, singular, vt = np.linalg.svd(np.einsum("nji,njk->nik", points, target))
    sign = np.ones_like(singular)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    turned = points @ ((u * sign[:, None]) @ vt)
    if scales:
        sizes = np.maximum((points**2).sum(axis=(1, 2)), TINY)
        turned = turned * ((singular * sign).sum(axis=1) / sizes)[:, None, None]
    aligned: Array = turned + target_center[:, None]
    return aligned
