"""A network's error while it is measured: what is shown of it, and whether to go on."""

from __future__ import annotations

import numpy as np

from convnextpose_check.evaluation.measurements import Measurements
from convnextpose_check.evaluation.plan import shuffled
from convnextpose_check.evaluation.sequential import Stopped, at_least_mm, half_width_mm, is_beyond
from convnextpose_check.human36m.geometry import Array


class Watch:
    """Over what is ``measured`` of a variant, which is to come below ``limit_mm`` if any is given.

    What was measured before is told first, so that what was told stays the beginning of what is.
    """

    def __init__(self, variant: str, measured: Measurements, limit_mm: float | None) -> None:
        self.stopped: Stopped | None = None
        self._variant = variant
        self._measured = measured
        self._limit_mm = limit_mm
        order = np.array(shuffled(len(measured.done)))
        earlier = measured.done[order]
        self._order = np.concatenate([order[earlier], order[~earlier]])

    def is_hopeless(self) -> bool:
        """Whether the error of all samples can no longer come below the limit."""
        if self._limit_mm is not None and self.stopped is None:
            errors_mm, samples = self._errors_mm(), len(self._order)
            is_whole = bool(self._measured.done.all())
            if not is_whole and is_beyond(errors_mm, samples, self._limit_mm):
                least_mm = at_least_mm(errors_mm, samples)
                self.stopped = Stopped(
                    self._variant, len(errors_mm), samples, least_mm, self._limit_mm
                )
        return self.stopped is not None

    def note(self) -> str:
        """The mean error so far, with half of its interval; empty where it would say nothing."""
        errors_mm = self._errors_mm()
        half_mm = half_width_mm(errors_mm, len(self._order))
        return "" if half_mm is None else f"{self._variant} {errors_mm.mean():.1f} ±{half_mm:.1f}"

    def _errors_mm(self) -> Array:
        """Those measured so far, in their order; an image that cannot be used has none."""
        measured = self._measured
        used = measured.done.copy()
        used[list(measured.problems)] = False
        errors_mm: Array = measured.errors_mm[self._order[used[self._order]]].mean(axis=1)
        return errors_mm
