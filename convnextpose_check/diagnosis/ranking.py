"""From a case to its causes, those that explain most of the difference first.

The difference from the reference has three parts, which are looked at apart: what the figure is
more than the mean of the run's errors, what these errors are more than those of its positions, and
what those are more than the reference. Only the last needs statistics: in the first two a cause
gives the run's own numbers again, or it is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.diagnosis.cause import ALIKE, ROUNDING_MM, Cause, Obtained
from convnextpose_check.diagnosis.conditions import OWN_NETWORK
from convnextpose_check.diagnosis.hypotheses import COMPARISONS, DONE, HYPOTHESES, Hypothesis, Value
from convnextpose_check.diagnosis.means import causes_of_mean
from convnextpose_check.diagnosis.reruns import Rerun, Reruns
from convnextpose_check.diagnosis.undone import Undone, chance, standard_error, undo
from convnextpose_check.evaluation.verdict import TOLERANCES_MM
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS

EXPLAINS = 0.5
"""The part of the excess that a cause among several explains, or it is not named."""

BY_CHANCE = 0.01
"""A gain that random signs reach more often is none."""

SAME_MM = 1.0
"""Positions no farther apart are the run's: other devices and precisions move them less."""

MOST = 3
"""Causes to look for in one part."""


def causes_of(
    case: Case,
    obtained: Obtained,
    reruns: Reruns | None = None,
    tolerance_mm: float = min(TOLERANCES_MM),
    known: Iterable[Cause] = (),
) -> tuple[Cause, ...]:
    """The causes of the difference, none if it is less than the tolerance.

    Those that are ``known`` before anything is tried have their place among them.
    """
    if not abs(obtained.excess_mm) >= tolerance_mm:
        return ()
    parts = (
        *known,
        *causes_of_mean(case.actions, obtained),
        *_of_comparison(case, obtained),
        *_of_positions(case, obtained, reruns, tolerance_mm),
    )
    return tuple(sorted(parts, key=lambda cause: -abs(cause.moved_mm)))


def _of_comparison(case: Case, obtained: Obtained) -> Iterator[Cause]:
    """Why the errors are not those of the positions, compared as the paper does."""
    recorded_mm = obtained.errors_mm.mean(axis=1)
    for _ in range(MOST):
        apart_mm = np.abs(recorded_mm - case.means_mm).mean()
        if apart_mm <= ROUNDING_MM:
            return
        tried = [(each, *_likest(each, case, recorded_mm)) for each in (*COMPARISONS, *DONE)]
        done, changed, value = min(tried, key=lambda each: _apart_mm(each[1], recorded_mm))
        left_mm = _apart_mm(changed, recorded_mm)
        if left_mm > (1 - ALIKE) * apart_mm:
            return
        moved_mm = changed.error_mm - case.error_mm
        yield Cause(
            done.name,
            done.told(value),
            f"so done, each sample's error is the run's to {left_mm:.4f} mm on"
            f" average, else it is {apart_mm:.4f} mm off",
            done.remedy,
            moved_mm,
            moved_mm / obtained.excess_mm,
            _joints_mm(changed),
            _joints_mm(case),
        )
        case = changed


def _of_positions(
    case: Case, obtained: Obtained, reruns: Reruns | None, tolerance_mm: float
) -> Iterator[Cause]:
    """Why the positions are farther from the truth than the reference, or nearer."""
    excess_mm = case.error_mm - obtained.reference_mm
    if abs(excess_mm) < tolerance_mm:
        return
    whole_mm, named = obtained.excess_mm, 0
    plain = reruns.plain if reruns is not None else None
    if reruns is not None and plain is not None:
        found = _done_otherwise(case, reruns, plain, excess_mm, whole_mm)
        if found is None:
            found = _expected_otherwise(case, reruns, plain, excess_mm, obtained)
        if found is not None:
            yield found
            named, excess_mm = 1, excess_mm - found.moved_mm
    for _ in range(MOST - named):
        if excess_mm < tolerance_mm:
            break
        tried = [
            undone
            for each in HYPOTHESES
            for undone in undo(each, case)
            if _says_something(case.error_mm - undone.gain_mm, obtained.reference_mm, case)
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
    if not named and reruns is not None and plain is not None:
        yield from _of_elimination(case, reruns, plain, excess_mm, whole_mm)


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
        _joints_mm(case),
        _joints_mm(undone.case),
    )


def _done_otherwise(
    case: Case, reruns: Reruns, plain: Case, excess_mm: float, whole_mm: float
) -> Cause | None:
    """A condition under which the run's positions come out again, where the paper's does not."""
    few = case.take(reruns.numbers)
    apart_mm = few.distance_mm(plain)
    moved = few.means_mm - plain.means_mm
    left = [(few.distance_mm(each.case), each) for each in reruns.others]
    again = [each for each in left if each[0] <= (1 - ALIKE) * apart_mm]
    if not again or moved.mean() / excess_mm < 1 - ALIKE:
        return None
    # The run's own network always gives them again: it says the least.
    left_mm, best = min(again, key=lambda each: (each[1].condition is OWN_NETWORK, each[0]))
    share = min(1.0, max(float(moved.mean()) / excess_mm, 0.0))
    if abs(excess_mm - moved.mean()) < 3 * standard_error(moved, few.takes):
        share = 1.0  # the few samples are no more exact than that
    return Cause(
        best.condition.name,
        best.condition.done,
        f"{len(few.sequences)} samples shown again so give the run's"
        f" positions to {left_mm:.3f} mm, shown as the paper has it they are {apart_mm:.1f} mm off",
        best.condition.remedy,
        share * excess_mm,
        share * excess_mm / whole_mm,
        _joints_mm(few),
        _joints_mm(plain),
    )


def _expected_otherwise(
    case: Case, reruns: Reruns, plain: Case, excess_mm: float, obtained: Obtained
) -> Cause | None:
    """A condition under which the network comes nearer to the reference than under the paper's."""
    few = case.take(reruns.numbers)
    if few.distance_mm(plain) > SAME_MM:
        return None
    found: list[tuple[float, float, Rerun]] = []
    for other in reruns.others:
        gains_mm = few.means_mm - other.case.means_mm
        gain_mm, uncertain_mm = float(gains_mm.mean()), standard_error(gains_mm, few.takes)
        if abs(gain_mm) < 3 * uncertain_mm:
            continue
        if not _says_something(other.case.error_mm, obtained.reference_mm, few):
            continue
        left_mm = abs(excess_mm - gain_mm)
        if left_mm < 3 * uncertain_mm:
            found.append((left_mm, excess_mm, other))  # the few are no more exact than that
        elif left_mm <= (1 - EXPLAINS) * abs(excess_mm):
            found.append((left_mm, float(np.copysign(abs(excess_mm) - left_mm, excess_mm)), other))
    if not found:
        return None
    _, moved_mm, best = min(found, key=lambda each: each[0])
    return Cause(
        best.condition.name,
        f"the network expects it otherwise: {best.condition.done}",
        f"so shown, the error of {len(few.sequences)} samples goes from {few.error_mm:.2f} to"
        f" {best.case.error_mm:.2f} mm",
        "Show pictures to this network as it was trained, or find the file that belongs to the"
        " paper",
        moved_mm,
        moved_mm / obtained.excess_mm,
        _joints_mm(few),
        _joints_mm(best.case),
    )


def _of_elimination(
    case: Case, reruns: Reruns, plain: Case, excess_mm: float, whole_mm: float
) -> Iterator[Cause]:
    """The weights, where all else gives the run's numbers again and nothing explains them."""
    few = case.take(reruns.numbers)
    apart_mm = few.distance_mm(plain)
    uncertain_mm = standard_error(case.means_mm, case.takes)
    if abs(excess_mm) < 4 * uncertain_mm or apart_mm > SAME_MM:
        return
    yield Cause(
        "weights",
        "the weights are not the model's",
        f"shown again, {len(few.sequences)} samples give the run's"
        f" positions to {apart_mm:.3f} mm, and nothing else that was tried brings the error to the"
        f" reference, {abs(excess_mm) / uncertain_mm:.0f} standard errors away",
        "Hold the file's sha256, epoch and tensors against the published ones, and fetch it again",
        excess_mm,
        excess_mm / whole_mm,
    )


def _likest(hypothesis: Hypothesis, case: Case, recorded_mm: Array) -> tuple[Case, Value]:
    """The case as the hypothesis has it, with the value that gives the run's errors best."""
    changed = [(hypothesis.change(case, value), value) for value in hypothesis.values]
    return min(changed, key=lambda each: _apart_mm(each[0], recorded_mm))


def _apart_mm(case: Case, recorded_mm: Array) -> float:
    return float(np.abs(case.means_mm - recorded_mm).mean())


def _share_of_takes(undone: Undone) -> float:
    sums = np.bincount(undone.takes, weights=undone.gains_mm)
    return float((sums[np.bincount(undone.takes) > 0] > 0).mean())


def _says_something(error_mm: float, reference_mm: float, case: Case) -> bool:
    """Whether an error tells of what was seen, if the reference does.

    What shrinks every position towards the middle takes much of a large error away, and explains
    nothing.
    """
    return error_mm < case.guess_mm or reference_mm >= case.guess_mm


def _joints_mm(case: Case) -> Array:
    joints_mm: Array = case.errors_mm[:, :ANNOTATED_JOINTS].mean(axis=0)
    return joints_mm
