"""The case that is diagnosed: what a run said of every sample, and the truth, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from convnextpose_check.human36m.geometry import Array, Camera, camera_to_cells, cells_to_camera
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, ROOT
from convnextpose_check.results.bootstrap import performance

Alignment = Literal["none", "rigid", "scaled"]

TOO_MUCH = 1e-9
"""Stands for a distance of nothing where one is divided by."""


@dataclass(frozen=True)
class Case:
    """N samples as a run measured them; a hypothesis is the same samples, changed.

    ``cells_xyz`` (N, 18, 3) is what the network said, on a grid of ``grid_whd`` cells, placed by
    ``boxes_px`` (N, 4), ``root_depths_mm`` (N,) and the cameras' ``focal_px`` (N, 2), ``centre_px``
    (N, 2) and ``rotation`` (N, 3, 3). ``truth_mm`` (N, 18, 3) are the true joints, the pelvis at
    the origin; the pelvis itself is at ``pelvis_mm`` (N, 3). ``sequences`` and ``actions`` tell the
    samples apart. The next four say how positions are compared with the truth. Samples that are
    ``unknown`` (N,) have no truth under a hypothesis, and count like the mean of the others. Unless
    ``placed``, where the pelvis was seen is not known.
    """

    cells_xyz: Array
    grid_whd: tuple[int, int, int]
    boxes_px: Array
    root_depths_mm: Array
    focal_px: Array
    centre_px: Array
    rotation: Array
    truth_mm: Array
    pelvis_mm: Array
    sequences: tuple[str, ...]
    actions: tuple[str, ...]
    alignment: Alignment = "none"
    rooted: bool = True
    thorax: bool = False
    scale: float = 1.0
    unknown: Array | None = None
    placed: bool = True

    @classmethod
    def at(
        cls,
        samples: Sequence[Sample],
        cells_xyz: Array,
        grid_whd: tuple[int, int, int],
        protocol: int,
    ) -> Case:
        """What was said of these samples, (N, 18, 3) cells."""
        joints_mm = np.array([s.joints_cam_mm for s in samples], dtype=np.float64)
        return cls(
            np.asarray(cells_xyz, dtype=np.float64),
            grid_whd,
            np.array([s.box_xywh_px for s in samples], dtype=np.float64),
            np.array([s.root_depth_mm for s in samples], dtype=np.float64),
            np.array([s.camera.focal_px for s in samples], dtype=np.float64),
            np.array([s.camera.centre_px for s in samples], dtype=np.float64),
            np.array([s.camera.rotation for s in samples], dtype=np.float64),
            joints_mm - joints_mm[:, ROOT, None],
            joints_mm[:, ROOT],
            tuple(s.sequence for s in samples),
            tuple(s.action for s in samples),
            "rigid" if protocol == 1 else "none",
        )

    def take(self, chosen: Array) -> Case:
        """These samples of it: their numbers, or a mask."""
        numbers = np.arange(len(self.sequences))[chosen]
        arrays: dict[str, Any] = {name: getattr(self, name)[numbers] for name in _BY_SAMPLE}
        arrays["unknown"] = None if self.unknown is None else self.unknown[numbers]
        return replace(
            self,
            **arrays,
            sequences=tuple(self.sequences[n] for n in numbers),
            actions=tuple(self.actions[n] for n in numbers),
        )

    def where(self, mask: Array, other: Case) -> Case:
        """Of the samples in ``mask`` what the other case has."""
        arrays: dict[str, Any] = {
            "unknown": None if other.unknown is None else mask & other.unknown
        }
        for name in _BY_SAMPLE:
            arrays[name] = getattr(self, name).copy()
            arrays[name][mask] = getattr(other, name)[mask]
        return replace(self, **arrays)

    @cached_property
    def takes(self) -> Array:
        """The number of each sample's performance (N,), which up to four cameras film."""
        names = [performance(sequence) for sequence in self.sequences]
        return np.unique(names, return_inverse=True)[1]

    @cached_property
    def views(self) -> Array:
        """The number of each sample's sequence (N,): one camera's view of a performance."""
        return np.unique(self.sequences, return_inverse=True)[1]

    @cached_property
    def predicted_mm(self) -> Array:
        """The positions (N, 18, 3) in the camera's axes, the pelvis at the origin if ``rooted``."""
        placed_mm = cells_to_camera(self.cells_xyz, *self._where_they_lie())
        return self.scale * (placed_mm - placed_mm[:, ROOT, None] if self.rooted else placed_mm)

    @cached_property
    def errors_mm(self) -> Array:
        """The error (N, 17) of each joint, (N, 18) where the thorax is counted."""
        predicted_mm, truth_mm = self.predicted_mm, self.truth_mm
        if not self.rooted:
            truth_mm = truth_mm + self.pelvis_mm[:, None]
        if self.alignment != "none":
            predicted_mm = aligned(predicted_mm, truth_mm, scales=self.alignment == "scaled")
        errors_mm: Array = np.linalg.norm(predicted_mm - truth_mm, axis=2)
        return errors_mm if self.thorax else errors_mm[:, :ANNOTATED_JOINTS]

    @cached_property
    def means_mm(self) -> Array:
        """The mean error (N,) of each sample."""
        means_mm: Array = self.errors_mm.mean(axis=1)
        if self.unknown is not None and not self.unknown.all():
            means_mm[self.unknown] = means_mm[~self.unknown].mean()
        return means_mm

    @property
    def joints_mm(self) -> Array:
        """The mean error (17,) of each joint."""
        joints_mm: Array = self.errors_mm[:, :ANNOTATED_JOINTS].mean(axis=0)
        return joints_mm

    @property
    def error_mm(self) -> float:
        """The mean over samples and joints."""
        return float(self.means_mm.mean())

    @cached_property
    def guess_mm(self) -> float:
        """The error of who sees nothing and says the mean pose: less than this is something."""
        poses_mm = self.truth_mm[:, :ANNOTATED_JOINTS]
        return float(np.linalg.norm(poses_mm - poses_mm.mean(axis=0), axis=2).mean())

    def tells(self, error_mm: float) -> bool:
        """Whether an error of these samples tells of what was seen.

        What shrinks every position towards the middle takes much of a large error away, and
        explains nothing; nor does anything that helps who finds nobody.
        """
        return error_mm < self.guess_mm

    def distance_mm(self, other: Case) -> float:
        """How far the positions of the same samples are apart, on average."""
        are_placed = self.placed and other.placed
        one, two = (replace(case, rooted=not are_placed).predicted_mm for case in (self, other))
        apart_mm = np.linalg.norm(one - two, axis=2)
        return float(apart_mm[:, :ANNOTATED_JOINTS].mean())

    @cached_property
    def truth_cells_xyz(self) -> Array:
        """Where the network should have put the joints, (N, 18, 3) cells."""
        return self.cells_of(self.truth_mm + self.pelvis_mm[:, None])

    def cells_of(self, joints_mm: Array) -> Array:
        """Camera millimetres (N, J, 3) as cells of the case's boxes and depths."""
        return camera_to_cells(joints_mm, *self._where_they_lie())

    def _where_they_lie(self) -> tuple[tuple[int, int, int], Array, Array, Camera]:
        """What places cells before the cameras: grid, boxes, depths, and cameras at the origin."""
        cameras = Camera(
            self.rotation, np.zeros(3), self.focal_px[:, None], self.centre_px[:, None]
        )
        return self.grid_whd, self.boxes_px[:, None], self.root_depths_mm[:, None], cameras


_BY_SAMPLE = (
    "cells_xyz", "boxes_px", "root_depths_mm", "focal_px", "centre_px", "rotation", "truth_mm",
    "pelvis_mm",
)  # fmt: skip


def aligned(points_mm: Array, target_mm: Array, *, scales: bool) -> Array:
    """Rotate and move each of (N, J, 3) onto its target, least squares (Kabsch), never mirrored.

    As ``metrics.rigidly_aligned``, whose steps are the authors', but all samples at once, in double
    precision: a diagnosis aligns thousands, dozens of times. ``scales`` allows one factor for each
    sample, which the authors do not.
    """
    centre, target_centre = points_mm.mean(axis=1), target_mm.mean(axis=1)
    points, target = points_mm - centre[:, None], target_mm - target_centre[:, None]
    u, singular, vt = np.linalg.svd(np.einsum("nji,njk->nik", points, target))
    sign = np.ones_like(singular)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    turned = points @ ((u * sign[:, None]) @ vt)
    if scales:
        size = np.maximum((points**2).sum(axis=(1, 2)), TOO_MUCH)
        turned = turned * ((singular * sign).sum(axis=1) / size)[:, None, None]
    moved: Array = turned + target_centre[:, None]
    return moved
