"""Find the samples that hold an excess, and what is different about them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convnextpose_check.diagnosis.alternatives import CONVERSIONS, Alternative, joint_sources
from convnextpose_check.diagnosis.finding import EXPLAINS, Finding
from convnextpose_check.diagnosis.table import AXES, Group, SampleTable
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import JOINTS

PERMUTATIONS, LEVEL = 200, 0.01
"""Sequences are dealt to the groups at random; a place is named below this level."""

TAKE_SHARE, MOST, MOST_TAKES = 0.7, 1.3, 8
"""Least share of the excess that takes must hold, where coarser groups must hold half; largest
share, as what holds more would leave an error below the reference; most takes of one place."""

LEAST_Z, SPREAD, TWO_GROUPS = 4.0, 0.1, 1.5
"""Distance of a group from its siblings, and of a gain from 0, in standard errors; least spread of
siblings' log errors; least ratio of the errors of two groups, which have no siblings."""

REFINED = 4
"""Alternatives whose number is fitted."""


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
    least_mm = excess_mm * np.array([_least_share(group) for group in groups])
    is_enough = (held_mm >= least_mm) & (held_mm <= MOST * excess_mm)
    is_enough &= held_mm > table.error_mm - table.guess_mm
    best: dict[str, Finding] = {}
    for place in np.argsort(-held_mm * is_enough, axis=None)[: is_enough.sum()].tolist():
        row, column = divmod(place, len(groups))
        (alternative, value, gain), group = scanned[row], groups[column]
        if (
            alternative.what not in best
            and _is_clear(table.sequence_means(gain)[group.sequences])
            and (not group.label or _is_beyond_chance(table, gain, rng)[column])
        ):
            best[alternative.what] = _fit_value(table, alternative, value, group)
        if len(best) == REFINED:
            break
    return sorted(best.values(), key=lambda each: abs(excess_mm - (each.explained_mm or 0)))[:1]


def _least_share(group: Group) -> float:
    return TAKE_SHARE if group.axis == "take" else EXPLAINS


def _is_clear(means: Array) -> bool:
    """Whether a gain by sequence differs from 0; every one must gain if there are few."""
    if len(means) < 4:
        return bool((means > 0).all())
    return bool(means.mean() > LEAST_Z * means.std(ddof=1) / len(means) ** 0.5)


def _is_beyond_chance(table: SampleTable, values: Array, rng: np.random.Generator) -> Array:
    """Whether groups hold more of (N,) values than of sequences dealt at random, (G,).

    The largest sum of any group by the root of its size, over all groups looked at; sums are of
    deviations from the mean over sequences.
    """
    means = table.sequence_means(values)
    masks = np.array([group.sequences / group.sequences.sum() ** 0.5 for group in table.groups])
    dealt = rng.permuted([means] * PERMUTATIONS, axis=1) - means.mean()
    largest = np.max(dealt @ masks.T, axis=1)
    return np.asarray(masks @ (means - means.mean()) >= np.quantile(largest, 1 - LEVEL))


def _fit_value(table: SampleTable, alternative: Alternative, value: float, group: Group) -> Finding:
    """The finding with its free number fitted in the group."""
    part = table.select(group.mask)
    after_mm, value = alternative.fitted(
        lambda other: float(alternative.errors_mm(part, other).mean()), value
    )
    return Finding(
        "explains", "inputs", f"the data fit if {alternative.what.format(f'{value:.3g}')}",
        f"so corrected, {len(part):,} samples have an error of {after_mm:.2f} mm instead of"
        f" {part.error_mm:.2f} mm",
        alternative.remedy, (part.error_mm - after_mm) * len(part) / len(table), group.place,
    )  # fmt: skip


def locate_excess(table: SampleTable, excess_mm: float, rng: np.random.Generator) -> list[Finding]:
    """The smallest group, or set of takes, whose error is far from its siblings' and holds most."""
    errors_mm = table.errors_mm.mean(axis=1)
    logs = np.log(np.maximum(errors_mm, 1e-6))
    means, is_beyond = table.sequence_means(logs), _is_beyond_chance(table, logs, rng)
    candidates = []
    for axis in AXES:
        groups = table.groups_of(axis)
        distances = zip(groups, _distances(means, groups), strict=True)
        far = [group for group, distance in distances if distance > LEAST_Z]
        if axis != "take":
            candidates += [group for group in far if is_beyond[table.groups.index(group)]]
        elif 0 < len(far) <= MOST_TAKES:
            masks = zip(*((group.mask, group.sequences) for group in far), strict=True)
            label = ", ".join(group.label for group in far)
            candidates.append(Group(axis, label, *(np.any(each, axis=0) for each in masks)))
    for group in sorted(candidates, key=lambda group: int(group.mask.sum())):
        own_mm, rest_mm = (float(errors_mm[mask].mean()) for mask in (group.mask, ~group.mask))
        held_mm = (own_mm - rest_mm) * float(group.mask.mean())
        if _least_share(group) * excess_mm <= held_mm <= MOST * excess_mm:
            return [Finding(
                "holds", "inputs", "these samples hold the excess",
                f"its samples have {own_mm:.1f} mm, the others {rest_mm:.1f} mm",
                "Compare their images, joints, boxes and cameras with those of the others",
                held_mm, group.place,
            )]  # fmt: skip
    return []


def _distances(means: Array, groups: Sequence[Group]) -> list[float]:
    """The distance of each group from the median of its siblings, in robust deviations.

    Two groups have no siblings: their distance is the ratio of their errors.
    """
    own = np.array([means[group.sequences].mean() for group in groups])
    if len(groups) < 4:
        others = [np.delete(own, n).mean() for n in range(len(own))]
        return list(LEAST_Z * (own - others) / np.log(TWO_GROUPS))
    middle = np.median(own)
    return list((own - middle) / max(1.4826 * float(np.median(np.abs(own - middle))), SPREAD))


def locate_difference(table: SampleTable, deltas_mm: Array) -> Finding:
    """The smallest group that holds nine tenths of paired differences (N,) from a baseline."""
    group = table.smallest_group(deltas_mm)
    changed = int((np.abs(deltas_mm[group.mask]) > 0.01).sum())
    return Finding(
        "holds", "", f"the difference from the baseline is in {group.label or 'all groups'}",
        f"{changed:,} of its samples have another error",
        "Compare what both runs read for these samples",
        float(deltas_mm[group.mask].sum() / len(table)), group.place,
    )  # fmt: skip


def hot_spots(table: SampleTable) -> list[str]:
    """Where the error is largest: subject, camera, action, take and joint."""
    errors_mm, joints_mm = table.errors_mm.mean(axis=1), table.errors_mm.mean(axis=0)
    largest = [
        max(groups, key=lambda group: errors_mm[group.mask].mean())
        for axis in ("subject", "camera", "action", "take")
        if (groups := table.groups_of(axis))
    ]
    places = [f"{group.place}: {errors_mm[group.mask].mean():.1f} mm" for group in largest]
    return [*places, f"{JOINTS[int(joints_mm.argmax())]}: {joints_mm.max():.1f} mm"]
