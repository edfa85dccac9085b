"""Samples of a run as arrays: positions, conversion constants and ground truth."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np

from convnextpose_check.evaluation.metrics import align_poses, stack_samples
from convnextpose_check.human36m.geometry import Array, Camera, cells_to_camera
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.human36m.skeleton import ACTIONS, ANNOTATED_JOINTS, ROOT

AXES = {
    "subject": "S{0}", "camera": "camera {3}", "action": "{1}",
    "subject and camera": "S{0} camera {3}", "subject and action": "S{0} {1}",
    "take": "S{0} {1} {2}",
}  # fmt: skip
"""Label formats of the groups that a fault may affect, of subject, action, take and camera."""

Grid = tuple[int, int, int]


@dataclass(frozen=True)
class Group:
    """Samples with a common label, as masks of samples (N,) and of sequences (S,)."""

    axis: str
    label: str
    mask: Array
    sequences: Array

    @property
    def place(self) -> str:
        """The label and the number of samples; empty for all samples."""
        count = f"{int(self.mask.sum()):,} of {len(self.mask):,} samples"
        return f"{self.label}, {count}" if self.label else ""

    def may_hold(self, contained_mm: Array | float, excess_mm: float) -> Any:
        """Whether the group may hold the excess if it contains this share of the error.

        Removing 1.3 times the excess leaves an error below the reference.
        """
        least = 0.7 if self.axis == "take" else 0.5
        return (contained_mm >= least * excess_mm) & (contained_mm <= 1.3 * excess_mm)


@dataclass(frozen=True)
class SampleTable:
    """N samples of one variant.

    ``cells_xyz`` and ``truth_mm`` are (N, 18, 3), the latter relative to the annotated pelvis.
    Poses are compared relative to the mean of the joints ``roots``, in camera coordinates, or
    aligned. Without ``has_pelvis`` the predicted pelvis is unknown, as in the authors' output.
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
    alignment: Literal["root", "none", "rigid", "rigid and scale"] = "root"
    roots: tuple[int, ...] = (ROOT,)
    has_pelvis: bool = True

    @classmethod
    def from_samples(
        cls, samples: Sequence[Sample], cells_xyz: Array, grid_whd: Grid, protocol: int
    ) -> "SampleTable":
        """Returns the table of samples with positions (N, 18, 3) in cells."""
        boxes_px, depths_mm, focal_px, center_px, joints_mm = stack_samples(samples)
        return cls(
            np.asarray(cells_xyz, dtype=np.float64), boxes_px, depths_mm, focal_px, center_px,
            joints_mm - joints_mm[:, ROOT, None], joints_mm[:, ROOT],
            np.array([s.sequence for s in samples]), grid_whd,
            "rigid" if protocol == 1 else "root",
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.cells_xyz)

    def select(self, indices: Any) -> "SampleTable":
        """Returns the samples of these indices, or of a mask."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        arrays: Any = {name: v[indices] for name, v in values if isinstance(v, np.ndarray)}
        return replace(self, **arrays)

    def with_truth(self, truth_mm: Array) -> "SampleTable":
        """Returns the table with other ground truth; the predicted joints are computed once."""
        changed = replace(self, truth_mm=truth_mm)
        changed.__dict__["predicted_mm"] = self.predicted_mm
        return changed

    @property
    def middle_xyz(self) -> Array:
        """The center (3,) of the heatmap in cells, a fixed point of mirroring."""
        return (np.array(self.grid_whd) - (1, 1, 0)) / 2

    def make_comparable(self, cells_xyz: Array) -> Array:
        """Move positions (N, 18, 3) to a common pelvis if the run's pelvis is unknown."""
        return cells_xyz if self.has_pelvis else cells_xyz - cells_xyz[:, :1] + self.middle_xyz

    @cached_property
    def conversion(self) -> tuple[Grid, Array, Array, Camera]:
        """Grid, boxes, root depths and cameras, for the conversions of ``geometry``."""
        camera = Camera(np.eye(3), np.zeros(3), self.focal_px[:, None], self.center_px[:, None])
        return self.grid_whd, self.boxes_px[:, None], self.root_depths_mm[:, None], camera

    @cached_property
    def predicted_mm(self) -> Array:
        """The positions (N, 18, 3) in camera coordinates."""
        return cells_to_camera(self.cells_xyz, *self.conversion)

    @cached_property
    def errors_mm(self) -> Array:
        """The error (N, 17) of each annotated joint."""
        predicted_mm, truth_mm = self.predicted_mm, self.truth_mm
        if self.alignment == "none":
            truth_mm = truth_mm + self.pelvis_mm[:, None]
        else:
            roots = list(self.roots)
            predicted_mm = predicted_mm - predicted_mm[:, roots].mean(axis=1, keepdims=True)
            truth_mm = truth_mm - truth_mm[:, roots].mean(axis=1, keepdims=True)
        if self.alignment.startswith("rigid"):
            predicted_mm = align_poses(predicted_mm, truth_mm, scales=self.alignment != "rigid")
        return np.asarray(np.linalg.norm(predicted_mm - truth_mm, axis=2)[:, :ANNOTATED_JOINTS])

    @property
    def error_mm(self) -> float:
        """The mean over samples and joints."""
        return float(self.errors_mm.mean())

    @cached_property
    def mean_pose_mm(self) -> float:
        """The error of always predicting the mean ground-truth pose."""
        poses_mm = self.truth_mm[:, :ANNOTATED_JOINTS]
        return float(np.linalg.norm(poses_mm - poses_mm.mean(axis=0), axis=2).mean())

    @cached_property
    def sequence_index(self) -> Array:
        """The index (N,) of each sample's sequence."""
        return np.unique(self.sequences, return_inverse=True)[1]

    def average_sequences(self, values: Array) -> Array:
        """Returns the mean (S,) of the known values (N,) of each sequence, NaN if none is known."""
        known, count = np.isfinite(values), int(self.sequence_index.max()) + 1
        index = self.sequence_index[known]
        with np.errstate(invalid="ignore"):
            sums = np.bincount(index, values[known], count)
            return np.asarray(sums / np.bincount(index, minlength=count))

    @cached_property
    def groups(self) -> list[Group]:
        """Every group of samples that a fault may affect: all, then from coarse to fine."""
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

    def find_smallest_group(self, values: Array) -> Group:
        """Returns the smallest group that holds the values (N,), or the group of all samples.

        It has nine tenths of their sum, and values other than 0 in at least half of its samples.
        """
        values = values * np.sign(values.sum())
        holding = [
            group
            for group in self.groups
            if values[group.mask].sum() >= 0.9 * values.sum()
            and np.count_nonzero(values[group.mask]) >= group.mask.sum() / 2
        ]
        return min(holding, key=lambda group: int(group.mask.sum()), default=self.groups[0])

    def select_groups(self, axis: str) -> list[Group]:
        """Returns the groups of one axis, [] if all samples have the same label."""
        return [group for group in self.groups if group.axis == axis]


def scale_boxes(boxes_px: Array, factor: float) -> Array:
    """Scale boxes (..., 4), x, y, w, h, about their centers."""
    sides_px = boxes_px[..., 2:]
    corners_px = boxes_px[..., :2] + sides_px * (1 - factor) / 2
    return np.concatenate([corners_px, sides_px * factor], axis=-1)
