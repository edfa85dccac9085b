"""Error against what a model costs: multiply-adds and parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from convnextpose_check.pages.labels import label_points
from convnextpose_check.pages.palette import PALETTE, Series
from convnextpose_check.results.schema import VariantResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

Cost = Literal["GMACs", "parameters, million"]
COSTS: tuple[Cost, Cost] = ("GMACs", "parameters, million")

OBTAINED_PX = 6
REFERENCE_PX = 11
"""The hollow reference is the larger: where both agree, it is a ring around the obtained point."""


Place = tuple[float, float]
"""Cost and mm."""


@dataclass(frozen=True)
class Point:
    """A variant in one panel."""

    series: Series
    cost: float
    error_mm: float
    interval_mm: tuple[float, float] | None
    reference: Place | None

    @property
    def heights_mm(self) -> tuple[float, ...]:
        """All that has to fit on the axis."""
        reference = () if self.reference is None else self.reference[1:]
        return (self.error_mm, *(self.interval_mm or ()), *reference)


def reference_word(records: Iterable[VariantResult]) -> str:
    """What to call the references: the paper's, or merely expected; empty without any."""
    words = {
        "paper" if (record.reference_source or "").startswith("paper") else "expected"
        for record in records
        if record.reference_mm is not None
    }
    return " or ".join(sorted(words, reverse=True))


def points(
    variants: Mapping[str, VariantResult], looks: Mapping[str, Series], cost: Cost
) -> list[Point]:
    """Each variant's place in the panel; a reference stands at the cost that the paper gives."""
    found = []
    for name, record in variants.items():
        counted, papers = (
            (record.gmacs, record.paper_gmacs)
            if cost == "GMACs"
            else (record.parameters / 1e6, record.paper_parameters_millions)
        )
        reference = None
        if record.reference_mm is not None:
            reference = (counted if papers is None else papers, record.reference_mm)
        found.append(Point(looks[name], counted, record.error_mm, record.interval_mm, reference))
    return found


def _draw_panel(axes: Axes, shown: Sequence[Point], cost: Cost, metric: str) -> None:
    """One panel: error bars, obtained points, and the references joined to them."""
    for point in shown:
        colour = point.series.colour
        if point.interval_mm is not None:
            axes.plot([point.cost] * 2, point.interval_mm, color=colour, linewidth=1.1,
                      marker="_", markersize=7, zorder=2)  # fmt: skip
        if point.reference is not None:
            cost_of, mm = point.reference
            axes.plot([point.cost, cost_of], [point.error_mm, mm], color=colour, linewidth=0.8,
                      linestyle=":", zorder=2)  # fmt: skip
            axes.plot([cost_of], [mm], marker=point.series.marker, markersize=REFERENCE_PX,
                      fillstyle="none", color=colour, markeredgewidth=1.2, zorder=4)  # fmt: skip
        axes.plot([point.cost], [point.error_mm], marker=point.series.marker,
                  markersize=OBTAINED_PX, color=colour, linestyle="none", zorder=3)  # fmt: skip
    costs = [c for point in shown for c in (point.cost, *(point.reference or ())[:1])]
    heights = [mm for point in shown for mm in point.heights_mm]
    axes.set_xlim(*_widened(costs, 0.14, least=0.1 * max(costs) or 1))
    axes.set_ylim(*_widened(heights, 0.16, least=max(1.0, 0.02 * max(heights))))
    axes.locator_params(nbins=6, steps=[1, 2, 5, 10])
    axes.set(xlabel=cost, ylabel=f"{metric}, mm")


def _label_panel(axes: Axes, shown: Sequence[Point], dpi: float) -> None:
    """Write the variants' names beside their points, clear of bars and references."""
    obstacles: list[Place] = []
    for point in shown:
        low_mm, high_mm = point.interval_mm or (point.error_mm, point.error_mm)
        place = (point.cost, point.error_mm)
        obstacles += _between((point.cost, low_mm), (point.cost, high_mm))
        obstacles += _between(place, point.reference or place)
    label_points(
        axes,
        [(_short(point.series.name), point.cost, point.error_mm) for point in shown],
        obstacles,
        dpi,
    )


def draw(
    panels: Sequence[Axes],
    variants: Mapping[str, VariantResult],
    looks: Mapping[str, Series],
    metric: str,
) -> None:
    """The two panels: error against multiply-adds, error against parameters."""
    for axes, cost in zip(panels, COSTS, strict=True):
        _draw_panel(axes, points(variants, looks, cost), cost, metric)


def label(
    figure: Figure,
    panels: Sequence[Axes],
    variants: Mapping[str, VariantResult],
    looks: Mapping[str, Series],
) -> None:
    """Write the names beside the points: the last thing to do, for it needs the layout."""
    figure.draw_without_rendering()
    for axes, cost in zip(panels, COSTS, strict=True):
        _label_panel(axes, points(variants, looks, cost), figure.dpi)


def key(variants: Mapping[str, VariantResult]) -> list[Line2D]:
    """What filled and hollow points and the bars stand for."""
    from matplotlib.lines import Line2D

    ink = PALETTE["ink"]
    obtained = Line2D([], [], linestyle="none", marker="o", markersize=OBTAINED_PX, color=ink,
                      label="obtained")  # fmt: skip
    if any(record.interval_mm is not None for record in variants.values()):
        obtained.set(linestyle="-", linewidth=1.1, label="obtained, 95 % interval")
    word = reference_word(variants.values())
    hollow = Line2D([], [], linestyle="none", marker="o", markersize=REFERENCE_PX, color=ink,
                    fillstyle="none", markeredgewidth=1.2, label=word)  # fmt: skip
    return [obtained, hollow] if word else [obtained]


def named(looks: Iterable[Series], texts: Mapping[str, str]) -> list[Line2D]:
    """The variants' markers, each with its text."""
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], linestyle="none", marker=look.marker, markersize=7, color=look.colour,
               label=texts[look.name])
        for look in looks
    ]  # fmt: skip


def told(name: str, record: VariantResult) -> str:
    """The variant in words."""
    text = (
        f"{name}: {record.error_mm:.2f} mm at {record.gmacs:.3g} GMACs and"
        f" {record.parameters / 1e6:.3g} million parameters"
    )
    if record.interval_mm is not None:
        text += " (95 % interval {:.2f} to {:.2f} mm)".format(*record.interval_mm)
    if record.reference_mm is not None:
        text += f", {reference_word([record])} {record.reference_mm:.2f} mm"
    return f"{text}."


def numbers(name: str, record: VariantResult) -> str:
    """The line of the key for a variant; a long name has a line of its own."""
    text = f"{record.error_mm:.2f} mm"
    if record.reference_mm is not None:
        text += f", {reference_word([record])} {record.reference_mm:.2f}"
    return f"{name}:{' ' if len(name) < 16 else chr(10)}{text}"


def _widened(values: Sequence[float], part: float, least: float) -> tuple[float, float]:
    """Limits around the values with this part of their range, at least ``least``, to spare."""
    low, high = min(values), max(values)
    short = max(least - (high - low), 0) / 2
    spare = part * max(high - low, least)
    return low - short - spare, high + short + spare


def _between(start: Place, end: Place) -> list[Place]:
    """Places along a line, close enough for a label to find no gap."""
    return [
        (start[0] + (end[0] - start[0]) * step / 8, start[1] + (end[1] - start[1]) * step / 8)
        for step in range(9)
    ]


def _short(name: str) -> str:
    """The name itself, or its beginning and end; the key has it whole."""
    return name if len(name) <= 10 else f"{name[:4]}\N{HORIZONTAL ELLIPSIS}{name[-4:]}"
