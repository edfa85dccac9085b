"""What a diagnosis finds."""

from __future__ import annotations

from dataclasses import dataclass

from convnextpose_check.human36m.geometry import Array


@dataclass(frozen=True)
class Cause:
    """One thing that is wrong, with what speaks for it.

    ``moved_mm`` of the difference from the reference are its doing, ``share`` of the whole
    difference. ``before_mm`` and ``after_mm`` (17,) are the errors of the joints as they are and
    with the fault undone, None where errors of joints say nothing of it. ``evidence`` and
    ``remedy`` are sentences without their full stop.
    """

    name: str
    evidence: str
    remedy: str
    moved_mm: float
    share: float
    before_mm: Array | None = None
    after_mm: Array | None = None

    def __str__(self) -> str:
        return f"{self.evidence}. {self.remedy}."
