"""Other conversions, comparisons and ground truths, each with at most one free number.

An alternative that the run used reproduces the run's errors from its positions. One that the data
need lowers the error of the run's positions to the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from convnextpose_check.diagnosis.regression import nearest_sources
from convnextpose_check.diagnosis.table import Alignment, SampleTable, scaled_boxes
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, JOINTS, MIRRORED, ROOT

Change = Callable[[SampleTable, float], SampleTable]


@dataclass(frozen=True)
class Alternative:
    """A change of a table.

    ``what`` describes it, with the value of its free number as ``{}``; ``values`` are values to
    start from. A run may have ``used`` it, data may have ``needed`` it.
    """

    what: str
    remedy: str
    change: Change
    values: tuple[float, ...] = (0.0,)
    used: bool = True
    needed: bool = True
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
    return replace(table, boxes_px=scaled_boxes(table.boxes_px, factor))


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
    order = np.argsort(table.sequences, kind="stable")
    moved = order[np.clip(np.arange(len(table)) + int(step), 0, len(table) - 1)]
    chosen = np.empty(len(table), dtype=int)
    chosen[order] = np.where(table.sequences[moved] == table.sequences[order], moved, order)
    return replace(table, truth_mm=table.truth_mm[chosen], pelvis_mm=table.pelvis_mm[chosen])


def _align(
    alignment: Alignment, roots: tuple[int, ...], table: SampleTable, _: float
) -> SampleTable:
    return replace(table, alignment=alignment, roots=roots)


_FACTORS = (1e-3, 0.5, 0.67, 0.83, 0.9, 0.95, 0.98, 1.0, 1.02, 1.05, 1.1, 1.2, 1.5, 2.0, 1e3)

_BOX = "Use the annotated box, squared and grown by 1.25 once, for crop and conversion alike"
_DEPTH = "Let the depth bins span 1000 mm before and behind the root"
_ROOT_DEPTH = "Take the pelvis's depth in this image, in millimeters"
_DATA = "Take cameras, joints, boxes and images from one release of the data set"
_ORDER = "Use Human3.6M's order of joints in model, annotations and evaluation"
_PROTOCOL = "Subtract each pose's own pelvis, and align only under protocol 1, without scale"

CONVERSIONS: tuple[Alternative, ...] = (
    Alternative("left and right joints are exchanged", _ORDER, partial(_permute, MIRRORED)),
    Alternative("poses are mirrored left to right", _DATA, _flip_truth),
    Alternative("positions are shifted by {} cells along each axis", "Count cells from 0", _shift,
                (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0), needed=False),
    Alternative("depths are multiplied by {}", _DEPTH, _scale_depth, _FACTORS),
    Alternative("box sides are multiplied by {}", _BOX, _scale_box, _FACTORS),
    Alternative("root depths are multiplied by {}", _ROOT_DEPTH,
                partial(_scale, "root_depths_mm"), _FACTORS),
    Alternative("focal lengths are multiplied by {}", _DATA, partial(_scale, "focal_px"), _FACTORS),
    Alternative("the ground truth is multiplied by {}", _DATA, partial(_scale, "truth_mm"),
                _FACTORS),
    Alternative("poses are compared with those {} test frames on",
                "Match images and joints by frame number: file 000001 is frame 0",
                _other_frame, (-2.0, -1.0, 1.0, 2.0), is_continuous=False),
    Alternative("the ground truth is turned by {} degrees in the image", _DATA, _turn_truth,
                (-90.0, -30.0, -15.0, -6.0, -3.0, 0.0, 3.0, 6.0, 15.0, 30.0, 90.0, 180.0)),
)  # fmt: skip
"""Changes of conversion and ground truth: a run may have used them, or data may need them."""

_ROOTS = {
    f"the origin is {name}, not the pelvis": (joint,)
    for joint, name in enumerate(JOINTS) if joint != ROOT
} | {
    f"the origin is the middle of {JOINTS[one]} and {JOINTS[other]}": (one, other)
    for one, other in enumerate(MIRRORED) if one < other
} | {"the origin is the mean of the joints": tuple(range(ANNOTATED_JOINTS))}  # fmt: skip

_ALIGNMENTS: dict[str, Alignment] = {
    "roots are not subtracted": "none", "poses are aligned rigidly": "rigid",
    "poses are aligned with scale": "rigid and scale", "poses are not aligned": "root",
}  # fmt: skip

COMPARISONS: tuple[Alternative, ...] = tuple(
    Alternative(what, _PROTOCOL, partial(_align, alignment, roots), needed=False)
    for what, alignment, roots in (
        *((what, alignment, (ROOT,)) for what, alignment in _ALIGNMENTS.items()),
        *((what, "root", roots) for what, roots in _ROOTS.items()),
    )
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
    found: set[tuple[int, ...]] = set()
    for group in table.groups:
        if group.axis != "take":
            found.add(tuple(nearest_sources(apart_mm[group.mask]).tolist()))
    for sources in sorted(found - {tuple(range(ANNOTATED_JOINTS)), MIRRORED[:ANNOTATED_JOINTS]}):
        named = ", ".join(
            f"the network's {JOINTS[source]} is compared with the truth's {JOINTS[joint]}"
            for joint, source in enumerate(sources) if joint != source
        )  # fmt: skip
        order = (*sources, ANNOTATED_JOINTS)
        yield Alternative(named, _ORDER, partial(_permute, order), used=False)
