"""How far an error could move with other sequences: the bootstrap."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convnextpose_check.human36m.geometry import Array

RESAMPLINGS = 10_000
CONFIDENCE = 0.95
SEED = 0


def performance(sequence: str) -> str:
    """The performance that a sequence shows, such as ``s_09_act_02_subact_01``.

    Up to four cameras film one performance: their frames rise and fall together.
    """
    return sequence.rsplit("_ca_", 1)[0]


def bootstrap_interval_mm(
    errors_mm: Array, groups: Sequence[str]
) -> tuple[tuple[float, float] | None, int]:
    """The 95 % interval of the mean of (N,) errors over resampled groups, and their number.

    Whole groups are drawn with replacement, because neighbouring frames hardly differ: drawn one
    by one they would promise a precision that is not there. None for fewer than two groups.
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
    tail = (1 - CONFIDENCE) / 2
    low_mm, high_mm = np.quantile(means_mm, [tail, 1 - tail])
    return (float(low_mm), float(high_mm)), len(names)
