"""Fit a run's positions to those that the verified pipeline predicts again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, JOINTS, MIRRORED

SAME_CELLS = 0.02
"""Positions that differ by less are equal; devices differ by 0.001 cells in float32."""

FIT_ROUNDS = 8


class Fit(NamedTuple):
    """Differences from verified positions, and a mask (N,) of the samples that they reproduce.

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
    fits = []
    for base, cells in bases.items():
        centered = (xyz - np.median(xyz, axis=1, keepdims=True) for xyz in (run_xyz, cells))
        orders = np.arange(len(JOINTS)), np.array(MIRRORED), match_joints(*centered)
        fits += [_fit_joints(base, run_xyz, cells, middle_xyz, each, apart) for each in orders]
    enough = max(1.2 * min(fit.left_share for fit in fits), SAME_CELLS / apart, 0.02)
    return min(
        (fit for fit in fits if fit.left_share <= enough),
        key=lambda fit: (len(fit.departures), fit.left_share),
    )


def fit_lines(x: Array, y: Array) -> tuple[Array, Array, Array]:
    """Fit a line to each of K values of joints (N, J, K), by the better half of the samples.

    Returns slopes (K,), offsets (K,) and the indices of the samples that fit best.
    """
    slopes, offsets, best = np.ones(x.shape[2]), np.zeros(x.shape[2]), np.arange(len(x))
    for _ in range(FIT_ROUNDS):
        points = zip(np.moveaxis(x[best], 2, 0), np.moveaxis(y[best], 2, 0), strict=True)
        lines = [np.polyfit(one.ravel(), other.ravel(), 1) for one, other in points]
        slopes, offsets = np.array(lines).T
        left = compute_distances(y, x * slopes + offsets)
        best = np.argsort(left)[: max(3, (len(x) + 1) // 2)]
    return slopes, offsets, best


def _fit_joints(
    base: str, run_xyz: Array, cells: Array, middle_xyz: Array, sources: Array, apart: float
) -> Fit:
    """Fit a line to each axis, by the half of the samples with the least residuals."""
    run, verified = run_xyz - middle_xyz, cells[:, sources] - middle_xyz
    slopes, offsets, best = fit_lines(verified, run)
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


def match_joints(poses: Array, others: Array) -> Array:
    """Returns for each joint of ``poses`` (N, J, 3) the nearest joint (J,) of ``others``.

    A joint's own index, unless another is less than half as far away in the median over samples.
    """
    median = np.median(np.linalg.norm(poses[:, :, None] - others[:, None], axis=3), axis=0)
    is_other = median.min(axis=1) < 0.5 * np.diag(median)
    return np.where(is_other, median.argmin(axis=1), np.arange(len(median)))
