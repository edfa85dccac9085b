"""Fit a run's positions to those that the verified pipeline predicts again.

The fit has a slope and an offset for each axis (about the heatmap's center), a permutation of
joints, and rounding to whole cells. It may hold for some of the samples only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, JOINTS, MIRRORED

SAME_CELLS = 0.02
"""Positions that differ by less are equal; devices differ by 0.001 cells in float32."""

FIT_ROUNDS = 8


class Fit(NamedTuple):
    """The run's positions as a function of verified ones.

    ``departures`` describe what differs, ``follows`` (N,) marks the samples that it reproduces.
    ``left_share`` is the mean distance after the fit divided by that before it.
    """

    departures: list[str]
    follows: Array
    left_share: float


def compute_distances(run_xyz: Array, other_xyz: Array) -> Array:
    """Returns the mean distance (N,) of annotated joints in positions (N, 18, 3)."""
    distances = np.linalg.norm(run_xyz - other_xyz, axis=2)[:, :ANNOTATED_JOINTS]
    return np.asarray(distances.mean(axis=1))


def fit_positions(run_xyz: Array, bases: dict[str, Array], middle_xyz: Array) -> Fit:
    """Returns the simplest of the best fits; the first of ``bases`` is the suite's."""
    apart = max(float(compute_distances(run_xyz, next(iter(bases.values()))).mean()), 1e-9)
    fits = [
        _fit_lines(base, run_xyz, cells, middle_xyz, sources, apart)
        for base, cells in bases.items()
        for sources in (np.arange(len(JOINTS)), np.array(MIRRORED), _match_joints(run_xyz, cells))
    ]
    enough = max(1.2 * min(fit.left_share for fit in fits), SAME_CELLS / apart, 0.02)
    return min(
        (fit for fit in fits if fit.left_share <= enough),
        key=lambda fit: (len(fit.departures), fit.left_share),
    )


def _fit_lines(
    base: str, run_xyz: Array, cells: Array, middle_xyz: Array, sources: Array, apart: float
) -> Fit:
    """Fit a line to each axis, by the half of the samples with the least residuals."""
    run, verified = run_xyz - middle_xyz, cells[:, sources] - middle_xyz
    slopes, offsets, best = np.ones(3), np.zeros(3), np.arange(len(run))
    for _ in range(FIT_ROUNDS):
        points = zip(verified[best].reshape(-1, 3).T, run[best].reshape(-1, 3).T, strict=True)
        slopes, offsets = np.array([np.polyfit(x, y, 1) for x, y in points]).T
        left = compute_distances(run, verified * slopes + offsets)
        best = np.argsort(left)[: max(3, (len(run) + 1) // 2)]
    slopes, offsets = _simplify_lines(slopes, offsets, run[best], verified[best])
    fitted = verified * slopes + offsets
    rounded = np.round(fitted + middle_xyz) - middle_xyz
    left, left_rounded = compute_distances(run, fitted), compute_distances(run, rounded)
    is_rounded = bool(np.median(left_rounded) < 0.25 * np.median(left))
    left = left_rounded if is_rounded else left
    departures = _describe_departures(base, slopes, offsets, sources, is_rounded)
    return Fit(departures, left < max(SAME_CELLS, 0.05 * apart), float(left.mean()) / apart)


def _simplify_lines(slopes: Array, offsets: Array, run: Array, verified: Array) -> Array:
    """Use slopes of 1 or -1 and offsets of 0 where residuals stay about the same."""
    lines = []
    for x, y, slope, offset in zip(
        np.moveaxis(verified, 2, 0), np.moveaxis(run, 2, 0), slopes, offsets, strict=True
    ):
        enough = 1.1 * np.abs(y - slope * x - offset).mean() + SAME_CELLS / 4
        simpler = [(s, o) for s in (1, -1, slope) for o in (0, np.median(y - s * x))]
        lines.append(next(
            ((s, o) for s, o in simpler if np.abs(y - s * x - o).mean() <= enough), (slope, offset)
        ))  # fmt: skip
    return np.array(lines, dtype=float).T


def _describe_departures(
    base: str, slopes: Array, offsets: Array, sources: Array, is_rounded: bool
) -> list[str]:
    """Describe how the fit differs from the verified positions."""
    moved = {j: s for j, s in enumerate(sources[:ANNOTATED_JOINTS].tolist()) if j != s}
    joints = ", ".join(f"{JOINTS[joint]} is at {JOINTS[source]}" for joint, source in moved.items())
    if tuple(sources) == MIRRORED:
        joints = "left and right joints are exchanged"
    rows: list[tuple[object, str]] = [(base, base)]
    for axis, slope, offset in zip(("x", "y", "depth"), slopes, offsets, strict=True):
        how = "mirrored" if abs(slope + 1) < 0.002 else f"multiplied by {slope:.3f}"
        rows.append((abs(slope - 1) > 0.002, f"{axis} is {how}"))
        rows.append((abs(offset) > 0.01, f"{axis} is shifted by {offset:+.2f} cells"))
    rows += [(joints, joints), (is_rounded, "positions are rounded to whole cells")]
    return [text for applies, text in rows if applies]


def _match_joints(run: Array, verified: Array) -> Array:
    """Returns the verified joint (18,) nearest to each of the run, in centered poses."""
    centered_run = run - np.median(run, axis=1, keepdims=True)
    centered = verified - np.median(verified, axis=1, keepdims=True)
    return match_nearest(np.linalg.norm(centered_run[:, :, None] - centered[:, None], axis=3))


def match_nearest(apart: Array) -> Array:
    """Returns the nearest joint (J,) of each joint, from distances (N, J, J).

    A joint's own index, unless another is less than half as far away in the median over samples.
    """
    median = np.median(apart, axis=0)
    is_other = median.min(axis=1) < 0.5 * np.diag(median)
    return np.where(is_other, median.argmin(axis=1), np.arange(len(median)))
