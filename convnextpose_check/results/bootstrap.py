"""Bootstrap confidence interval of a mean error, resampling whole takes."""

from collections.abc import Sequence

import numpy as np

from convnextpose_check.human36m.geometry import Array


def take_name(sequence: str) -> str:
    """The take of a sequence or frame, such as ``s_09_act_02_subact_01``.

    Up to four cameras film one take, so the errors of their frames are correlated.
    """
    return sequence.rsplit("_ca_", 1)[0]


def bootstrap_interval_mm(
    errors_mm: Array, file_names: Sequence[str]
) -> tuple[tuple[float, float] | None, int]:
    """The 95 % interval of the mean of errors (N,), and the number of takes.

    Whole takes are drawn with replacement, because errors within a take are correlated: drawing
    single frames would overstate the precision. The interval is None for fewer than two takes.
    """
    takes = [take_name(name) for name in file_names]
    names, index = np.unique(np.array(takes), return_inverse=True)
    if len(names) < 2:
        return None, len(names)
    sums_mm = np.bincount(index, weights=errors_mm)
    counts = np.bincount(index)
    draws = np.random.default_rng(0).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=10_000
    )
    means_mm = draws @ sums_mm / (draws @ counts)
    low_mm, high_mm = np.quantile(means_mm, [0.025, 0.975])
    return (float(low_mm), float(high_mm)), len(names)
