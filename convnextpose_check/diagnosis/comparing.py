"""The two links behind positions: the figure of the errors, and the errors of the positions."""

from __future__ import annotations

from functools import partial

import numpy as np

from convnextpose_check.diagnosis.alternatives import COMPARISONS, CONVERSIONS, Alternative
from convnextpose_check.diagnosis.finding import EXPLAINS, REPRODUCES, Finding
from convnextpose_check.diagnosis.locating import minimize
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

    def by_group(axis: str) -> float:
        means = [samples_mm[group.mask].mean() for group in table.groups_of(axis)]
        return float(np.mean(means)) if means else float("nan")

    with np.errstate(over="ignore"):
        in_half = float(np.cumsum(errors_mm, dtype=np.float16)[-1]) / errors_mm.size
    return {
        "the median of all errors": float(np.median(errors_mm)),
        "the median over samples": float(np.median(samples_mm)),
        "the mean of the joints' medians": float(np.median(errors_mm, axis=0).mean()),
        "the root of the mean square": float(np.sqrt((errors_mm**2).mean())),
        "the mean over actions": by_group("action"),
        "the mean over subjects": by_group("subject"),
        "a sum in half precision": in_half,
        "a mean in centimeters": float(samples_mm.mean()) / 10,
        "a mean in meters": float(samples_mm.mean()) / 1000,
    } | {
        f"the mean without {JOINTS[joint]}": float(np.delete(errors_mm, joint, axis=1).mean())
        for joint in range(ANNOTATED_JOINTS)
    }


def explain_figure(figure_mm: float, errors_mm: Array, table: SampleTable) -> list[Finding]:
    """Which other mean gives the figure, if it is not the mean of the errors (N, 17)."""
    mean_mm = float(errors_mm.mean())
    effect_mm = figure_mm - mean_mm
    if abs(effect_mm) <= SAME_MM:
        return []
    means = {t: mm for t, mm in other_means(errors_mm, table).items() if np.isfinite(mm)}
    text = min(means, key=lambda each: abs(means[each] - figure_mm))
    is_same = abs(means[text] - figure_mm) <= SAME_MM
    return [Finding(
        "reproduces" if is_same else "holds", "mean", text if is_same else "other mean",
        f"the figure is {text}" if is_same else "the figure is not the mean of the run's errors",
        f"the mean of all errors is {mean_mm:.3f} mm"
        + ("" if is_same else ", and nothing that was tried gives the figure"),
        "Report the mean over all samples and all 17 joints", effect_mm,
    )]  # fmt: skip


def explain_errors(table: SampleTable, errors_mm: Array) -> list[Finding]:
    """Which other conversion or comparison gives the run's errors (N, 17) from its positions."""
    differences_mm = np.abs(errors_mm - table.errors_mm)
    if differences_mm.mean() <= SAME_MM:
        return []
    chosen = np.linspace(0, len(table) - 1, min(COMPARED, len(table))).round().astype(int)
    few, few_mm = table.select(chosen), errors_mm[chosen]
    candidates = [each for each in (*COMPARISONS, *CONVERSIONS) if each.used]
    coarse = [_nearest(few, few_mm, each) for each in candidates]
    nearest = sorted(coarse, key=lambda each: each[0])[:REFINED]
    left_mm, value, alternative = min(
        (_refine(few, few_mm, *each[1:]) for each in nearest), key=lambda each: each[0]
    )
    left = left_mm / max(float(differences_mm[chosen].mean()), SAME_MM)
    effect_mm = float(errors_mm.mean()) - table.error_mm
    if left <= 1 - EXPLAINS:
        return [Finding(
            "reproduces" if left <= REPRODUCES else "explains", "comparison", alternative.name,
            alternative.used.format(f"{value:.3g}"),
            f"so the positions give the run's errors to {left_mm:.3f} mm, otherwise to"
            f" {differences_mm.mean():.2f} mm",
            alternative.remedy, effect_mm if left <= REPRODUCES else effect_mm * (1 - left),
        )]  # fmt: skip
    return [Finding(
        "holds", "comparison", "comparison", "the fault lies behind the positions",
        f"the run's errors differ from those of its positions by {differences_mm.mean():.2f} mm,"
        " and nothing that was tried gives them",
        "Compare conversion, alignment and ground truth with this suite's, for one sample",
        effect_mm, smallest_group(table, differences_mm.mean(axis=1)),
    )]  # fmt: skip


def _loss(table: SampleTable, errors_mm: Array, alternative: Alternative, value: float) -> float:
    return float(np.abs(alternative.errors_mm(table, value) - errors_mm).mean())


def _nearest(
    table: SampleTable, errors_mm: Array, alternative: Alternative
) -> tuple[float, float, Alternative]:
    """The least mean difference from the errors over the given values, and its value."""
    losses = [(_loss(table, errors_mm, alternative, v), v) for v in alternative.values]
    return (*min(losses), alternative)


def _refine(
    table: SampleTable, errors_mm: Array, value: float, alternative: Alternative
) -> tuple[float, float, Alternative]:
    """The same with the value fitted."""
    loss = partial(_loss, table, errors_mm, alternative)
    if alternative.is_continuous and len(alternative.values) > 1:
        value = minimize(loss, value, alternative.values)
    return loss(value), value, alternative


def smallest_group(table: SampleTable, values: Array) -> str:
    """The place of the smallest group with nine tenths of the sum of (N,) values; empty for all."""
    least = 0.9 * values.sum()
    holding = [group for group in table.groups if values[group.mask].sum() >= least]
    smallest = min(holding, key=lambda group: int(group.mask.sum()))
    return smallest.place
