"""Bootstrap intervals of mean errors and of their differences, over whole performances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np

from convnextpose_check.human36m.geometry import Array

RESAMPLINGS = 10_000
CONFIDENCE = 0.95
SEED = 0


def performance(sequence: str) -> str:
    """The performance of a sequence, such as ``s_09_act_02_subact_01``.

    Up to four cameras film one performance, so the errors of their frames are correlated.
    """
    return sequence.rsplit("_ca_", 1)[0]


def bootstrap_interval_mm(
    errors_mm: Array, groups: Sequence[str]
) -> tuple[tuple[float, float] | None, int]:
    """The 95 % interval of the mean of (N,) errors, and the number of groups.

    Whole groups are drawn with replacement: neighboring frames hardly differ, so drawing single
    frames would overstate the precision. None for fewer than two groups.
    """
    names, index = np.unique(np.array(groups), return_inverse=True)
    if len(names) < 2:
        return None, len(names)
    sums_mm = np.bincount(index, weights=errors_mm)
    counts = np.bincount(index)
    drawn = np.random.default_rng(SEED).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=RESAMPLINGS
    )
    means_mm = drawn @ sums_mm / (drawn @ counts)
    tail = _tail(len(names))
    low_mm, high_mm = np.quantile(means_mm, [tail, 1 - tail])
    return (float(low_mm), float(high_mm)), len(names)


def paired_interval_mm(
    errors_mm: Mapping[str, float], others_mm: Mapping[str, float]
) -> tuple[float, float] | None:
    """The 95 % interval of one mean error minus another, over the images in both.

    Errors are given by file name. Differences are taken image by image, so that the interval is
    far narrower than those of the two errors. None for fewer than two common performances.
    """
    names = [name for name in errors_mm if name in others_mm]
    differences_mm = np.array([errors_mm[name] - others_mm[name] for name in names])
    return bootstrap_interval_mm(differences_mm, [performance(name) for name in names])[0]


def _tail(groups: int) -> float:
    """The fraction of the resampled means to leave out on either side.

    The plain percentiles are too narrow for few groups: their spread lacks the factor
    sqrt(n / (n - 1)), and the normal law stands for Student's. Both are given back (T. Hesterberg,
    "What Teachers Should Know About the Bootstrap", The American Statistician 69, 2015, section
    5.3). Student's quantile is the normal one with the first term of its expansion.
    """
    normal = NormalDist()
    z, freedom = -normal.inv_cdf((1 - CONFIDENCE) / 2), groups - 1
    student = z + (z**3 + z) / (4 * freedom)
    return normal.cdf(-student * (groups / freedom) ** 0.5)
