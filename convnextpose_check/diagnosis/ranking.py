"""From a case to its causes, those that explain most of the difference first.

The difference from the reference has three parts, which are looked at apart: what the figure is
more than the mean of the run's errors, what these errors are more than those of its positions, and
what those are more than the reference. Only the last needs statistics: in the first two a cause
gives the run's own numbers again, or it is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.diagnosis.cause import ALIKE, EXPLAINS, ROUNDING_MM, Cause, Obtained
from convnextpose_check.diagnosis.hypotheses import COMPARISONS, DONE, HYPOTHESES, Hypothesis, Value
from convnextpose_check.diagnosis.means import causes_of_mean
from convnextpose_check.diagnosis.reruns import Reruns
from convnextpose_check.diagnosis.shown_again import done_otherwise, expected_otherwise, left_over
from convnextpose_check.diagnosis.undone import Undone, chance, undo
from convnextpose_check.evaluation.verdict import TOLERANCES_MM
from convnextpose_check.human36m.geometry import Array

BY_CHANCE = 0.01
"""A gain that random signs reach more often is none."""

MOST = 3
"""Causes to look for in one part."""

LIKELY = 3
"""Ways to compare that are tried with a second one, where none gives the run's errors alone."""


def causes_of(
    case: Case,
    obtained: Obtained,
    reruns: Reruns | None = None,
    tolerance_mm: float = min(TOLERANCES_MM),
    known: Iterable[Cause] = (),
    *,
    is_part: bool = False,
) -> tuple[Cause, ...]:
    """The causes of the difference, none if it is less than the tolerance.

    Those that are ``known`` before anything is tried have their place among them. Of samples
    that are a part of those that the reference is of, nothing is said of the weights: they may be
    as good as can be.
    """
    if not abs(obtained.excess_mm) >= tolerance_mm:
        return ()
    parts = (
        *known,
        *causes_of_mean(case.actions, obtained),
        *_of_comparison(case, obtained),
        *_of_positions(case, obtained, reruns, tolerance_mm, is_part=is_part),
    )
    return tuple(sorted(parts, key=lambda cause: -abs(cause.moved_mm)))


def _of_comparison(case: Case, obtained: Obtained) -> Iterator[Cause]:
    """Why the errors are not those of the positions, compared as the paper does: one way or two."""
    recorded_mm = obtained.errors_mm.mean(axis=1)
    apart_mm = _apart_mm(case, recorded_mm)
    if apart_mm <= ROUNDING_MM:
        return
    enough_mm = max(ROUNDING_MM, (1 - ALIKE) * apart_mm)
    chains = sorted(_done(case, recorded_mm), key=_left_mm)
    if _left_mm(chains[0]) > enough_mm:
        chains = [
            (*first, *second)
            for first in chains[:LIKELY]
            for second in _done(first[-1].case, recorded_mm)
        ]
    chain = min(chains, key=_left_mm)
    if _left_mm(chain) > enough_mm:
        return
    so = "so done" if len(chain) == 1 else "so done, and with the other fault that is named"
    for done in chain:
        moved_mm = done.case.error_mm - case.error_mm
        yield Cause(
            done.hypothesis.name,
            done.hypothesis.told(done.value),
            f"{so}, each sample's error is the run's to {_left_mm(chain):.4f} mm on"
            f" average, else it is {apart_mm:.4f} mm off",
            done.hypothesis.remedy,
            moved_mm,
            moved_mm / obtained.excess_mm,
            done.case.joints_mm,
            case.joints_mm,
        )
        case = done.case


@dataclass(frozen=True)
class _Done:
    """What a run may have done to the case, and how far its errors still are from the run's."""

    hypothesis: Hypothesis
    value: Value
    case: Case
    left_mm: float


def _left_mm(chain: tuple[_Done, ...]) -> float:
    """How far the errors are from the run's once all of these are done."""
    return chain[-1].left_mm


def _done(case: Case, recorded_mm: Array) -> list[tuple[_Done, ...]]:
    """Each hypothesis with the value that gives the run's errors best."""
    every: list[tuple[_Done, ...]] = []
    for hypothesis in (*COMPARISONS, *DONE):
        tried = [(hypothesis.change(case, value), value) for value in hypothesis.values]
        found = [_Done(hypothesis, v, c, _apart_mm(c, recorded_mm)) for c, v in tried]
        every.append((min(found, key=lambda done: done.left_mm),))
    return every


def _of_positions(
    case: Case, obtained: Obtained, reruns: Reruns | None, tolerance_mm: float, *, is_part: bool
) -> Iterator[Cause]:
    """Why the positions are farther from the truth than the reference, or nearer."""
    excess_mm = case.error_mm - obtained.reference_mm
    if abs(excess_mm) < tolerance_mm:
        return
    found: list[Cause] = []
    if reruns is not None and reruns.plain is not None:
        found = [*done_otherwise(case, reruns, reruns.plain, obtained, tolerance_mm)]
        if not found and not is_part:
            found = [*expected_otherwise(case, reruns, reruns.plain, obtained)]
        yield from found
    told = {cause.name for cause in found}
    named, excess_mm = len(found), excess_mm - sum(cause.moved_mm for cause in found)
    for _ in range(MOST - named):
        if excess_mm < tolerance_mm:
            break
        tried = [
            undone
            for each in HYPOTHESES
            if each.name not in told  # the positions are still as they were
            for undone in undo(each, case)
            if case.tells(case.error_mm - undone.gain_mm)
        ]
        if not tried:
            break
        undone = max(tried, key=lambda each: each.explained_mm(excess_mm))
        explained_mm = undone.explained_mm(excess_mm)
        if explained_mm < EXPLAINS * excess_mm:
            break
        # An action has few performances: of a group each camera's view of one counts.
        by_chance = chance(undone.gains_mm, case.views if undone.group else case.takes)
        if by_chance > BY_CHANCE:
            break
        yield _of_undone(undone, case, obtained, explained_mm, by_chance)
        named += 1
        excess_mm = 0.0 if undone.hypothesis.lossy else excess_mm - undone.gain_mm
        case = undone.case
    is_much = abs(excess_mm) >= EXPLAINS * abs(obtained.excess_mm)
    if is_much and reruns is not None and not is_part:
        yield from left_over(case, reruns, obtained, excess_mm, is_told=bool(found))


def _of_undone(
    undone: Undone, case: Case, obtained: Obtained, explained_mm: float, by_chance: float
) -> Cause:
    only = f" in {undone.group} alone" if undone.group else ""
    better = _share_of_takes(undone)
    return Cause(
        undone.hypothesis.name,
        f"{undone.hypothesis.told(undone.value)}{only}",
        f"without that the error falls from"
        f" {case.error_mm:.2f} to {case.error_mm - undone.gain_mm:.2f} mm, in {better:.0%} of the"
        f" performances (by chance: p = {by_chance:.2g})",
        undone.hypothesis.remedy,
        explained_mm,
        explained_mm / obtained.excess_mm,
        case.joints_mm,
        undone.case.joints_mm,
    )


def _apart_mm(case: Case, recorded_mm: Array) -> float:
    return float(np.abs(case.means_mm - recorded_mm).mean())


def _share_of_takes(undone: Undone) -> float:
    sums = np.bincount(undone.takes, weights=undone.gains_mm)
    return float((sums[np.bincount(undone.takes) > 0] > 0).mean())
