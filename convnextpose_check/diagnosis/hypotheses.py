"""What may be wrong between a network's answer and the mean, as data: each changes a case.

A hypothesis stands for both ways. Where the run's errors are not those of its positions, it is what
the run may have done to them. Where they are, but not the reference's, it is what undoes a fault on
the positions, or, where nothing can be undone, what the run's truth may have been.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np

from convnextpose_check.diagnosis.case import TOO_MUCH, Case
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, MIRRORED

Value: TypeAlias = Any
"""What is free in a hypothesis: a factor, a number of frames, a shift (3,), an order of joints."""

Fit = Callable[[Case], Value]


@dataclass(frozen=True)
class Hypothesis:
    """One thing that may be wrong.

    ``change`` makes the case another one. Of ``values`` the best is looked for on half of the
    samples, or ``fit`` finds one there; ``freedom`` counts what is free. A ``lossy`` one holds the
    positions against what the fault makes of the truth, which takes noise away as well, so that
    less than the reference may be left. ``done`` says what the run does, ``remedy`` what to do.
    """

    name: str
    change: Callable[[Case, Value], Case]
    done: str
    remedy: str
    values: tuple[Value, ...] = (None,)
    fit: Fit | None = None
    freedom: int = 0
    lossy: bool = False
    by_group: bool = True

    def told(self, value: Value) -> str:
        """What the run does, with the value that was found."""
        if isinstance(value, np.ndarray):
            value = " ".join(f"{each:+g}" for each in value)
        return self.done.format(value=value)


def _factors(low: float, high: float, step: float) -> tuple[float, ...]:
    """Factors other than 1, at even steps."""
    every = np.round(np.arange(low, high + step / 2, step), 4)
    return tuple(float(factor) for factor in every if abs(factor - 1) > step / 2)


def _shifted(case: Case, cells: Value) -> Case:
    return replace(case, cells_xyz=case.cells_xyz + cells)


def _shift(case: Case) -> Value:
    """The whole or half cells that most joints are off by."""
    off = np.median(case.truth_cells_xyz - case.cells_xyz, axis=(0, 1))
    return np.round(off * 2) / 2


def _about_middle(case: Case, factors_xyz: tuple[float, float, float]) -> Case:
    middle = np.array(case.grid_whd) / 2
    return replace(case, cells_xyz=middle + (case.cells_xyz - middle) * np.array(factors_xyz))


def _side_factor(case: Case) -> Value:
    """By how much farther from the boxes' middles the joints are than the positions."""
    middle = np.array(case.grid_whd[:2]) / 2
    found, true = case.cells_xyz[..., :2] - middle, case.truth_cells_xyz[..., :2] - middle
    return round(float((true**2).sum() / np.maximum((found * true).sum(), TOO_MUCH)) * 50) / 50


def _depth_factor(case: Case) -> Value:
    """By how much deeper the pelvis is than it was taken to be."""
    return round(float(np.median(case.pelvis_mm[:, 2] / case.root_depths_mm)), 2)


def _permuted(case: Case, order: Value) -> Case:
    return replace(case, cells_xyz=case.cells_xyz[:, list(order)])


def _order(case: Case) -> Value:
    """Which of the 17 positions lies nearest to each joint on the whole; as it is if unclear."""
    every, annotated = range(len(MIRRORED)), range(ANNOTATED_JOINTS)
    positions_mm = case.predicted_mm[:, annotated]
    apart_mm = [
        np.linalg.norm(positions_mm - case.truth_mm[:, joint, None], axis=2).mean(axis=0)
        for joint in annotated
    ]
    nearest = [*map(int, np.argmin(apart_mm, axis=1)), *every[ANNOTATED_JOINTS:]]
    return tuple(nearest if sorted(nearest) == list(every) else every)


def _mirrored_truth(case: Case, _: Value) -> Case:
    return replace(case, truth_mm=(case.truth_mm + case.truth_mm[:, list(MIRRORED)]) / 2)


def _other_frame(case: Case, frames: Value) -> Case:
    """The truth so many samples on in the sequence; of its last ones none is known."""
    sequences = np.array(case.sequences)
    other = np.clip(np.arange(len(sequences)) + frames, 0, len(sequences) - 1)
    alone = (sequences[other] != sequences) | (other == np.arange(len(sequences)))
    other = np.where(alone, np.arange(len(sequences)), other)
    return replace(
        case, truth_mm=case.truth_mm[other], pelvis_mm=case.pelvis_mm[other], unknown=alone
    )


def _cameras(case: Case, pair: Value) -> Case:
    """The truth as if these two cameras of each subject had each other's directions."""
    truth_mm, rotation = case.truth_mm.copy(), case.rotation.copy()
    names = np.array(case.sequences)
    subjects = np.array([name[:4] for name in names])
    for subject in np.unique(subjects):
        of = [(subjects == subject) & np.char.endswith(names, f"_ca_{n:02d}") for n in pair]
        if not (of[0].any() and of[1].any()):
            continue
        turns = [case.rotation[mask][0] for mask in of]
        for mask, own, other in ((of[0], *turns), (of[1], *turns[::-1])):
            truth_mm[mask] = truth_mm[mask] @ (other @ own.T).T
            rotation[mask] = other
    return replace(case, truth_mm=truth_mm, rotation=rotation)


def _negated(case: Case, axis: Value) -> Case:
    signs = np.where(np.arange(3) == axis, -1, 1)
    return replace(case, truth_mm=case.truth_mm * signs)  # as far as from negated positions


HYPOTHESES: tuple[Hypothesis, ...] = (
    Hypothesis(
        "mirrored-joints",
        lambda case, _: _permuted(case, MIRRORED),
        "left and right joints stand in each other's places",
        "Compare each joint with its own, and swap pairs in the mirrored pass alone",
    ),
    Hypothesis(
        "flip-not-swapped",
        _mirrored_truth,
        "left and right are not swapped in the flip test: every position is the mean of a joint's"
        " and its mirror joint's",
        "Swap the pairs of the mirrored pass before averaging",
        lossy=True,
    ),
    Hypothesis(
        "other-frame",
        _other_frame,
        "positions are compared with joints of another frame, and fit those of the frame {value:+d}"
        " in the sequence",
        "Take joints and image of one frame: the file's number is frame_idx + 1",
        values=(1, -1),
    ),
    Hypothesis(
        "exchanged-cameras",
        _cameras,
        "cameras {value[0]} and {value[1]} stand in each other's places",
        "Take each sequence's own camera: _ca_01 is camera 1",
        values=tuple(combinations(range(1, 5), 2)),
    ),
    Hypothesis(
        "permuted-joints",
        _permuted,
        "joints are in another order, {value}",
        "Name the joints in Human3.6M's order, pelvis first",
        values=(),
        fit=_order,
        freedom=1,
    ),
    Hypothesis(
        "shifted-cells",
        _shifted,
        "positions are shifted by cells of the heatmap, and fit once moved by {value} (x, y, z)",
        "Count cells from 0, and add no half cell",
        values=(),
        fit=_shift,
        freedom=1,
        by_group=False,
    ),
    Hypothesis(
        "depth-range",
        lambda case, factor: _about_middle(case, (1, 1, factor)),
        "the depth of the heatmap spans another range: depths about the root fit when multiplied by"
        " {value:g}",
        "Read the bins as 1000 mm before and behind the root",
        values=(*_factors(0.5, 2.0, 0.05), 10 / 11, 10 / 9, 10 / 12),
        freedom=1,
        by_group=False,
    ),
    Hypothesis(
        "root-depth",
        lambda case, factor: replace(case, root_depths_mm=case.root_depths_mm * factor),
        "the root's depth is another: the error grows away from the middle of the picture, and"
        " shrinks when that depth is multiplied by {value:g}",
        "Take the pelvis' true depth, or RootNet's file of this protocol",
        values=(),
        fit=_depth_factor,
        by_group=False,
    ),
    Hypothesis(
        "box-scale",
        lambda case, factor: _about_middle(case, (factor, factor, 1)),
        "boxes have another size where positions are read from cells: they fit when multiplied by"
        " {value:g}",
        "Grow the squared box by 1.25 once, for the crop and for the positions alike",
        values=(),
        fit=_side_factor,
        freedom=1,
        by_group=False,
    ),
    Hypothesis(
        "unit",
        lambda case, factor: replace(case, scale=case.scale * factor),
        "positions are in another unit: they fit when multiplied by {value:g}",
        "Give joints and cameras in millimetres",
        values=(1000.0, 0.001, 10.0, 0.1),
        by_group=False,
    ),
    Hypothesis(
        "negated-axis",
        _negated,
        "axis {value} (0 to the right, 1 down, 2 away) points the other way",
        "Give positions in the camera's axes: x to the right, y down, z away from it",
        values=(0, 1, 2),
    ),
)
"""What may be undone on positions, and what may have been done to them."""

DONE: tuple[Hypothesis, ...] = (
    *(each for each in HYPOTHESES if each.values),
    Hypothesis(
        "shifted-cells",
        _shifted,
        "positions are shifted by {value} cells of the heatmap (x, y, z)",
        "Count cells from 0, and add no half cell",
        # The flip test takes away what is added to x in both passes, and halves it if in one.
        values=tuple(
            np.array(axes) * cells
            for cells in (0.5, -0.5, 1.0, -1.0)
            for axes in ((1, 1, 1), (0, 1, 1), (1, 0, 0))
        ),
    ),
)
"""What a run may have done to positions before it compared them."""

COMPARISONS: tuple[Hypothesis, ...] = (
    Hypothesis(
        "aligned",
        lambda case, _: replace(case, alignment="rigid"),
        "positions are aligned with the truth before they are compared",
        "Align under protocol 1 alone",
    ),
    Hypothesis(
        "not-aligned",
        lambda case, _: replace(case, alignment="none"),
        "positions are not aligned with the truth before they are compared",
        "Align rigidly under protocol 1",
    ),
    Hypothesis(
        "aligned-with-scale",
        lambda case, _: replace(case, alignment="scaled"),
        "positions are aligned with scale",
        "Align by rotation and translation alone",
    ),
    Hypothesis(
        "roots-kept",
        lambda case, _: replace(case, rooted=False),
        "roots are not subtracted before positions are compared",
        "Subtract from prediction and truth each its own pelvis",
    ),
    Hypothesis(
        "thorax-counted",
        lambda case, _: replace(case, thorax=True),
        "the thorax counts in the error",
        "Drop the 18th joint before the error is taken",
    ),
)
"""How positions may have been compared with the truth."""
