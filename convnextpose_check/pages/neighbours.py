"""Models of others that the paper holds its own against."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from convnextpose_check.results.schema import METRIC_TITLES, Results

FILE = Path(__file__).with_name("neighbours.json")


class Neighbour(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model as the paper reports it, called by its first author."""

    name: str
    pa_mpjpe_mm: float
    mpjpe_mm: float
    gmacs: float

    def error_mm(self, metric: str) -> float:
        """The error under the protocol that the metric belongs to."""
        return self.pa_mpjpe_mm if metric == METRIC_TITLES[1] else self.mpjpe_mm


class Neighbours(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of them, and where they stand."""

    source: str
    models: tuple[Neighbour, ...]

    def told(self, metric: str) -> str:
        """Each with its figures, in a sentence."""
        each = (f"{m.name} {m.error_mm(metric):.1f} mm at {m.gmacs:g} GMACs" for m in self.models)
        return f"Others, from {self.source}: {', '.join(each)}."


@cache
def read_neighbours() -> Neighbours:
    """Read what stands beside this module."""
    return msgspec.json.decode(FILE.read_bytes(), type=Neighbours)


def neighbours_of(results: Results) -> Neighbours | None:
    """Those of a run whose figures are the paper's: other models have no place beside them."""
    held = any(record.is_held_to_paper for record in results.variants.values())
    is_published = results.subject == "published" and not results.own_models
    return read_neighbours() if is_published and held else None
