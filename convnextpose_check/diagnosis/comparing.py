"""The two links behind positions: the figure of the errors, and the errors of the positions."""

from __future__ import annotations

import numpy as np

from convnextpose_check.diagnosis.alternatives import COMPARISONS, CONVERSIONS, Alternative
from convnextpose_check.diagnosis.finding import EXPLAINS, Finding, graded
from convnextpose_check.diagnosis.locating import minimize, smallest_group
from convnextpose_check.diagnosis.table import SampleTable
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, JOINTS

SAME_MM = 0.006
"""Printed values have two decimals: what differs by less agrees."""

COMPARED, REFINED = 120, 6
"""Samples on which errors are compared, and alternatives whose number is fitted."""


def other_means(errors_mm: Array, table: SampleTable) -> dict[str, float]:
    """Other figures that scripts compute of errors (N, 17), by description."""
    samples_mm = errors_mm.mean(axis=1)
    means = {
        "the median of all errors": np.median(errors_mm),
        "the median over samples": np.median(samples_mm),
        "the root of the mean square": np.sqrt((errors_mm**2).mean()),
        "a mean in centimeters": samples_mm.mean() / 10,
        "a mean in meters": samples_mm.mean() / 1000,
    } | {
        f"the mean without {JOINTS[joint]}": np.delete(errors_mm, joint, axis=1).mean()
        for joint in range(ANNOTATED_JOINTS)
    }
    for axis in ("action", "subject"):
        if groups := table.groups_of(axis):
            means[f"the mean over {axis}s"] = np.mean([samples_mm[g.mask].mean() for g in groups])
    return {text: float(mm) for text, mm in means.items()}


def explain_figure(figure_mm: float, errors_mm: Array, table: SampleTable) -> list[Finding]:
    """Which other mean gives the figure, if it is not the mean of the errors (N, 17)."""
    mean_mm = float(errors_mm.mean())
    if abs(figure_mm - mean_mm) <= SAME_MM:
        return []
    means = other_means(errors_mm, table)
    text = min(means, key=lambda each: abs(means[each] - figure_mm))
    is_same = abs(means[text] - figure_mm) <= SAME_MM
    return [Finding(
        "reproduces" if is_same else "holds", "mean",
        f"the figure is {text}" if is_same else "the figure is not the mean of the run's errors",
        f"the mean of all errors is {mean_mm:.3f} mm"
        + ("" if is_same else ", and nothing that was tried gives the figure"),
        "Report the mean over all samples and all 17 joints", figure_mm - mean_mm,
    )]  # fmt: skip


def explain_errors(table: SampleTable, errors_mm: Array) -> list[Finding]:
    """Which other conversion or comparison gives the run's errors (N, 17) from its positions."""
    differences_mm = np.abs(errors_mm - table.errors_mm)
    if differences_mm.mean() <= SAME_MM:
        return []
    chosen = np.linspace(0, len(table) - 1, min(COMPARED, len(table))).round().astype(int)
    few, few_mm = table.select(chosen), errors_mm[chosen]

    def loss(alternative: Alternative, value: float) -> float:
        return float(np.abs(alternative.errors_mm(few, value) - few_mm).mean())

    def refined(alternative: Alternative, value: float) -> tuple[float, float, Alternative]:
        value = minimize(lambda v: loss(alternative, v), value, alternative)
        return loss(alternative, value), value, alternative

    nearest = sorted(
        (*min((loss(each, value), value) for value in each.values), number, each)
        for number, each in enumerate((*COMPARISONS, *CONVERSIONS))
        if each.used
    )
    left_mm, value, alternative = min(
        (refined(each, value) for _, value, _, each in nearest[:REFINED]), key=lambda each: each[0]
    )
    left = left_mm / max(float(differences_mm[chosen].mean()), SAME_MM)
    effect_mm = float(errors_mm.mean()) - table.error_mm
    if left <= 1 - EXPLAINS:
        grade, explained_mm = graded(left, effect_mm)
        return [Finding(
            grade, "comparison", alternative.what.format(f"{value:.3g}"),
            f"so the positions give the run's errors to {left_mm:.3f} mm, otherwise to"
            f" {differences_mm.mean():.2f} mm", alternative.remedy, explained_mm,
        )]  # fmt: skip
    return [Finding(
        "holds", "comparison", "the fault lies behind the positions",
        f"the run's errors differ from those of its positions by {differences_mm.mean():.2f} mm,"
        " and nothing that was tried gives them",
        "Compare conversion, alignment and ground truth with this suite's, for one sample",
        effect_mm, smallest_group(table, differences_mm.mean(axis=1)).place,
    )]  # fmt: skip
