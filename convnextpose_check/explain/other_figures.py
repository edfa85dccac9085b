"""Published errors beside those of the four variants, and how far a printed error is from all.

``other_figures.json`` beside this module has the other methods of the paper's tables, and figures
that are in circulation for the variants without being the paper's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from convnextpose_check.evaluation.verdict import TOLERANCES_MM
from convnextpose_check.files.json_files import read_json
from convnextpose_check.results.schema import METRIC_TITLES
from convnextpose_check.variants import Catalogue, Figure, Protocol, PublishedErrors

OTHER_FIGURES_FILE = Path(__file__).with_name("other_figures.json")

LIKE_MM, FAR_MM = min(TOLERANCES_MM), max(TOLERANCES_MM)
"""A figure nearer than the tightest tolerance is like what was printed; from the widest on: far."""

SAME_MM = 0.05
"""Half of the last digit of the figures that are given with one: the same, as far as is known."""


class Named(PublishedErrors, frozen=True, forbid_unknown_fields=True):
    """The errors that are given for a method."""

    name: str


class OtherFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Other methods, and figures for the variants that are not the paper's."""

    about: str
    neighbours: tuple[Named, ...]
    circulating: tuple[Named, ...]


@dataclass(frozen=True)
class Known:
    """A figure for the model ``name``; ``difference_mm`` is what was printed minus the figure.

    ``paper`` is what the paper has in place of a figure that merely circulates, else None.
    """

    name: str
    figure: Figure
    difference_mm: float
    circulates: bool
    paper: Figure | None = None


def read_other_figures(path: Path = OTHER_FIGURES_FILE) -> OtherFigures:
    """Read the figures of others."""
    return read_json(path, OtherFigures)


def known_figures(
    error_mm: float, protocol: Protocol, catalogue: Catalogue, others: OtherFigures
) -> list[Known]:
    """Every figure for the protocol's error, the nearest first."""
    papers = {v.name: v.paper.error_mm(protocol) for v in catalogue.variants}
    given: list[tuple[str, Figure | None, bool]] = [
        *((name, figure, False) for name, figure in papers.items()),
        *((other.name, other.error_mm(protocol), False) for other in others.neighbours),
        *((other.name, other.error_mm(protocol), True) for other in others.circulating),
    ]
    known = [
        Known(name, figure, error_mm - figure.value, circulates, papers.get(name))
        for name, figure, circulates in given
        if figure is not None
    ]
    return sorted(known, key=lambda figure: abs(figure.difference_mm))


def figure_sentences(
    error_mm: float, protocol: Protocol, catalogue: Catalogue, others: OtherFigures
) -> list[str]:
    """What the error is like, what it is far from, and which of these figures is no paper's."""
    known = known_figures(error_mm, protocol, catalogue, others)
    return [*_likenesses(known), *_of_the_other_protocol(error_mm, protocol, catalogue, known)]


def _likenesses(known: Sequence[Known]) -> Iterator[str]:
    like = [figure for figure in known if abs(figure.difference_mm) < LIKE_MM]
    for figure in like:
        yield f"like {_told(figure)}"
    published = [figure for figure in known if not figure.circulates]
    if published and not any(figure in published for figure in like):
        near = abs(published[0].difference_mm) < FAR_MM
        beginning = "nearest is" if near else "far from every published figure; the nearest is"
        yield f"{beginning} {_told(published[0])}"


def _told(known: Known) -> str:
    told = f"{known.name} {known.figure.value:.2f} ({known.figure.source})"
    told += f", {known.difference_mm:+.2f} mm"
    if known.circulates:
        told += "; this figure is in circulation and is not the paper's"
        told += ", which has none" if known.paper is None else f" {known.paper.value:.2f}"
    elif known.figure.information_only is not None:
        told += f"; {known.figure.information_only}"
    return told


def _of_the_other_protocol(
    error_mm: float, protocol: Protocol, catalogue: Catalogue, known: Sequence[Known]
) -> Iterator[str]:
    """The variants whose error under the other protocol this is, where it is none of its own."""
    if known and abs(known[0].difference_mm) <= SAME_MM:
        return
    other: Protocol = 1 if protocol == 2 else 2
    for variant in catalogue.variants:
        figure = variant.paper.error_mm(other)
        if figure is not None and abs(error_mm - figure.value) <= SAME_MM:
            yield (
                f"protocol confused? {figure.value:.2f} is the {METRIC_TITLES[other]} of"
                f" {variant.name} under protocol {other} ({figure.source})"
            )
