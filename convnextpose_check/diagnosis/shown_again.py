"""What a few samples that were shown to the network again say of the difference."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.diagnosis.cause import ALIKE, EXPLAINS, Cause, Obtained
from convnextpose_check.diagnosis.conditions import OWN_NETWORK
from convnextpose_check.diagnosis.reruns import Rerun, Reruns
from convnextpose_check.diagnosis.undone import standard_error

SAME_MM = 1.0
"""Positions no farther apart are the run's: other devices and precisions move them less."""


def done_otherwise(
    case: Case, reruns: Reruns, plain: Case, obtained: Obtained, tolerance_mm: float
) -> Iterator[Cause]:
    """The conditions under which the run's positions come out again, where the paper's do not.

    What moves the error by less than the tolerance, and by little of the difference, is no cause.
    """
    few, excess_mm = case.take(reruns.numbers), case.error_mm - obtained.reference_mm
    apart_mm, moved = few.distance_mm(plain), few.means_mm - plain.means_mm
    left = [(few.distance_mm(each.case), each) for each in reruns.others]
    again = [each for each in left if each[0] <= (1 - ALIKE) * apart_mm]
    moved_mm = float(moved.mean())
    if not again or abs(moved_mm) < min(tolerance_mm, (1 - ALIKE) * abs(excess_mm)):
        return
    # The run's own network always gives them again: it says the least.
    left_mm, best = min(again, key=lambda each: (each[1].condition is OWN_NETWORK, each[0]))
    if abs(excess_mm - moved_mm) < 3 * standard_error(moved, few.takes):
        moved_mm = excess_mm  # the few samples are no more exact than that
    conditions = best.condition.of or (best.condition,)
    alone = [each.case for each in reruns.others if each.condition is conditions[0]][:1]
    steps = [plain, *alone[: len(conditions) - 1], few]
    so = "so" if len(conditions) == 1 else "so, and with the other fault that is named,"
    for condition, (before, after) in zip(conditions, pairwise(steps), strict=False):
        own_mm = float(after.means_mm.mean() - before.means_mm.mean())
        own_mm *= moved_mm / float(moved.mean())
        yield Cause(
            condition.name,
            condition.done,
            f"{len(few.sequences)} samples shown again {so}"
            f" give the run's positions to {left_mm:.3f} mm, shown as the paper has it they are"
            f" {apart_mm:.1f} mm off",
            condition.remedy,
            own_mm,
            own_mm / obtained.excess_mm,
            after.joints_mm,
            before.joints_mm,
        )


def expected_otherwise(
    case: Case, reruns: Reruns, plain: Case, obtained: Obtained
) -> Iterator[Cause]:
    """A condition under which the network comes nearer to the reference than under the paper's."""
    few, excess_mm = case.take(reruns.numbers), case.error_mm - obtained.reference_mm
    if few.distance_mm(plain) > SAME_MM:
        return
    found: list[tuple[float, float, Rerun]] = []
    for other in reruns.others:
        gains_mm = few.means_mm - other.case.means_mm
        gain_mm, uncertain_mm = float(gains_mm.mean()), standard_error(gains_mm, few.takes)
        if abs(gain_mm) < 3 * uncertain_mm:
            continue
        if not few.tells(other.case.error_mm, obtained.reference_mm):
            continue
        left_mm = abs(excess_mm - gain_mm)
        if left_mm < 3 * uncertain_mm:
            found.append((left_mm, excess_mm, other))  # the few are no more exact than that
        elif left_mm <= (1 - EXPLAINS) * abs(excess_mm):
            found.append((left_mm, float(np.copysign(abs(excess_mm) - left_mm, excess_mm)), other))
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
    """The weights, where the run's positions are known and nothing explains what is left.

    They are if ``is_told``, or where the paper's way gives them again.
    """
    if reruns.plain is None:
        return
    few = case.take(reruns.numbers)
    apart_mm = few.distance_mm(reruns.plain)
    uncertain_mm = standard_error(case.means_mm, case.takes)
    if abs(excess_mm) < 4 * uncertain_mm or (apart_mm > SAME_MM and not is_told):
        return
    so = "so" if is_told else "as the paper has it"
    yield Cause(
        "weights",
        "the weights are not the model's",
        f"{len(few.sequences)} samples shown again {so} give the run's positions, and nothing else"
        f" that was tried brings the error to the reference,"
        f" {abs(excess_mm) / uncertain_mm:.0f} standard errors away",
        "Hold the file's sha256, epoch and tensors against the published ones, and fetch it again",
        excess_mm,
        excess_mm / obtained.excess_mm,
    )
