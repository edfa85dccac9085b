"""Error against what a model costs: multiply-adds and parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from convnextpose_check.pages.neighbours import Neighbours
from convnextpose_check.pages.palette import PALETTE, Series
from convnextpose_check.results.schema import VariantResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

Cost = Literal["GMACs", "parameters, million"]
COSTS: tuple[Cost, Cost] = ("GMACs", "parameters, million")

OBTAINED_PX = 6
REFERENCE_PX = 11
"""The hollow reference is the larger: where both agree, it is a ring around the obtained point."""


_OTHERS = "+"
"""How the paper's neighbours are drawn."""

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
        "paper" if record.is_held_to_paper else "expected"
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


def _draw_panel(
    axes: Axes, shown: Sequence[Point], cost: Cost, metric: str, others: Neighbours | None
) -> None:
    """One panel: error bars, obtained points, the references joined to them, others faintly."""
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
    if others is not None:  # the panels may share this axis
        heights += [model.error_mm(metric) for model in others.models]
    if others is not None and cost == "GMACs":
        beside = [(model.gmacs, model.error_mm(metric)) for model in others.models]
        axes.plot(*zip(*beside, strict=True), linestyle="none", marker=_OTHERS, markersize=7,
                  color=PALETTE["quiet"], alpha=0.5, zorder=1)  # fmt: skip
        costs += [gmacs for gmacs, _ in beside]
        axes.set_xscale("log")
        axes.set_xlim(0.8 * min(costs), 1.25 * max(costs))
        axes.set_xticks(
            [gmacs for gmacs in (0.5, 1, 2, 5, 10) if min(costs) <= gmacs <= max(costs)]
        )
        axes.xaxis.set_major_formatter(lambda gmacs, _: f"{gmacs:g}")
        axes.minorticks_off()
        axes.locator_params(axis="y", nbins=6, steps=[1, 2, 5, 10])
    else:
        axes.set_xlim(*_widened(costs, 0.14, least=0.1 * max(costs) or 1))
        axes.locator_params(nbins=6, steps=[1, 2, 5, 10])
    axes.set_ylim(*_widened(heights, 0.16, least=max(1.0, 0.02 * max(heights))))
    axes.set(xlabel=cost, ylabel=f"{metric}, mm")


def draw(
    panels: Sequence[Axes],
    variants: Mapping[str, VariantResult],
    looks: Mapping[str, Series],
    metric: str,
    others: Neighbours | None = None,
) -> None:
    """The two panels: error against multiply-adds, error against parameters.

    The models of ``others`` stand in the first.
    """
    for axes, cost in zip(panels, COSTS, strict=True):
        _draw_panel(axes, points(variants, looks, cost), cost, metric, others)


def key(variants: Mapping[str, VariantResult], others: Neighbours | None = None) -> list[Line2D]:
    """What filled and hollow points, the bars and the crosses stand for."""
    from matplotlib.lines import Line2D

    ink = PALETTE["ink"]
    obtained = Line2D([], [], linestyle="none", marker="o", markersize=OBTAINED_PX, color=ink,
                      label="obtained")  # fmt: skip
    if any(record.interval_mm is not None for record in variants.values()):
        obtained.set(linestyle="-", linewidth=1.1, label="obtained, 95 % interval")
    word = reference_word(variants.values())
    hollow = Line2D([], [], linestyle="none", marker="o", markersize=REFERENCE_PX, color=ink,
                    fillstyle="none", markeredgewidth=1.2, label=word)  # fmt: skip
    handles = [obtained, hollow] if word else [obtained]
    if others is not None:
        handles.append(Line2D([], [], linestyle="none", marker=_OTHERS, markersize=7,
                              color=PALETTE["quiet"], alpha=0.5, label="others"))  # fmt: skip
    return handles


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
