"""RootNet's output file: whose images it covers tells which of the published files it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from convnextpose_check.human36m.geometry import Array

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class RootNetFile:
    """The file that boxes and root depths were taken from.

    ``covers`` counts its images of each tested subject, ``others`` those of nobody who is tested.
    """

    path: Path
    covers: Mapping[int, int]
    others: int

    def __str__(self) -> str:
        parts = [f"{count:,} images of subject {number}" for number, count in self.covers.items()]
        parts += [f"{self.others:,} images of other subjects"] if self.others else []
        return f"RootNet's {self.path.name} for {' and '.join(parts)}"


def coverage(path: Path, image_ids: Iterable[int], listed_ids: Mapping[int, Array]) -> RootNetFile:
    """Hold the file's image ids against those that are listed for each tested subject."""
    ids = np.fromiter(image_ids, dtype=np.int64)
    covers = {subject: int(np.isin(ids, listed).sum()) for subject, listed in listed_ids.items()}
    return RootNetFile(path, covers, len(ids) - sum(covers.values()))
