"""Test samples whose annotated bodies are known to be shifted against their pictures."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ACTIONS


class Take(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One performance of a subject, seen by all cameras, and its number of test samples."""

    subject: int
    action: str
    subaction: int
    samples: int

    @property
    def title(self) -> str:
        """What a person calls it."""
        return f"S{self.subject} {self.action} {self.subaction}"

    @property
    def sequence_start(self) -> str:
        """What the names of its images begin with."""
        index = next(index for index, action in ACTIONS.items() if action == self.action)
        return f"s_{self.subject:02d}_act_{index:02d}_subact_{self.subaction:02d}_"


class Displaced(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The takes, and where it is written that they are displaced."""

    source: str
    takes: tuple[Take, ...]

    def found(self, file_names: Sequence[str]) -> dict[str, int]:
        """How many of the images each take has, by its title; takes without any are left out."""
        counts = {
            t.title: sum(n.startswith(t.sequence_start) for n in file_names) for t in self.takes
        }
        return {title: count for title, count in counts.items() if count}

    def error_without_mm(self, errors_mm: Array, file_names: Sequence[str]) -> float | None:
        """The mean of (N, J) errors without these takes; None where there is none, or no other."""
        starts = tuple(take.sequence_start for take in self.takes)
        kept = np.array([not name.startswith(starts) for name in file_names], dtype=bool)
        if kept.all() or not kept.any():
            return None
        return float(errors_mm[kept].mean())
