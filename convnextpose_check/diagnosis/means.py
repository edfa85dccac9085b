"""From errors by sample and joint to one figure: the mean that was meant, and others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from convnextpose_check.human36m.geometry import Array


@dataclass(frozen=True)
class Mean:
    """A way to one figure from (N, J) errors and the actions (N,) of their samples."""

    name: str
    of: Callable[[Array, Array], float]
    done: str


def _of_actions(errors_mm: Array, actions: Array) -> float:
    return float(np.mean([errors_mm[actions == each].mean() for each in np.unique(actions)]))


def _of_joints_but_root(errors_mm: Array, _: Array) -> float:
    return float(errors_mm[:, 1:].mean())


def _in_half(errors_mm: Array, _: Array) -> float:
    with np.errstate(over="ignore"):  # beyond 65,504 half precision is infinite
        total = np.cumsum(errors_mm.ravel(), dtype=np.float16)[-1]
    return float(total) / errors_mm.size


MEANS: tuple[Mean, ...] = (
    Mean("mean-of-actions", _of_actions, "the figure is the mean of the actions, not of samples"),
    Mean("root-left-out", _of_joints_but_root, "the figure leaves out the root joint, whose error"
         " is 0"),
    Mean("median", lambda e, _: float(np.median(e)), "the figure is a median, not the mean"),
    Mean("median-of-samples", lambda e, _: float(np.median(e.mean(axis=1))), "the figure is the"
         " median of the samples' means"),
    Mean("root-mean-square", lambda e, _: float(np.sqrt(np.mean(e**2))), "the figure is the root of"
         " the mean square"),
    Mean("half-precision-sum", _in_half, "errors are summed in half precision"),
)  # fmt: skip
"""Other ways than the mean over samples and joints."""

REMEDY = "Take the mean over all samples and the 17 joints, in double precision"
