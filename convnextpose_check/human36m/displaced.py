"""Test samples with misaligned ground truth: published facts about Human3.6M."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from convnextpose_check.human36m.geometry import Array


class Displaced(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The takes whose ground truth is misaligned, and the source of this fact.

    ``takes`` has the common start of a take's image file names by its title.
    """

    source: str
    takes: dict[str, str]

    def found(self, file_names: Sequence[str]) -> dict[str, int]:
        """The number of images of each take by its title, without takes that have none."""
        counts = {
            title: sum(name.startswith(start) for name in file_names)
            for title, start in self.takes.items()
        }
        return {title: count for title, count in counts.items() if count}

    def error_without_mm(self, errors_mm: Array, file_names: Sequence[str]) -> float | None:
        """The mean of (N, J) errors without these takes; None if that leaves all or no samples."""
        starts = tuple(self.takes.values())
        kept = np.array([not name.startswith(starts) for name in file_names], dtype=bool)
        if kept.all() or not kept.any():
            return None
        return float(errors_mm[kept].mean())
