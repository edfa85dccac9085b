"""Fit the positions of a run on those that the verified pipeline predicts for the same images.

One line per axis, for any slope and offset, about the middle of the heatmap; the source joint of
each joint; rounding to whole cells; and the samples that follow this fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, JOINTS, MIRRORED

SAME_CELLS = 0.02
"""Positions that differ by less agree; float32 on other devices differs by 0.001 cells."""

ROUNDS = 8
TINY = 1e-9
AXES = ("x", "y", "depth")


@dataclass(frozen=True)
class Fit:
    """The run's positions as a function of verified ones.

    ``slopes`` and ``offsets`` (3,) are about the middle of the heatmap, ``sources`` (18,) the
    source joint of each joint. ``follows`` (N,) marks the samples that the fit reproduces,
    ``left_share`` is what is left of the mean distance over all samples.
    """

    base: str
    slopes: Array
    offsets: Array
    sources: Array
    is_rounded: bool
    follows: Array
    left_share: float

    @property
    def departures(self) -> list[str]:
        """The departures from the verified positions in words."""
        parts = [self.base] if self.base else []
        for axis, slope, offset in zip(AXES, self.slopes, self.offsets, strict=True):
            if abs(slope - 1) > 0.002:
                how = "mirrored" if abs(slope + 1) < 0.002 else f"multiplied by {slope:.3f}"
                parts.append(f"{axis} is {how}")
            if abs(offset) > 0.01:
                parts.append(f"{axis} is shifted by {offset:+.2f} cells")
        if (self.sources == np.array(MIRRORED)).all():
            parts.append("left and right joints are exchanged")
        else:
            sources = enumerate(self.sources[:ANNOTATED_JOINTS].tolist())
            others = [f"{JOINTS[joint]} is at {JOINTS[s]}" for joint, s in sources if joint != s]
            parts += [", ".join(others)] if others else []
        return [*parts, "positions are rounded to whole cells"] if self.is_rounded else parts


def distance_cells(run_xyz: Array, other_xyz: Array) -> Array:
    """The mean distance (N,) of the annotated joints of (N, 18, 3) positions."""
    distances = np.linalg.norm(run_xyz - other_xyz, axis=2)[:, :ANNOTATED_JOINTS]
    means: Array = distances.mean(axis=1)
    return means


def fit_positions(run_xyz: Array, bases: dict[str, Array], grid_whd: tuple[int, int, int]) -> Fit:
    """The simplest fit among those that leave least; ``bases`` has the verified one first."""
    middle = (np.array(grid_whd) - (1, 1, 0)) / 2
    run = run_xyz - middle
    verified = next(iter(bases.values())) - middle
    apart = max(float(distance_cells(run, verified).mean()), TINY)
    fits = [
        _fit(base, run, cells - middle, middle, start, apart)
        for base, cells in bases.items()
        for start in (np.arange(len(JOINTS)), np.array(MIRRORED), None)
    ]
    enough = max(1.2 * min(fit.left_share for fit in fits), SAME_CELLS / apart, 0.02)
    return min(
        (fit for fit in fits if fit.left_share <= enough),
        key=lambda fit: (len(fit.departures), fit.left_share),
    )


def _fit(
    base: str, run: Array, verified: Array, middle: Array, start: Array | None, apart: float
) -> Fit:
    """Alternate between lines, fitted on the half of samples that they fit best, and sources."""
    sources = _nearest(run, verified) if start is None else start
    slopes, offsets = np.ones(3), np.zeros(3)
    kept = np.arange(len(run))
    for _ in range(ROUNDS):
        slopes, offsets = _lines(run[kept], verified[kept][:, sources])
        left = distance_cells(run, verified[:, sources] * slopes + offsets)
        kept = np.argsort(left)[: max(3, (len(run) + 1) // 2)]
    slopes, offsets = _simplified(slopes, offsets, run[kept], verified[kept][:, sources])
    fitted = verified[:, sources] * slopes + offsets
    rounded = np.round(fitted + middle) - middle
    left, left_rounded = distance_cells(run, fitted), distance_cells(run, rounded)
    is_rounded = bool(np.median(left_rounded) < 0.25 * np.median(left))
    left = left_rounded if is_rounded else left
    follows = left < max(SAME_CELLS, 0.05 * apart)
    return Fit(base, slopes, offsets, sources, is_rounded, follows, float(left.mean()) / apart)


def _lines(run: Array, verified: Array) -> tuple[Array, Array]:
    """Slopes and offsets (3,) by least squares over samples and joints."""
    x, y = verified.reshape(-1, 3), run.reshape(-1, 3)
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    slopes = ((x - x_mean) * (y - y_mean)).sum(0) / np.maximum(((x - x_mean) ** 2).sum(0), TINY)
    return slopes, y_mean - slopes * x_mean


def _simplified(slopes: Array, offsets: Array, run: Array, verified: Array) -> tuple[Array, Array]:
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
    slopes, offsets = np.array(lines, dtype=float).T
    return slopes, offsets


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
    sources: Array = np.where(is_other, median.argmin(axis=1), np.arange(len(median)))
    return sources
