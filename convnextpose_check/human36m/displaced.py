"""Test samples with misaligned ground truth: published facts about Human3.6M."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ACTIONS


class Take(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A subject's subaction, recorded by all cameras, and the number of its test samples."""

    subject: int
    action: str
    subaction: int
    samples: int

    @property
    def title(self) -> str:
        """Subject, action and subaction as text."""
        return f"S{self.subject} {self.action} {self.subaction}"

    @property
    def sequence_start(self) -> str:
        """The common start of its images' file names."""
        index = next(index for index, action in ACTIONS.items() if action == self.action)
        return f"s_{self.subject:02d}_act_{index:02d}_subact_{self.subaction:02d}_"


class Displaced(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The takes whose ground truth is misaligned, and the source of this fact."""

    source: str
    takes: tuple[Take, ...]

    def found(self, file_names: Sequence[str]) -> dict[str, int]:
        """The number of images of each take by its title, without takes that have none."""
        counts = {
            t.title: sum(n.startswith(t.sequence_start) for n in file_names) for t in self.takes
        }
        return {title: count for title, count in counts.items() if count}

    def error_without_mm(self, errors_mm: Array, file_names: Sequence[str]) -> float | None:
        """The mean of (N, J) errors without these takes; None if that leaves all or no samples."""
        starts = tuple(take.sequence_start for take in self.takes)
        kept = np.array([not name.startswith(starts) for name in file_names], dtype=bool)
        if kept.all() or not kept.any():
            return None
        return float(errors_mm[kept].mean())
