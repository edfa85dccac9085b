"""What a diagnosis finds."""

from __future__ import annotations

from dataclasses import dataclass

from convnextpose_check.human36m.geometry import Array


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
