"""Find the samples that contain the excess, and a correction of the data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from msgspec import structs

from convnextpose_check.diagnosis.alternatives import CONVERSIONS, Alternative, find_joint_orders
from convnextpose_check.diagnosis.finding import MIN_EXPLAINED, Finding
from convnextpose_check.diagnosis.table import AXES, Group, SampleTable
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import JOINTS

PERMUTATIONS, LEVEL = 200, 0.01
"""Number of permutations, and significance level, of the permutation test of groups."""

MIN_SHARES, MAX_SHARE, MAX_TAKES = {"take": 0.7}, 1.3, 8
"""Least share of the excess in a set of takes (coarser groups: ``MIN_EXPLAINED``); largest
share, since removing more leaves an error below the reference; most takes in a set."""

MIN_Z, MIN_SPREAD, MIN_RATIO_OF_TWO = 4.0, 0.1, 1.5
"""Least robust z-score of a group, and of a gain in standard errors; floor of the deviation of log
errors; least ratio of a group's error to the others' if an axis has fewer than 4 groups."""

FIT_CANDIDATES, EQUAL_SHARE = 4, 0.1
"""Alternatives to fit a parameter of; share of the excess by which equal findings may differ."""


def locate_alternative(
    table: SampleTable, excess_mm: float, rng: np.random.Generator
) -> Finding | None:
    """Find the correction of the data that best explains the excess."""
    before, best = table.errors_mm.mean(axis=1), dict[str, Finding]()
    alternatives = (*CONVERSIONS, *find_joint_orders(table))
    scanned = [(each, value) for each in alternatives for value in each.values]
    gains = [before - each.change(table, at).errors_mm.mean(axis=1) for each, at in scanned]
    for row, group in _rank_gains(table, gains, excess_mm, rng):
        alternative, value = scanned[row]
        if alternative.what not in best:
            best[alternative.what] = _fit_value(table, alternative, value, group)
        if len(best) == FIT_CANDIDATES:
            break
    if not best:
        return None
    left_mm = {each: abs(excess_mm - (each.explained_mm or 0)) for each in best.values()}
    ranked = sorted(left_mm, key=left_mm.__getitem__)
    equals = [
        each.what for each in ranked if each.place == ranked[0].place
        and left_mm[each] <= left_mm[ranked[0]] + EQUAL_SHARE * excess_mm
    ]  # fmt: skip
    return structs.replace(ranked[0], what=f"the data fit if {' or '.join(equals)}")


def _rank_gains(
    table: SampleTable, gains: Sequence[Array], excess_mm: float, rng: np.random.Generator
) -> Iterator[tuple[int, Group]]:
    """Yields the index and group of changes whose gains (N,) in mm hold the excess."""
    groups, columns = table.groups, len(table.groups)
    contained_mm = np.array(gains) @ np.array([group.mask for group in groups]).T / len(table)
    min_mm = excess_mm * np.array([MIN_SHARES.get(g.axis, MIN_EXPLAINED) for g in groups])
    is_enough = (contained_mm >= min_mm) & (contained_mm <= MAX_SHARE * excess_mm)
    # Many changes lower an error above that of the mean pose.
    is_enough &= contained_mm > table.error_mm - table.mean_pose_mm
    for index in np.argsort(-contained_mm * is_enough, axis=None)[: is_enough.sum()].tolist():
        gain, group = gains[index // columns], groups[index % columns]
        if _has_clear_gain(table.average_sequences(gain)[group.sequences]) and (
            not group.label or _exceeds_random_groups(table, gain, rng)[index % columns]
        ):
            yield index // columns, group


def _has_clear_gain(means: Array) -> bool:
    """Whether the gains (S,) of sequences exceed 0; if fewer than 4, each of them."""
    if len(means) < 4:
        return bool((means > 0).all())
    return bool(means.mean() > MIN_Z * means.std(ddof=1) / len(means) ** 0.5)


def _exceeds_random_groups(table: SampleTable, values: Array, rng: np.random.Generator) -> Array:
    """Whether each group (G,) has larger values (N,) than randomly permuted sequences.

    Permutation test of a group's sum of deviations from the mean over sequences, divided by the
    root of its size, against the largest of all groups.
    """
    means = table.average_sequences(values)
    masks = np.array([group.sequences / group.sequences.sum() ** 0.5 for group in table.groups])
    shuffled = rng.permuted([means] * PERMUTATIONS, axis=1) - means.mean()
    largest = np.max(shuffled @ masks.T, axis=1)
    return np.asarray(masks @ (means - means.mean()) >= np.quantile(largest, 1 - LEVEL))


def _fit_value(table: SampleTable, alternative: Alternative, value: float, group: Group) -> Finding:
    part = table.select(group.mask)
    after_mm, value = alternative.fit(lambda other: alternative.change(part, other).error_mm, value)
    return Finding(
        "explains", "inputs", alternative.what.format(f"{value:.3g}"),
        f"this correction lowers the error of {len(part):,} samples from {part.error_mm:.2f} mm to"
        f" {after_mm:.2f} mm",
        alternative.remedy, (part.error_mm - after_mm) * len(part) / len(table), group.place,
    )  # fmt: skip


def locate_excess(table: SampleTable, excess_mm: float, rng: np.random.Generator) -> Finding | None:
    """Find the smallest outlying group, or set of takes, that contains the excess."""
    errors_mm = table.errors_mm.mean(axis=1)
    logs = np.log(np.maximum(errors_mm, 1e-6))
    means, exceeds_random = table.average_sequences(logs), _exceeds_random_groups(table, logs, rng)
    candidates = []
    for axis in AXES:
        groups = table.select_groups(axis)
        distances = zip(groups, _compute_distances(means, groups), strict=True)
        far = [group for group, distance in distances if distance > MIN_Z]
        if axis != "take":
            candidates += [group for group in far if exceeds_random[table.groups.index(group)]]
        elif 0 < len(far) <= MAX_TAKES:
            masks = zip(*((group.mask, group.sequences) for group in far), strict=True)
            label = ", ".join(group.label for group in far)
            candidates.append(Group(axis, label, *(np.any(each, axis=0) for each in masks)))
    for group in sorted(candidates, key=lambda group: int(group.mask.sum())):
        own_mm, rest_mm = (float(errors_mm[mask].mean()) for mask in (group.mask, ~group.mask))
        contained_mm = (own_mm - rest_mm) * float(group.mask.mean())
        min_share = MIN_SHARES.get(group.axis, MIN_EXPLAINED)
        if min_share * excess_mm <= contained_mm <= MAX_SHARE * excess_mm:
            return Finding(
                "holds", "inputs", "these samples hold the excess",
                f"their error is {own_mm:.1f} mm, that of the others {rest_mm:.1f} mm",
                "Compare their images, joints, boxes and cameras with those of the others",
                contained_mm, group.place,
            )  # fmt: skip
    return None


def _compute_distances(means: Array, groups: Sequence[Group]) -> list[float]:
    """Returns the robust z-score of each group's mean log error; of 2 or 3 groups, a ratio."""
    own = np.array([means[group.sequences].mean() for group in groups])
    if len(groups) < 4:
        others = [np.delete(own, n).mean() for n in range(len(own))]
        return list(MIN_Z * (own - others) / np.log(MIN_RATIO_OF_TWO))
    middle = np.median(own)
    return list((own - middle) / max(1.4826 * float(np.median(np.abs(own - middle))), MIN_SPREAD))


def locate_difference(table: SampleTable, deltas_mm: Array) -> Finding:
    """Find the smallest group with 90 % of the differences (N,) from a baseline."""
    group = table.find_smallest_group(deltas_mm)
    changed = int((np.abs(deltas_mm[group.mask]) > 0.01).sum())
    return Finding(
        "holds", "", f"the difference from the baseline is in {group.label or 'all groups'}",
        f"the number of its samples with another error is {changed:,}",
        "Compare what both runs read for these samples",
        float(deltas_mm[group.mask].sum() / len(table)), group.place,
    )  # fmt: skip


def find_hot_spots(table: SampleTable) -> list[str]:
    """Describe the subject, camera, action, take and joint with the largest errors."""
    errors_mm, joints_mm = table.errors_mm.mean(axis=1), table.errors_mm.mean(axis=0)
    largest = [
        max(groups, key=lambda group: errors_mm[group.mask].mean())
        for axis in ("subject", "camera", "action", "take")
        if (groups := table.select_groups(axis))
    ]
    places = [f"{group.place}: {errors_mm[group.mask].mean():.1f} mm" for group in largest]
    return [*places, f"{JOINTS[int(joints_mm.argmax())]}: {joints_mm.max():.1f} mm"]
