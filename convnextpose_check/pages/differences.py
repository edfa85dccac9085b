"""Obtained minus reference on the tolerance bands, and the error of each action."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from convnextpose_check.evaluation.verdict import TOLERANCES_MM, verdict_word
from convnextpose_check.human36m.skeleton import ACTIONS
from convnextpose_check.pages.drawing import plain
from convnextpose_check.pages.palette import PALETTE, Series, band_name
from convnextpose_check.results.figures import asked_mm, chip, difference
from convnextpose_check.results.schema import Results, VariantResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

_SCALE = 1.3
"""The axis ends here, in widths of the widest band; what lies beyond is an arrow and a number."""

_EDGE = 0.97
"""Where that arrow stands, of the axis."""

_NUMBERS_LEFT = 1.02
"""Where the column of numbers begins, in widths of the axes."""


def reference_word(records: Iterable[VariantResult]) -> str:
    """What to call the references: the paper's, or merely expected; empty without any."""
    words = {
        "paper" if record.is_held_to_paper else "expected"
        for record in records
        if record.reference_mm is not None
    }
    return " or ".join(sorted(words, reverse=True))


def draw_differences(
    axes: Axes,
    results: Results,
    variants: Mapping[str, VariantResult],
    looks: Mapping[str, Series],
) -> None:
    """A row for each variant: its difference, the bootstrap interval, and both in numbers."""
    word = reference_word(variants.values()) or "expected"
    bands_mm = asked_mm(results)
    end_mm = _SCALE * max(bands_mm)
    _draw_bands(axes, bands_mm, end_mm)
    for row, (name, record) in enumerate(variants.items()):
        if record.reference_mm is not None:
            _draw_difference(axes, row, record, record.reference_mm, looks[name], end_mm)
        for text, place, colour, weight in (
            (_judged(results, record), 0.22, PALETTE["ink"], "bold"),
            (_numbers(record), -0.22, PALETTE["quiet"], "normal"),
        ):
            axes.text(
                _NUMBERS_LEFT, row - place, text, transform=axes.get_yaxis_transform(),
                va="center", color=colour, fontweight=weight,
            )  # fmt: skip
    axes.set_yticks(
        range(len(variants)), [textwrap.fill(name, 17, break_on_hyphens=False) for name in variants]
    )
    axes.set(ylim=(len(variants) - 0.5, -0.5), xlabel=f"obtained minus {word}, mm")
    axes.tick_params(axis="y", length=0)


def band_key(results: Results) -> list[Patch]:
    """The colours of the bands with their words."""
    from matplotlib.patches import Patch

    bands_mm = asked_mm(results)
    words = {mm: TOLERANCES_MM.get(int(mm), "as recorded") for mm in bands_mm}
    widest_mm = max(bands_mm)
    beyond = verdict_word(widest_mm) if results.subject == "published" else "not as recorded"
    ends = [(PALETTE[band_name(mm)], f"below {mm:g} mm: {word}") for mm, word in words.items()]
    ends.append(("none", f"from {widest_mm:g} mm on: {beyond}"))
    return [
        Patch(facecolor=colour, edgecolor=PALETTE["quiet"], linewidth=0.6, label=text)
        for colour, text in ends
    ]


def draw_actions(
    axes: Axes,
    variants: Mapping[str, VariantResult],
    looks: Mapping[str, Series],
    metric: str,
) -> None:
    """The error of each action: a row for the action, a point for the variant."""
    actions = shown_actions(variants)
    rows = {action: row for row, action in enumerate(actions)}
    for index, (name, record) in enumerate(variants.items()):
        step = 0.6 / max(len(variants), 4)  # so that none hides another
        aside = step * (index - (len(variants) - 1) / 2)
        axes.plot(
            list(record.per_action_mm.values()), [rows[a] + aside for a in record.per_action_mm],
            linestyle="none", marker=looks[name].marker, markersize=7, color=looks[name].colour,
            markeredgecolor=PALETTE["paper"], markeredgewidth=0.6,
        )  # fmt: skip
    axes.set_yticks(range(len(actions)), [plain(action) for action in actions])
    axes.set(ylim=(len(actions) - 0.4, -0.6), xlabel=f"{metric}, mm")
    axes.margins(x=0.04)
    axes.tick_params(axis="y", length=0)


def shown_actions(variants: Mapping[str, VariantResult]) -> list[str]:
    """The actions that any variant has, in Human3.6M's order."""
    found = dict.fromkeys(action for record in variants.values() for action in record.per_action_mm)
    known = [action for action in ACTIONS.values() if action in found]
    return known + [action for action in found if action not in known]


def _draw_bands(axes: Axes, bands_mm: Sequence[float], end_mm: float) -> None:
    """The tolerances as nested bands, the narrowest on top, and the ticks at their edges."""
    inner_mm = 0.0
    for mm in bands_mm:
        for low, high in ((-mm, -inner_mm), (inner_mm, mm)):
            axes.axvspan(low, high, color=PALETTE[band_name(mm)], linewidth=0, zorder=0)
        inner_mm = mm
    edges = [0.0, *bands_mm]
    axes.set_xticks(sorted({*edges, *(-mm for mm in edges)}))
    axes.xaxis.set_major_formatter(lambda mm, _: f"{mm:+g}" if mm else "0")
    axes.grid(visible=False)
    for mm in axes.get_xticks():
        axes.axvline(mm, color=PALETTE["quiet"], linewidth=0.7 if mm else 1.1, zorder=1,
                     linestyle=":" if mm else "-")  # fmt: skip
    axes.set_xlim(-end_mm, end_mm)


def _draw_difference(
    axes: Axes, row: int, record: VariantResult, reference_mm: float, look: Series, end_mm: float
) -> None:
    difference_mm, edge_mm = record.error_mm - reference_mm, _EDGE * end_mm
    if record.interval_mm is not None:
        ends = [mm - reference_mm for mm in record.interval_mm]
        shown = [min(max(end, -edge_mm), edge_mm) for end in ends]
        if shown == [-edge_mm, edge_mm]:  # a line through all of it would say nothing
            ends = shown = []
        axes.plot(shown, [row] * len(shown), color=look.colour, linewidth=1.6, zorder=2)
        for end, place in zip(ends, shown, strict=True):
            cut = "<" if end < place else ">" if end > place else "|"
            axes.plot([place], [row], marker=cut, markersize=6, color=look.colour, zorder=2)
    if abs(difference_mm) <= end_mm:
        axes.plot([difference_mm], [row], marker=look.marker, markersize=9, color=look.colour,
                  markeredgecolor=PALETTE["paper"], zorder=3)  # fmt: skip
        return
    side = 1 if difference_mm > 0 else -1
    axes.plot([side * edge_mm], [row], marker=">" if side > 0 else "<", markersize=11,
              color=look.colour, zorder=3)  # fmt: skip
    axes.annotate(
        f"{difference(difference_mm)} mm", (side * edge_mm, row), (-side * 9, 11),
        textcoords="offset points", ha="right" if side > 0 else "left", va="center",
    )  # fmt: skip


def _judged(results: Results, record: VariantResult) -> str:
    """The difference and the word for it; the reason for having none is in the heading."""
    verdict = plain(chip(results, record).text) if record.is_judged else "not judged"
    if record.reference_mm is None:
        return f"{verdict}, no figure"
    return f"{difference(record.difference_mm)} mm, {verdict}"


def _numbers(record: VariantResult) -> str:
    """What was obtained, and the interval, relative to the reference if there is one."""
    text = f"{record.error_mm:.2f}"
    if record.reference_mm is not None:
        text += f", {reference_word([record])} {record.reference_mm:.2f}"
    if record.interval_mm is not None:
        low, high = (mm - (record.reference_mm or 0.0) for mm in record.interval_mm)
        sign = "" if record.reference_mm is None else "+"
        text += f"; 95 %: {low:{sign}.2f} to {high:{sign}.2f}"
    return text
