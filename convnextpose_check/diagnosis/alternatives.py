"""Changes of conversion, comparison and ground truth that explain errors or the excess."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from msgspec import structs

from convnextpose_check.diagnosis.finding import Finding, grade_change
from convnextpose_check.diagnosis.table import Group, SampleTable, scale_boxes
from convnextpose_check.human36m.annotations import select_evenly
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, JOINTS, MIRRORED, ROOT

DATA = "Take cameras, joints, boxes and images from one release of the data set"
IMAGE_FILES = "Compare these images with another copy of Human3.6M"
COMPARE = "Compare each step from image to error with this suite's, for one sample"

SAME_MM = 0.006
"""Values that differ by less are equal: printed values have two decimals."""

FIT_CANDIDATES = 5
"""Number of alternatives of which a parameter is fitted."""


@dataclass(frozen=True)
class Alternative:
    """A change of a table; ``{}`` in ``what`` is its parameter, fitted from ``values``."""

    what: str
    remedy: str
    change: Callable[[SampleTable, float], SampleTable]
    values: tuple[float, ...] = (0.0,)
    is_continuous: bool = True

    def fit(self, loss: Callable[[float], float], start: float) -> tuple[float, float]:
        """Returns the least loss, and its parameter, between the neighbors of ``start``."""
        ordered, best = sorted(self.values), (loss(start), start)
        index = ordered.index(start)
        low, high = ordered[max(0, index - 1)], ordered[min(len(ordered) - 1, index + 1)]
        for _ in range(8 if self.is_continuous and low < high else 0):
            best = min(best, *((loss(value), value) for value in np.linspace(low, high, 6)[1:-1]))
            low, high = best[1] - (high - low) / 5, best[1] + (high - low) / 5
        return best


def _permute_joints(order: tuple[int, ...], table: SampleTable, _: float) -> SampleTable:
    return replace(table, cells_xyz=table.cells_xyz[:, list(order)])


def _scale_depth(table: SampleTable, factor: float) -> SampleTable:
    middle = table.grid_whd[2] / 2
    factors, offsets = np.array([1, 1, factor]), np.array([0, 0, middle * (1 - factor)])
    return replace(table, cells_xyz=table.cells_xyz * factors + offsets)


def _rotate_truth(table: SampleTable, degrees: float) -> SampleTable:
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return table.with_truth(table.truth_mm @ [[cosine, sine, 0], [-sine, cosine, 0], [0, 0, 1]])


def _shift_frames(table: SampleTable, step: float) -> SampleTable:
    """Take the ground truth of ``step`` test frames later, within the sequence."""
    order = np.argsort(table.sequences, kind="stable")
    moved = order[np.clip(np.arange(len(table)) + int(step), 0, len(table) - 1)]
    chosen = np.empty(len(table), dtype=int)
    chosen[order] = np.where(table.sequences[moved] == table.sequences[order], moved, order)
    return replace(table, truth_mm=table.truth_mm[chosen], pelvis_mm=table.pelvis_mm[chosen])


def _set_fields(changes: dict[str, Any], table: SampleTable, _: float) -> SampleTable:
    return replace(table, **changes)


_FACTORS = (1e-3, 0.5, 0.67, 0.83, 0.9, 0.95, 0.98, 1.0, 1.02, 1.05, 1.1, 1.2, 1.5, 2.0, 1e3)

_ORDER = "Use Human3.6M's order of joints in model, annotations and evaluation"
_PROTOCOL = "Subtract each pose's own pelvis, and align only under protocol 1, without scale"

CONVERSIONS: tuple[Alternative, ...] = (
    Alternative("left and right joints are exchanged", _ORDER, partial(_permute_joints, MIRRORED)),
    Alternative("poses are mirrored left to right", DATA,
                lambda t, _: t.with_truth(t.truth_mm[:, list(MIRRORED)] * (-1, 1, 1))),
    Alternative("depths are multiplied by {}",
                "Let the depth bins span 1000 mm in front of and behind the root",
                _scale_depth, _FACTORS),
    Alternative("box sides are multiplied by {}",
                "Use the annotated box, squared and grown by 1.25 once, for crop and conversion",
                lambda t, factor: replace(t, boxes_px=scale_boxes(t.boxes_px, factor)), _FACTORS),
    Alternative("root depths are multiplied by {}",
                "Take the pelvis's depth in this image, in millimeters",
                lambda t, factor: replace(t, root_depths_mm=t.root_depths_mm * factor), _FACTORS),
    Alternative("focal lengths are multiplied by {}", DATA,
                lambda t, factor: replace(t, focal_px=t.focal_px * factor), _FACTORS),
    Alternative("the ground truth is multiplied by {}", DATA,
                lambda t, factor: t.with_truth(t.truth_mm * factor), _FACTORS),
    Alternative("poses are compared with those at a test-frame offset of {}",
                "Match images and joints by frame number: file 000001 is frame 0",
                _shift_frames, (-2.0, -1.0, 1.0, 2.0), is_continuous=False),
    Alternative("the ground truth is turned by {} degrees in the image", DATA, _rotate_truth,
                (-90.0, -30.0, -15.0, -6.0, -3.0, 0.0, 3.0, 6.0, 15.0, 30.0, 90.0, 180.0)),
)  # fmt: skip
"""Changes of conversion and ground truth, tried on both the run and the data."""

_COMPARED: dict[str, dict[str, Any]] = {
    "roots are not subtracted": {"alignment": "none"}, "poses are not aligned": {},
    "poses are aligned rigidly": {"alignment": "rigid"},
    "poses are aligned with scale": {"alignment": "rigid and scale"},
    "the origin is the mean of the joints": {"roots": tuple(range(ANNOTATED_JOINTS))},
    **{f"the origin is {name}, not the pelvis": {"roots": (joint,)}
       for joint, name in enumerate(JOINTS) if joint != ROOT},
    **{f"the origin is the middle of {JOINTS[one]} and {JOINTS[other]}": {"roots": (one, other)}
       for one, other in enumerate(MIRRORED) if one < other},
}  # fmt: skip

COMPARISONS: tuple[Alternative, ...] = (
    *(Alternative(what, _PROTOCOL, partial(_set_fields, {"alignment": "root"} | changes))
      for what, changes in _COMPARED.items()),
    Alternative("positions are shifted by {} cells along each axis", "Count cells from 0",
                lambda t, cells: replace(t, cells_xyz=t.cells_xyz + cells),
                (-1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0)),
)  # fmt: skip
"""Other comparisons of a pose with its ground truth, tried on the run only."""


def match_joints(poses: Array, others: Array) -> Array:
    """Returns for each joint of ``poses`` (N, J, 3) the nearest joint (J,) of ``others``.

    A joint's own index, unless another is less than half as far away in the median over samples.
    """
    median = np.median(np.linalg.norm(poses[:, :, None] - others[:, None], axis=3), axis=0)
    is_other = median.min(axis=1) < 0.5 * np.diag(median)
    return np.where(is_other, median.argmin(axis=1), np.arange(len(median)))


def find_joint_orders(table: SampleTable) -> Iterator[Alternative]:
    """Yields the orders of predicted joints that match the ground truth of a group."""
    predicted_mm = table.predicted_mm - table.predicted_mm[:, ROOT, None]
    found = {
        tuple(match_joints(table.truth_mm[mask, :-1], predicted_mm[mask, :-1]).tolist())
        for mask in (group.mask for group in table.groups if group.axis != "take")
    }
    for sources in sorted(found - {tuple(range(ANNOTATED_JOINTS)), MIRRORED[:ANNOTATED_JOINTS]}):
        named = ", ".join(
            f"the network's {JOINTS[source]} is compared with the truth's {JOINTS[joint]}"
            for joint, source in enumerate(sources) if joint != source
        )  # fmt: skip
        change = partial(_permute_joints, (*sources, ANNOTATED_JOINTS))
        yield Alternative(named, _ORDER, change)


def compute_other_means(errors_mm: Array, table: SampleTable) -> dict[str, float]:
    """Returns averages of errors (N, 17) that a script may report instead, by name."""
    samples_mm = errors_mm.mean(axis=1)
    means: dict[str, Any] = {
        "the median of all errors": np.median(errors_mm),
        "the median over samples": np.median(samples_mm),
        "the root of the mean square": np.sqrt((errors_mm**2).mean()),
        "a mean in centimeters": samples_mm.mean() / 10,
        "a mean in meters": samples_mm.mean() / 1000,
    }
    for joint in range(ANNOTATED_JOINTS):
        means[f"the mean without {JOINTS[joint]}"] = np.delete(errors_mm, joint, axis=1).mean()
    means |= {
        f"the mean over {axis}s": np.mean([samples_mm[group.mask].mean() for group in groups])
        for axis in ("action", "subject")
        if (groups := table.select_groups(axis))
    }
    return {text: float(mm) for text, mm in means.items()}


def explain_result(result_mm: float, errors_mm: Array, table: SampleTable) -> Finding | None:
    """Find the average that equals the result, unless it is the mean of all errors."""
    mean_mm = float(errors_mm.mean())
    if abs(result_mm - mean_mm) <= SAME_MM:
        return None
    means = compute_other_means(errors_mm, table)
    text = min(means, key=lambda each: abs(means[each] - result_mm))
    is_same = abs(means[text] - result_mm) <= SAME_MM
    return Finding(
        "reproduces" if is_same else "holds", "mean",
        f"the result is {text}" if is_same else "the result is not the mean of the run's errors",
        f"the mean of all errors is {mean_mm:.3f} mm",
        "Report the mean over all samples and all 17 joints", result_mm - mean_mm,
    )  # fmt: skip


def explain_errors(table: SampleTable, errors_mm: Array) -> Finding | None:
    """Find the change that reproduces the run's errors (N, 17), unless none is needed."""
    differences_mm = np.abs(errors_mm - table.errors_mm).mean(axis=1)
    if differences_mm.mean() <= SAME_MM:
        return None
    chosen = select_evenly(np.flatnonzero(differences_mm > SAME_MM).tolist(), 120)
    few = table.select(chosen)

    def loss(alternative: Alternative, value: float) -> float:
        # Other test frames are between the chosen samples.
        part, rows = (few, slice(None)) if alternative.is_continuous else (table, chosen)
        changed_mm = alternative.change(part, value).errors_mm[rows]
        return float(np.abs(changed_mm - errors_mm[chosen]).mean())

    starts = sorted(
        ((*min((loss(each, value), value) for value in each.values), each)
         for each in (*COMPARISONS, *CONVERSIONS)),
        key=lambda start: start[0],
    )  # fmt: skip
    left_mm, value, alternative = min(
        ((*each.fit(partial(loss, each), at), each) for _, at, each in starts[:FIT_CANDIDATES]),
        key=lambda fit: fit[0],
    )
    left = left_mm / float(differences_mm[chosen].mean()) if len(chosen) >= 4 else 1.0
    grade, explained_mm = grade_change(left, float(errors_mm.mean()) - table.error_mm)
    what, remedy = alternative.what.format(f"{value:.3g}"), alternative.remedy
    evidence = (
        f"the run's errors are {differences_mm[chosen].mean():.2f} mm from those of its positions,"
        f" {left_mm:.3f} mm after the best change that was tried: {what}"
    )
    if grade == "holds":
        what, remedy = "the fault lies behind the positions", COMPARE
    place = table.find_smallest_group(differences_mm).place
    return Finding(grade, "comparison", what, evidence, remedy, explained_mm, place)


def locate_alternative(
    table: SampleTable,
    alternatives: Sequence[Alternative],
    groups: Sequence[Group],
    excess_mm: float,
) -> Finding | None:
    """Find the correction of one of the groups that best explains the excess.

    It is only a cause if it leaves at most a quarter, and no other one explains about as much.
    """
    before, best = table.errors_mm.mean(axis=1), dict[str, Finding]()
    scanned = [(each, value) for each in alternatives for value in each.values]
    gains = [before - each.change(table, at).errors_mm.mean(axis=1) for each, at in scanned]
    for row, group in _rank_gains(table, gains, groups, excess_mm):
        alternative, value = scanned[row]
        if alternative.what not in best:
            best[alternative.what] = _fit_value(table, alternative, value, group, gains[row])
        if len(best) == FIT_CANDIDATES:
            break
    if not best:
        return None
    left_mm = {each: abs(excess_mm - (each.explained_mm or 0)) for each in best.values()}
    ranked = sorted(left_mm, key=left_mm.__getitem__)
    equals = [
        each.what for each in ranked if each.place == ranked[0].place
        and left_mm[each] <= left_mm[ranked[0]] + min(0.1 * excess_mm, 2.0)
    ]  # fmt: skip
    is_cause = len(equals) == 1 and left_mm[ranked[0]] <= 0.25 * excess_mm
    return structs.replace(
        ranked[0], grade="explains" if is_cause else "holds",
        what=f"the data fit if {' or '.join(equals)}",
    )  # fmt: skip


def _rank_gains(
    table: SampleTable, gains: Sequence[Array], groups: Sequence[Group], excess_mm: float
) -> Iterator[tuple[int, Group]]:
    """Yields the index and group of changes whose gains (N,) in mm hold the excess."""
    contained_mm = np.array(gains) @ np.array([group.mask for group in groups]).T / len(table)
    columns = zip(groups, contained_mm.T, strict=True)
    is_enough = np.array([group.may_hold(column, excess_mm) for group, column in columns]).T
    # Many changes lower an error above that of the mean pose.
    is_enough &= contained_mm > table.error_mm - table.mean_pose_mm
    rng = np.random.default_rng(0)
    for index in np.argsort(-contained_mm * is_enough, axis=None)[: is_enough.sum()].tolist():
        row, column = divmod(index, len(groups))
        gain, group = gains[row], groups[column]
        if _has_clear_gain(table.average_sequences(gain)[group.sequences]) and (
            not group.label or _exceeds_random_groups(table, gain, rng)[column]
        ):
            yield row, group


def _has_clear_gain(means: Array) -> bool:
    """Whether the gains (S,) exceed 0 by 3 standard errors; if fewer than 4, each of them."""
    if len(means) < 4:
        return bool((means > 0).all())
    return bool(means.mean() > 3.0 * means.std(ddof=1) / len(means) ** 0.5)


def _exceeds_random_groups(table: SampleTable, values: Array, rng: np.random.Generator) -> Array:
    """Whether each group (G,) has larger values (N,) than randomly permuted sequences.

    Permutation test, at the 1 % level, of a group's sum of deviations from the mean over sequences,
    divided by the root of its size, against the largest of all groups.
    """
    means = table.average_sequences(values)
    masks = np.array([group.sequences / group.sequences.sum() ** 0.5 for group in table.groups])
    shuffled = rng.permuted([means] * 200, axis=1) - means.mean()
    largest = np.max(shuffled @ masks.T, axis=1)
    return np.asarray(masks @ (means - means.mean()) >= np.quantile(largest, 0.99))


def _fit_value(
    table: SampleTable, alternative: Alternative, value: float, group: Group, gain: Array
) -> Finding:
    part = table.select(group.mask)
    after_mm = part.error_mm - float(gain[group.mask].mean())
    if alternative.is_continuous:
        after_mm, value = alternative.fit(lambda at: alternative.change(part, at).error_mm, value)
    return Finding(
        "explains", "inputs", alternative.what.format(f"{value:.3g}"),
        f"this correction lowers the error of {len(part):,} samples from {part.error_mm:.2f} mm to"
        f" {after_mm:.2f} mm",
        alternative.remedy, (part.error_mm - after_mm) * len(part) / len(table), group.place,
    )  # fmt: skip
