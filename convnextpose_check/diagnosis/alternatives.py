"""Other conversions, comparisons and ground truths, each with at most one free number.

An alternative that the run used reproduces the run's errors from its positions. One that the data
need lowers the error of the run's positions to the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from convnextpose_check.diagnosis.table import Alignment, SampleTable
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, JOINTS, MIRRORED, ROOT

Change = Callable[[SampleTable, float], SampleTable]


@dataclass(frozen=True)
class Alternative:
    """A change of a table.

    ``used`` is a sentence about a run that used it, ``needed`` one about data that need it, with
    the value as ``{}``; either is empty if the alternative cannot be that. ``values`` are values of
    its free number to start from.
    """

    name: str
    used: str
    needed: str
    remedy: str
    change: Change
    values: tuple[float, ...] = (0.0,)
    is_continuous: bool = True

    def errors_mm(self, table: SampleTable, value: float) -> Array:
        """The errors (N, 17) of the changed table."""
        return self.change(table, value).errors_mm


def _permute(order: tuple[int, ...], table: SampleTable, _: float) -> SampleTable:
    return replace(table, cells_xyz=table.cells_xyz[:, list(order)])


def _shift(table: SampleTable, cells: float) -> SampleTable:
    return replace(table, cells_xyz=table.cells_xyz + cells)


def _scale(name: str, table: SampleTable, factor: float) -> SampleTable:
    return replace(table, **{name: getattr(table, name) * factor})


def _scale_box(table: SampleTable, factor: float) -> SampleTable:
    corners_px, sides_px = table.boxes_px[:, :2], table.boxes_px[:, 2:]
    corners_px = corners_px + sides_px * (1 - factor) / 2
    return replace(table, boxes_px=np.hstack([corners_px, sides_px * factor]))


def _scale_depth(table: SampleTable, factor: float) -> SampleTable:
    middle = table.grid_whd[2] / 2
    factors, offsets = np.array([1, 1, factor]), np.array([0, 0, middle * (1 - factor)])
    return replace(table, cells_xyz=table.cells_xyz * factors + offsets)


def _turn_truth(table: SampleTable, degrees: float) -> SampleTable:
    """Turn the truth in the image about the pelvis."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    turn = np.array([[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])
    return replace(table, truth_mm=table.truth_mm @ turn)


def _flip_truth(table: SampleTable, _: float) -> SampleTable:
    """Mirror the truth left to right in the image, with left and right joints exchanged."""
    return replace(table, truth_mm=table.truth_mm[:, list(MIRRORED)] * (-1, 1, 1))


def _other_frame(table: SampleTable, step: float) -> SampleTable:
    """Take the truth ``step`` test frames on in the sequence; the last ones keep theirs."""
    order = np.lexsort((table.frames, table.sequences))
    moved = order[np.clip(np.arange(len(table)) + int(step), 0, len(table) - 1)]
    chosen = np.empty(len(table), dtype=int)
    chosen[order] = np.where(table.sequences[moved] == table.sequences[order], moved, order)
    return replace(table, truth_mm=table.truth_mm[chosen], pelvis_mm=table.pelvis_mm[chosen])


def _align(
    alignment: Alignment, roots: tuple[int, ...], table: SampleTable, _: float
) -> SampleTable:
    return replace(table, alignment=alignment, roots=roots)


_FACTORS = (1e-3, 0.5, 0.67, 0.83, 0.9, 0.95, 0.98, 1.0, 1.02, 1.05, 1.1, 1.2, 1.5, 2.0, 1e3)
_OFFSETS = (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0)
_DEGREES = (-90.0, -30.0, -15.0, -6.0, -3.0, 0.0, 3.0, 6.0, 15.0, 30.0, 90.0, 180.0)

_BOX = "Use the annotated box, squared and grown by 1.25 once, for crop and conversion alike"
_DEPTH = "Let the depth bins span 1000 mm before and behind the root"
_ROOT_DEPTH = "Take the pelvis's depth in this image, in millimeters"
_DATA = "Take cameras, joints, boxes and images from one release of the data set"
_ORDER = "Use Human3.6M's order of joints in model, annotations and evaluation"
_PROTOCOL = "Subtract each pose's own pelvis, and align only under protocol 1, without scale"
_CELLS = "Count cells from 0, without a shift"

_TURNED = "the ground truth is turned by {} degrees in the image"

CONVERSIONS: tuple[Alternative, ...] = (
    Alternative("mirrored joints", "left and right joints are exchanged",
                "left and right joints are exchanged", _ORDER, partial(_permute, MIRRORED)),
    Alternative("mirrored images", "poses are mirrored left to right",
                "images are mirrored left to right", _DATA, _flip_truth),
    Alternative("cells", "positions are shifted by {} cells along each axis", "", _CELLS, _shift,
                _OFFSETS),
    Alternative("depth range", "depths are multiplied by {}",
                "depths would fit if they were multiplied by {}", _DEPTH, _scale_depth, _FACTORS),
    Alternative("box size", "box sides are multiplied by {} for the conversion",
                "boxes would fit if their sides were multiplied by {}", _BOX, _scale_box, _FACTORS),
    Alternative("root depth", "root depths are multiplied by {}",
                "root depths would fit if they were multiplied by {}", _ROOT_DEPTH,
                partial(_scale, "root_depths_mm"), _FACTORS),
    Alternative("focal length", "focal lengths are multiplied by {}",
                "focal lengths would fit if they were multiplied by {}", _DATA,
                partial(_scale, "focal_px"), _FACTORS),
    Alternative("size of the truth", "the ground truth is multiplied by {}",
                "the ground truth would fit if it were multiplied by {}", _DATA,
                partial(_scale, "truth_mm"), _FACTORS),
    Alternative("other frame", "poses are compared with those {} test frames on",
                "the poses in the images are those {} test frames on in the annotations",
                "Match images and joints by frame number: file 000001 is frame 0",
                _other_frame, (-2.0, -1.0, 1.0, 2.0), is_continuous=False),
    Alternative("turned", _TURNED, _TURNED, _DATA, _turn_truth, _DEGREES),
)  # fmt: skip
"""Changes of conversion and ground truth: a run may have used them, or data may need them."""

_COMPARED: list[tuple[str, Alignment, tuple[int, ...]]] = [
    ("roots are not subtracted", "none", (ROOT,)),
    *((f"the origin is {JOINTS[joint]}, not the pelvis", "root", (joint,))
      for joint in range(len(JOINTS)) if joint != ROOT),
    *((f"the origin is the middle of {JOINTS[one]} and {JOINTS[other]}", "root", (one, other))
      for one, other in enumerate(MIRRORED) if one < other),
    ("the origin is the mean of the joints", "root", tuple(range(ANNOTATED_JOINTS))),
    ("poses are aligned rigidly", "rigid", (ROOT,)),
    ("poses are aligned with scale", "rigid and scale", (ROOT,)),
    ("poses are not aligned", "root", (ROOT,)),
]  # fmt: skip

COMPARISONS: tuple[Alternative, ...] = tuple(
    Alternative(used, used, "", _PROTOCOL, partial(_align, alignment, roots))
    for used, alignment, roots in _COMPARED
)
"""Other comparisons of a pose with its ground truth."""


def joint_sources(table: SampleTable) -> Iterator[Alternative]:
    """Joints of the ground truth that lie where the network sees other joints, in any group.

    Each joint's truth is compared with every predicted joint; its source is another joint if that
    one is less than half as far away, in the median over a group's samples.
    """
    predicted_mm = table.predicted_mm[:, :ANNOTATED_JOINTS]
    predicted_mm = predicted_mm - predicted_mm[:, ROOT, None]
    truth_mm = table.truth_mm[:, :ANNOTATED_JOINTS]
    apart_mm = np.linalg.norm(truth_mm[:, :, None] - predicted_mm[:, None], axis=3)
    joints = np.arange(ANNOTATED_JOINTS)
    found: set[tuple[int, ...]] = set()
    for group in table.groups:
        if group.axis != "take":
            median_mm = np.median(apart_mm[group.mask], axis=0)
            is_other = median_mm.min(axis=1) < 0.5 * median_mm[joints, joints]
            found.add(tuple(np.where(is_other, median_mm.argmin(axis=1), joints).tolist()))
    for sources in sorted(found - {tuple(joints.tolist()), MIRRORED[:ANNOTATED_JOINTS]}):
        others = [(JOINTS[j], JOINTS[s]) for j, s in enumerate(sources) if j != s]
        named = ", ".join(f"{joint} where the network sees {source}" for joint, source in others)
        order = (*sources, ANNOTATED_JOINTS)
        needed = f"the ground truth has {named}"
        yield Alternative("joint order", "", needed, _ORDER, partial(_permute, order))
