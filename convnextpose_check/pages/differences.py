"""Obtained minus reference on the tolerance bands, and the error of each action."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from convnextpose_check.evaluation.verdict import REVIEW, TOLERANCES_MM
from convnextpose_check.human36m.skeleton import ACTIONS
from convnextpose_check.pages.drawing import plain
from convnextpose_check.pages.palette import PALETTE, Series
from convnextpose_check.pages.sizes import reference_word
from convnextpose_check.results.schema import VariantResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

SCALE_MM = 6.5
"""The axis ends here on either side; what lies beyond is an arrow and a number."""

_EDGE_MM = 6.3
_NUMBERS_LEFT = 1.02
"""Where the column of numbers begins, in widths of the axes."""


def signed(difference_mm: float) -> str:
    """A difference with its sign, to 0.01 mm, or to its first digit where that shows nothing."""
    if 1e-6 <= abs(difference_mm) < 0.005:
        return np.format_float_positional(difference_mm, precision=1, fractional=False, sign=True)
    return f"{difference_mm:+.2f}"


def draw_differences(
    axes: Axes, variants: Mapping[str, VariantResult], looks: Mapping[str, Series]
) -> None:
    """A row for each variant: its difference, the bootstrap interval, and both in numbers."""
    word = reference_word(variants.values()) or "expected"
    _draw_bands(axes)
    for row, (name, record) in enumerate(variants.items()):
        if record.reference_mm is not None:
            _draw_difference(axes, row, record, record.reference_mm, looks[name])
        for text, place, colour, weight in (
            (_judged(record), 0.22, PALETTE["ink"], "bold"),
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


def band_key() -> list[Patch]:
    """The colours of the bands with the guide's words."""
    from matplotlib.patches import Patch

    ends = [(PALETTE[f"band-{mm}"], f"below {mm} mm: {w}") for mm, w in TOLERANCES_MM.items()]
    ends.append(("none", f"from {max(TOLERANCES_MM)} mm on: {REVIEW}"))
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


def _draw_bands(axes: Axes) -> None:
    """The tolerances as nested bands, the narrowest on top, and the ticks at their edges."""
    inner_mm = 0
    for mm in TOLERANCES_MM:
        for low, high in ((-mm, -inner_mm), (inner_mm, mm)):
            axes.axvspan(low, high, color=PALETTE[f"band-{mm}"], linewidth=0, zorder=0)
        inner_mm = mm
    edges = [0, *TOLERANCES_MM]
    axes.set_xticks(sorted({*edges, *(-mm for mm in edges)}))
    axes.xaxis.set_major_formatter(lambda mm, _: f"{mm:+g}" if mm else "0")
    axes.grid(visible=False)
    for mm in axes.get_xticks():
        axes.axvline(mm, color=PALETTE["quiet"], linewidth=0.7 if mm else 1.1, zorder=1,
                     linestyle=":" if mm else "-")  # fmt: skip
    axes.set_xlim(-SCALE_MM, SCALE_MM)


def _draw_difference(
    axes: Axes, row: int, record: VariantResult, reference_mm: float, look: Series
) -> None:
    difference_mm = record.error_mm - reference_mm
    if record.interval_mm is not None:
        ends = [mm - reference_mm for mm in record.interval_mm]
        shown = [min(max(end, -_EDGE_MM), _EDGE_MM) for end in ends]
        axes.plot(shown, [row, row], color=look.colour, linewidth=1.6, zorder=2)
        for end, place in zip(ends, shown, strict=True):
            cut = "<" if end < place else ">" if end > place else "|"
            axes.plot([place], [row], marker=cut, markersize=6, color=look.colour, zorder=2)
    if abs(difference_mm) <= SCALE_MM:
        axes.plot([difference_mm], [row], marker=look.marker, markersize=9, color=look.colour,
                  markeredgecolor=PALETTE["paper"], zorder=3)  # fmt: skip
        return
    side = 1 if difference_mm > 0 else -1
    axes.plot([side * _EDGE_MM], [row], marker=">" if side > 0 else "<", markersize=11,
              color=look.colour, zorder=3)  # fmt: skip
    axes.annotate(
        f"{signed(difference_mm)} mm", (side * _EDGE_MM, row), (-side * 9, 11),
        textcoords="offset points", ha="right" if side > 0 else "left", va="center",
    )  # fmt: skip


def _judged(record: VariantResult) -> str:
    """The difference and the guide's word for it; the reason for having none is in the heading."""
    verdict = plain(record.verdict) if record.is_judged else "not judged"
    if record.reference_mm is None:
        return f"{verdict}, no figure"
    return f"{signed(record.error_mm - record.reference_mm)} mm, {verdict}"


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
