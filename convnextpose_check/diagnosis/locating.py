"""Find the samples that contain the excess, and a correction of the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from operator import itemgetter

import numpy as np
from msgspec import structs

from convnextpose_check.diagnosis.alternatives import Alternative
from convnextpose_check.diagnosis.finding import MIN_EXPLAINED, Finding
from convnextpose_check.diagnosis.table import Group, SampleTable
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import JOINTS

PERMUTATIONS, LEVEL = 200, 0.01
"""Number of permutations, and significance level, of the permutation test of groups."""

MIN_SHARES, MAX_SHARE, MAX_TAKES = {"take": 0.7}, 1.3, 8
"""Least share of the excess in a set of takes (coarser groups: ``MIN_EXPLAINED``); largest
share, since removing more leaves an error below the reference; most takes in a set."""

MIN_GAIN_Z, MIN_RATIO = 3.0, 1.5
"""Least gain in standard errors; least ratio of the errors of outlying takes to those of others."""

FIT_CANDIDATES, EQUAL_SHARE, MAX_REST = 4, 0.1, 0.25
"""Alternatives to fit a parameter of; share of the excess by which equal findings may differ;
largest share of the excess that a cause leaves."""


def locate_alternative(
    table: SampleTable, alternatives: Sequence[Alternative], groups: Sequence[Group],
    excess_mm: float,
) -> Finding | None:  # fmt: skip
    """Find the correction of one of the groups that best explains the excess.

    It is only a cause if no other one explains about as much.
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
        and left_mm[each] <= left_mm[ranked[0]] + EQUAL_SHARE * excess_mm
    ]  # fmt: skip
    is_cause = len(equals) == 1 and left_mm[ranked[0]] <= MAX_REST * excess_mm
    return structs.replace(
        ranked[0], grade="explains" if is_cause else "holds",
        what=f"the data fit if {' or '.join(equals)}",
    )  # fmt: skip


def _rank_gains(
    table: SampleTable, gains: Sequence[Array], groups: Sequence[Group], excess_mm: float
) -> Iterator[tuple[int, Group]]:
    """Yields the index and group of changes whose gains (N,) in mm hold the excess."""
    contained_mm = np.array(gains) @ np.array([group.mask for group in groups]).T / len(table)
    min_mm = excess_mm * np.array([MIN_SHARES.get(g.axis, MIN_EXPLAINED) for g in groups])
    is_enough = (contained_mm >= min_mm) & (contained_mm <= MAX_SHARE * excess_mm)
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
    """Whether the gains (S,) of sequences exceed 0; if fewer than 4, each of them."""
    if len(means) < 4:
        return bool((means > 0).all())
    return bool(means.mean() > MIN_GAIN_Z * means.std(ddof=1) / len(means) ** 0.5)


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


def locate_excess(
    table: SampleTable, differences: Mapping[str, Sequence[str]], excess_mm: float
) -> Finding | None:
    """Find the group with ``differences`` from the others, or set of takes, with the excess."""
    errors_mm = table.errors_mm.mean(axis=1)
    groups = [group for group in table.groups if group.label and group.label in differences]
    if (takes := _find_outlying_takes(table, errors_mm)) is not None:
        groups.append(takes)
    found = []
    for group in groups:
        own_mm, rest_mm = (float(errors_mm[mask].mean()) for mask in (group.mask, ~group.mask))
        contained_mm = (own_mm - rest_mm) * float(group.mask.mean())
        min_share = MIN_SHARES.get(group.axis, MIN_EXPLAINED)
        if min_share * excess_mm <= contained_mm <= MAX_SHARE * excess_mm:
            texts = ["these samples hold the excess", *differences.get(group.label, ())][:3]
            found.append((abs(excess_mm - contained_mm), Finding(
                "holds", "inputs", ", ".join(texts),
                f"their error is {own_mm:.1f} mm, that of the others {rest_mm:.1f} mm",
                "Compare their images, joints, boxes and cameras with those of the others",
                contained_mm, group.place,
            )))  # fmt: skip
    return min(found, key=itemgetter(0))[1] if found else None


def _find_outlying_takes(table: SampleTable, errors_mm: Array) -> Group | None:
    """Returns a few takes that are separated from all others by a clear gap in their errors.

    Without a gap they are not outliers: a fault of all samples may affect fast motion most.
    """
    groups = table.select_groups("take")
    means_mm = [float(errors_mm[group.mask].mean()) for group in groups]
    order = np.argsort(means_mm)[::-1][: MAX_TAKES + 1].tolist()
    ratios = [means_mm[one] / means_mm[other] for one, other in pairwise(order)]
    if max(ratios, default=0.0) < MIN_RATIO:
        return None
    outlying = [groups[n] for n in sorted(order[: ratios.index(max(ratios)) + 1])]
    masks = zip(*((group.mask, group.sequences) for group in outlying), strict=True)
    label = ", ".join(group.label for group in outlying)
    return Group("take", label, *(np.any(each, axis=0) for each in masks))


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
