"""Fit the positions of a run on those that the verified pipeline predicts for the same images.

One line per axis, for any slope and offset, about the middle of the heatmap; the source joint of
each joint; rounding to whole cells; and the samples that follow this fit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, JOINTS, MIRRORED

SAME_CELLS = 0.02
"""Positions that differ by less agree; float32 on other devices differs by 0.001 cells."""

ROUNDS = 8


class Fit(NamedTuple):
    """The run's positions as a function of verified ones.

    ``departures`` describe it, ``follows`` (N,) marks the samples that it reproduces,
    ``left_share`` is what is left of the mean distance over all samples.
    """

    departures: list[str]
    follows: Array
    left_share: float


def distance_cells(run_xyz: Array, other_xyz: Array) -> Array:
    """The mean distance (N,) of the annotated joints of (N, 18, 3) positions."""
    distances = np.linalg.norm(run_xyz - other_xyz, axis=2)[:, :ANNOTATED_JOINTS]
    return np.asarray(distances.mean(axis=1))


def fit_positions(run_xyz: Array, bases: dict[str, Array], middle_xyz: Array) -> Fit:
    """The simplest fit among those that leave least; ``bases`` has the verified one first."""
    apart = max(float(distance_cells(run_xyz, next(iter(bases.values()))).mean()), 1e-9)
    fits = [
        _fit(base, run_xyz, cells, middle_xyz, sources, apart)
        for base, cells in bases.items()
        for sources in (np.arange(len(JOINTS)), np.array(MIRRORED), _nearest(run_xyz, cells))
    ]
    enough = max(1.2 * min(fit.left_share for fit in fits), SAME_CELLS / apart, 0.02)
    return min(
        (fit for fit in fits if fit.left_share <= enough),
        key=lambda fit: (len(fit.departures), fit.left_share),
    )


def _fit(
    base: str, run_xyz: Array, cells: Array, middle_xyz: Array, sources: Array, apart: float
) -> Fit:
    """Lines through the half of the samples that they fit best."""
    run, verified = run_xyz - middle_xyz, cells[:, sources] - middle_xyz
    slopes, offsets, kept = np.ones(3), np.zeros(3), np.arange(len(run))
    for _ in range(ROUNDS):
        points = zip(verified[kept].reshape(-1, 3).T, run[kept].reshape(-1, 3).T, strict=True)
        slopes, offsets = np.array([np.polyfit(x, y, 1) for x, y in points]).T
        left = distance_cells(run, verified * slopes + offsets)
        kept = np.argsort(left)[: max(3, (len(run) + 1) // 2)]
    slopes, offsets = _simplified(slopes, offsets, run[kept], verified[kept])
    fitted = verified * slopes + offsets
    rounded = np.round(fitted + middle_xyz) - middle_xyz
    left, left_rounded = distance_cells(run, fitted), distance_cells(run, rounded)
    is_rounded = bool(np.median(left_rounded) < 0.25 * np.median(left))
    left = left_rounded if is_rounded else left
    departures = _departures(base, slopes, offsets, sources, is_rounded)
    return Fit(departures, left < max(SAME_CELLS, 0.05 * apart), float(left.mean()) / apart)


def _simplified(slopes: Array, offsets: Array, run: Array, verified: Array) -> Array:
    """Slopes of 1 and offsets of 0 where they leave as little."""
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


def _departures(
    base: str, slopes: Array, offsets: Array, sources: Array, is_rounded: bool
) -> list[str]:
    """The departures from the verified positions in words."""
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
    return [text for is_so, text in rows if is_so]


def _nearest(run: Array, verified: Array) -> Array:
    """The source (18,) of each joint, by its place in the middle of its pose."""
    centered_run = run - np.median(run, axis=1, keepdims=True)
    centered = verified - np.median(verified, axis=1, keepdims=True)
    return nearest_sources(np.linalg.norm(centered_run[:, :, None] - centered[:, None], axis=3))


def nearest_sources(apart: Array) -> Array:
    """The source (J,) of each joint from distances (N, J, J) to every candidate.

    Another joint if that one is less than half as far away, in the median over samples.
    """
    median = np.median(apart, axis=0)
    is_other = median.min(axis=1) < 0.5 * np.diag(median)
    return np.where(is_other, median.argmin(axis=1), np.arange(len(median)))
