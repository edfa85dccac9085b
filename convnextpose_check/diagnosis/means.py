"""From errors by sample and joint to one figure: which other mean than the one meant gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from convnextpose_check.diagnosis.cause import ALIKE, ROUNDING_MM, Cause, Obtained
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


def causes_of_mean(actions: Sequence[str], obtained: Obtained) -> Iterator[Cause]:
    """Why the figure is not the mean of the errors, whose samples show these actions."""
    errors_mm = obtained.errors_mm
    mean_mm = float(errors_mm.mean())
    apart_mm = obtained.error_mm - mean_mm
    if abs(apart_mm) <= ROUNDING_MM:
        return
    found = {mean: mean.of(errors_mm, np.array(actions)) for mean in MEANS}
    mean = min(found, key=lambda each: abs(found[each] - obtained.error_mm))
    if abs(found[mean] - obtained.error_mm) > (1 - ALIKE) * abs(apart_mm):
        return
    yield Cause(
        mean.name,
        mean.done,
        f"that gives {found[mean]:.4f} mm, as the run says, where the mean of its own"
        f" errors is {mean_mm:.4f} mm",
        REMEDY,
        apart_mm,
        apart_mm / obtained.excess_mm,
    )
