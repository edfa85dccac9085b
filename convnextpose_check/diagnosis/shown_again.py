"""What a few samples that were shown to the network again say of the difference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.diagnosis.cause import ALIKE, EXPLAINS, Cause, Obtained
from convnextpose_check.diagnosis.conditions import OWN_NETWORK, Condition
from convnextpose_check.diagnosis.hypotheses import DONE
from convnextpose_check.diagnosis.reruns import Rerun, Reruns
from convnextpose_check.diagnosis.undone import standard_error

SAME_MM = 1.0
"""Positions no farther apart are the run's: other devices and precisions move them less."""

SAME_SHARE = 0.01
"""Of the distance that is to be explained, where that is far."""


@dataclass(frozen=True)
class _Step:
    """One thing that the run may have done otherwise, and what is said of the few samples so."""

    name: str
    done: str
    remedy: str
    case: Case


def done_otherwise(
    case: Case, reruns: Reruns, plain: Case, obtained: Obtained, tolerance_mm: float
) -> Iterator[Cause]:
    """What gives the run's positions again, where the paper's way does not: one thing or two.

    What moves the error by less than the tolerance, and by little of the difference, is no cause.
    """
    few, excess_mm = case.take(reruns.numbers), case.error_mm - obtained.reference_mm
    apart_mm, moved = few.distance_mm(plain), few.means_mm - plain.means_mm
    left = [(few.distance_mm(steps[-1].case), steps) for steps in _ways(reruns, plain)]
    enough_mm = min((1 - ALIKE) * apart_mm, max(SAME_MM, SAME_SHARE * apart_mm))
    again = [each for each in left if each[0] <= enough_mm]
    moved_mm = float(moved.mean())
    if not again or abs(moved_mm) < min(tolerance_mm, (1 - ALIKE) * abs(excess_mm)):
        return
    left_mm, steps = min(again, key=lambda each: (_says_little(each[1]), each[0]))
    if abs(excess_mm - moved_mm) < 3 * standard_error(moved, few.takes):
        moved_mm = excess_mm  # the few samples are no more exact than that
    so = "so" if len(steps) == 1 else "so, and with the other fault that is named,"
    before = plain
    for step in steps:
        after = few if step is steps[-1] else step.case
        own_mm = float(after.means_mm.mean() - before.means_mm.mean())
        own_mm *= moved_mm / float(moved.mean())
        yield Cause(
            step.name,
            step.done,
            f"{len(few.sequences)} samples shown again {so}"
            f" give the run's positions to {left_mm:.3f} mm, shown as the paper has it they are"
            f" {apart_mm:.1f} mm off",
            step.remedy,
            own_mm,
            own_mm / obtained.excess_mm,
            after.joints_mm,
            before.joints_mm,
        )
        before = after


def _ways(reruns: Reruns, plain: Case) -> Iterator[tuple[_Step, ...]]:
    """Each condition, each thing done to positions, one of each, and two conditions."""
    alone: dict[Condition, _Step] = {}
    for other in reruns.others:
        condition = other.condition.of[-1] if other.condition.of else other.condition
        step = _Step(condition.name, condition.done, condition.remedy, other.case)
        if not other.condition.of:
            alone[condition] = step
            yield (step,)
        elif (first := alone.get(other.condition.of[0])) is not None:
            yield (first, step)
    for shown in ((), *((step,) for step in alone.values())):
        case = shown[0].case if shown else plain
        for each in DONE:
            for value in each.values:
                changed = each.change(case, value)
                yield (*shown, _Step(each.name, each.told(value), each.remedy, changed))


def _says_little(steps: tuple[_Step, ...]) -> int:
    """How little a way says; the run's own network always gives its positions again."""
    return len(steps) + 2 * any(step.name == OWN_NETWORK.name for step in steps)


def expected_otherwise(
    case: Case, reruns: Reruns, plain: Case, obtained: Obtained
) -> Iterator[Cause]:
    """A condition under which the network finds people better than under the paper's."""
    few, excess_mm = case.take(reruns.numbers), case.error_mm - obtained.reference_mm
    if excess_mm < 0 or few.distance_mm(plain) > SAME_MM:
        return
    found: list[tuple[float, float, Rerun]] = []
    for other in reruns.others:
        if other.condition.flip is not None or other.condition is OWN_NETWORK:
            continue  # which are no business of the network's
        gains_mm = few.means_mm - other.case.means_mm
        gain_mm, uncertain_mm = float(gains_mm.mean()), standard_error(gains_mm, few.takes)
        if gain_mm < 3 * uncertain_mm or not few.tells(other.case.error_mm):
            continue
        left_mm = abs(excess_mm - gain_mm)
        if left_mm < 3 * uncertain_mm:
            found.append((left_mm, excess_mm, other))  # the few are no more exact than that
        elif left_mm <= (1 - EXPLAINS) * excess_mm:
            found.append((left_mm, excess_mm - left_mm, other))
    if not found:
        return
    _, moved_mm, best = min(found, key=lambda each: each[0])
    yield Cause(
        best.condition.name,
        f"the network expects it otherwise: {best.condition.done}",
        f"so shown, the error of {len(few.sequences)} samples goes from {few.error_mm:.2f} to"
        f" {best.case.error_mm:.2f} mm",
        "Show pictures to this network as it was trained, or find the file that belongs to the"
        " paper",
        moved_mm,
        moved_mm / obtained.excess_mm,
        few.joints_mm,
        best.case.joints_mm,
    )


def left_over(
    case: Case, reruns: Reruns, obtained: Obtained, excess_mm: float, *, is_told: bool
) -> Iterator[Cause]:
    """What is left where nothing explains the error: the weights, or how they were used.

    The weights, if it ``is_told`` what gives the run's positions again, or if the paper's way does.
    """
    if reruns.plain is None:
        return
    few = case.take(reruns.numbers)
    apart_mm = few.distance_mm(reruns.plain)
    uncertain_mm = standard_error(case.means_mm, case.takes)
    if abs(excess_mm) < 4 * uncertain_mm:
        return
    far = f"the reference is {abs(excess_mm) / uncertain_mm:.0f} standard errors away"
    if is_told or apart_mm <= SAME_MM:
        so = "so" if is_told else "as the paper has it"
        cause = (
            "weights",
            "the weights are not the model's",
            f"{len(few.sequences)} samples shown again {so} give the run's positions, nothing else"
            f" that was tried explains the error, and {far}",
            "Hold the file's sha256, epoch and tensors against the published ones, and fetch it"
            " again",
        )
    else:
        cause = (
            OWN_NETWORK.name,
            OWN_NETWORK.done,
            f"{len(few.sequences)} samples shown again as the paper has it are {apart_mm:.1f} mm"
            f" from the run's positions, nothing that was tried gives these again, and {far}",
            OWN_NETWORK.remedy,
        )
    yield Cause(*cause, excess_mm, excess_mm / obtained.excess_mm)
