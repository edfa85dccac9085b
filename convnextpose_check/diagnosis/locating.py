"""Find the samples that hold an excess, and what is different about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from convnextpose_check.diagnosis.alternatives import CONVERSIONS, Alternative, joint_sources
from convnextpose_check.diagnosis.finding import EXPLAINS, Finding
from convnextpose_check.diagnosis.table import Group, SampleTable
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import JOINTS

PERMUTATIONS, LEVEL = 200, 0.01
"""Sequences are dealt to the groups at random; a place is named below this level."""

LEAST_Z = 4.0
"""Distance of a group from its siblings, and of a gain from 0, in standard errors."""

TAKE_SHARE = 0.7
"""Least share of the excess that takes must hold; coarser groups must hold half."""

MOST = 1.3
"""Largest share of the excess: what holds more of it would leave an error below the reference."""

TWO_GROUPS = 1.5
"""Least ratio of the errors of two groups, which have no siblings to compare with."""

REFINED = 4
"""Alternatives whose number is fitted."""

SPREAD = 0.1
"""Least spread between the logarithms of siblings' errors."""


def locate_alternative(
    table: SampleTable, excess_mm: float, rng: np.random.Generator
) -> list[Finding]:
    """The alternative that the data need most, in all samples or in one group.

    The positions are the verified ones, so only the data can be wrong. A correction must leave
    less than the error of a guess: much lowers a larger error and explains nothing.
    """
    before, groups = table.errors_mm.mean(axis=1), table.groups
    scanned = [
        (each, value, before - each.errors_mm(table, value).mean(axis=1))
        for each in (*CONVERSIONS, *joint_sources(table)) if each.needed
        for value in each.values
    ]  # fmt: skip
    gains = np.array([gain for _, _, gain in scanned])
    held_mm = gains @ np.array([group.mask for group in groups]).T / len(table)
    best: dict[str, Finding] = {}
    for place in np.argsort(-held_mm, axis=None).tolist():
        row, column = divmod(place, len(groups))
        group, held = groups[column], float(held_mm[row, column])
        alternative, value, gain = scanned[row]
        least = TAKE_SHARE if group.axis == "take" else EXPLAINS
        if not 0 < held >= EXPLAINS * excess_mm or len(best) == REFINED:
            break
        if (
            least * excess_mm <= held <= MOST * excess_mm
            and table.error_mm - held < table.guess_mm
            and alternative.what not in best
            and _is_clear(table, gain, group)
            and (not group.label or _is_beyond_chance(table, gain, groups, rng)[column])
        ):
            best[alternative.what] = _fit_value(table, alternative, value, group)
    return sorted(best.values(), key=lambda each: abs(excess_mm - (each.explained_mm or 0)))[:1]


def _is_clear(table: SampleTable, gain: Array, group: Group) -> bool:
    """Whether a gain (N,) differs from 0 over the group's sequences; all gain if there are few."""
    means = sequence_means(table, gain)[group.mask[table.sequence_starts]]
    if len(means) < 4:
        return bool((means > 0).all())
    return bool(means.mean() > LEAST_Z * means.std(ddof=1) / len(means) ** 0.5)


def sequence_means(table: SampleTable, values: Array) -> Array:
    """The mean of (N,) values for each sequence."""
    means: Array = np.bincount(table.sequence_index, values) / np.bincount(table.sequence_index)
    return means


def _is_beyond_chance(
    table: SampleTable, values: Array, groups: Sequence[Group], rng: np.random.Generator
) -> Array:
    """Whether groups hold more of (N,) values than of sequences dealt at random, (G,).

    The largest sum of any group by the root of its size, over all groups looked at; sums are of
    deviations from the mean over sequences.
    """
    means = sequence_means(table, values)
    means = means - means.mean()
    masks = np.array([group.mask[table.sequence_starts] for group in groups], dtype=float)
    masks = masks / np.sqrt(np.maximum(masks.sum(axis=1, keepdims=True), 1))
    largest = [(masks @ rng.permutation(means)).max() for _ in range(PERMUTATIONS)]
    is_beyond: Array = masks @ means >= np.quantile(largest, 1 - LEVEL)
    return is_beyond


def _fit_value(table: SampleTable, alternative: Alternative, value: float, group: Group) -> Finding:
    """The finding with its free number fitted in the group."""
    part = table.select(group.mask)
    value = minimize(lambda v: float(alternative.errors_mm(part, v).mean()), value, alternative)
    after = alternative.errors_mm(part, value)
    return Finding(
        "explains", "inputs", f"the data fit if {alternative.what.format(f'{value:.3g}')}",
        f"so corrected, {len(part):,} samples have an error of {after.mean():.2f} mm instead of"
        f" {part.error_mm:.2f} mm",
        alternative.remedy,
        float((part.errors_mm - after).sum() / table.errors_mm.size), group.place,
    )  # fmt: skip


def minimize(
    loss: Callable[[float], float], start: float, alternative: Alternative, rounds: int = 16
) -> float:
    """The value with the least loss between the neighbors of ``start`` among the given values."""
    if not alternative.is_continuous or len(alternative.values) == 1:
        return start
    ordered = sorted(alternative.values)
    at = ordered.index(start)
    low, high = ordered[max(0, at - 1)], ordered[min(len(ordered) - 1, at + 1)]
    for _ in range(rounds):
        third = (high - low) / 3
        if loss(low + third) < loss(high - third):
            high -= third
        else:
            low += third
    middle = (low + high) / 2
    return middle if loss(middle) <= loss(start) else start


def locate_excess(table: SampleTable, excess_mm: float, rng: np.random.Generator) -> list[Finding]:
    """The smallest group, or set of takes, whose error is far from its siblings' and holds most."""
    errors_mm = table.errors_mm.mean(axis=1)
    logs = np.log(np.maximum(errors_mm, 1e-6))
    beyond = _is_beyond_chance(table, logs, table.groups, rng)
    found: list[tuple[int, Finding]] = []
    outliers = []
    for axis in dict.fromkeys(group.axis for group in table.groups[1:]):
        groups = table.groups_of(axis)
        for group, z in zip(groups, _distances(table, logs, groups), strict=True):
            if z > LEAST_Z and axis == "take":
                outliers.append(group)
            elif z > LEAST_Z and beyond[table.groups.index(group)]:
                found += _holding(errors_mm, group, excess_mm, EXPLAINS)
    if outliers and len(outliers) <= 8:
        label = ", ".join(group.label for group in outliers)
        mask = np.any([group.mask for group in outliers], axis=0)
        found += _holding(errors_mm, Group("take", label, mask), excess_mm, TAKE_SHARE)
    return [finding for _, finding in sorted(found, key=lambda each: each[0])[:1]]


def _distances(table: SampleTable, logs: Array, groups: Sequence[Group]) -> list[float]:
    """The distance of each group from the median of its siblings, in robust deviations.

    Two groups have no siblings: their distance is the ratio of their errors.
    """
    by_sequence = sequence_means(table, logs)
    means = np.array([by_sequence[g.mask[table.sequence_starts]].mean() for g in groups])
    if len(groups) < 4:
        others = np.array([np.delete(means, n).mean() for n in range(len(means))])
        return list(LEAST_Z * (means - others) / np.log(TWO_GROUPS))
    middle = np.median(means)
    return list((means - middle) / max(1.4826 * float(np.median(np.abs(means - middle))), SPREAD))


def _holding(
    errors_mm: Array, group: Group, excess_mm: float, least: float
) -> Iterator[tuple[int, Finding]]:
    """The group's size and a finding, if it holds enough of the excess and not too much."""
    rest_mm = float(errors_mm[~group.mask].mean())
    own_mm = float(errors_mm[group.mask].mean())
    held_mm = float((own_mm - rest_mm) * group.mask.mean())
    if least * excess_mm <= held_mm <= MOST * excess_mm:
        yield int(group.mask.sum()), Finding(
            "holds", "inputs", f"the excess is in {group.label}",
            f"its samples have {own_mm:.1f} mm, the others {rest_mm:.1f} mm",
            "Compare images, joints, boxes and cameras of these samples with those of the others",
            held_mm, group.place,
        )  # fmt: skip


def smallest_group(table: SampleTable, values: Array) -> Group:
    """The smallest group with nine tenths of the sum of (N,) values, which may be negative."""
    values = values * np.sign(values.sum())
    holding = [each for each in table.groups if values[each.mask].sum() >= 0.9 * values.sum()]
    return min(holding, key=lambda each: int(each.mask.sum()))


def locate_difference(table: SampleTable, deltas_mm: Array) -> Finding:
    """The smallest group that holds nine tenths of paired differences (N,) from a baseline."""
    group = smallest_group(table, deltas_mm)
    changed = int((np.abs(deltas_mm[group.mask]) > 0.01).sum())
    return Finding(
        "holds", "", f"the difference from the baseline is in {group.label or 'all groups'}",
        f"{changed:,} of its samples have another error",
        "Compare what both runs read for these samples",
        float(deltas_mm[group.mask].sum() / len(table)), group.place,
    )  # fmt: skip


def hot_spots(table: SampleTable) -> tuple[str, ...]:
    """Where the error is largest: subject, camera, action, take and joint."""
    errors_mm, lines = table.errors_mm.mean(axis=1), []
    for axis in ("subject", "camera", "action", "take"):
        groups = table.groups_of(axis)
        if groups:
            top = max(groups, key=lambda group: errors_mm[group.mask].mean())
            lines.append(f"{top.place}: {errors_mm[top.mask].mean():.1f} mm")
    joints_mm = table.errors_mm.mean(axis=0)
    return (*lines, f"{JOINTS[int(joints_mm.argmax())]}: {joints_mm.max():.1f} mm")
