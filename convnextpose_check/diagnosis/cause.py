"""What a diagnosis is given of a run's errors, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass

from convnextpose_check.human36m.geometry import Array

ROUNDING_MM = 0.006
"""Printed figures have two decimals: what is less apart is the same."""

ALIKE = 0.9
"""The part of a discrepancy that a cause gives again, where chance has no place."""


EXPLAINS = 0.5
"""The part of the excess that a cause among several explains, or it is not named."""


@dataclass(frozen=True)
class Obtained:
    """What a run said of its errors.

    ``error_mm`` is its figure, ``errors_mm`` (N, J) are those of samples and joints, of which it is
    to be the mean, ``reference_mm`` is what it should be.
    """

    error_mm: float
    errors_mm: Array
    reference_mm: float

    @property
    def excess_mm(self) -> float:
        """The difference from the reference."""
        return self.error_mm - self.reference_mm


@dataclass(frozen=True)
class Cause:
    """One thing that is wrong, with what speaks for it.

    ``what`` the run does, or what is so, and the ``evidence`` for it are parts of one sentence, the
    ``remedy`` is another, all without their ends. ``moved_mm`` of the difference from the reference
    are its doing, ``share`` of the whole difference. ``before_mm`` and ``after_mm`` (17,) are the
    errors of the joints as they are and with the fault undone, None where they say nothing of it.
    """

    name: str
    what: str
    evidence: str
    remedy: str
    moved_mm: float
    share: float
    before_mm: Array | None = None
    after_mm: Array | None = None

    def __str__(self) -> str:
        return f"{self.what}: {self.evidence}. {self.remedy}."
