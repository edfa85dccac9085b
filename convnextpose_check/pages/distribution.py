"""The distribution of the errors of single samples, a row for each variant."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from convnextpose_check.human36m.geometry import Array
from convnextpose_check.pages.drawing import canvas, plain, svg_image
from convnextpose_check.pages.palette import PALETTE, Series, series_of
from convnextpose_check.results.schema import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN_QUANTILE = 0.995
"""The axis ends where this part of all samples has been shown; the rest is counted."""

_COLUMN_PX = 400

_STRIP = -0.12
_FLOOR = -0.22
"""Where the line from 5 to 95 % lies below the histogram, and where the row ends, of its height."""


@dataclass(frozen=True)
class Spread:
    """The errors of one variant's samples, and the numbers that sum them up, all in mm."""

    errors_mm: Array

    @property
    def mean(self) -> float:
        """The mean over samples, which is the MPJPE."""
        return float(np.mean(self.errors_mm))

    def quantile(self, part: float) -> float:
        """The error that this part of the samples does not exceed."""
        return float(np.quantile(self.errors_mm, part))

    def beyond(self, limit_mm: float) -> str:
        """How many samples lie beyond the end of the axis; empty for none."""
        count = int(np.count_nonzero(self.errors_mm > limit_mm))
        worst_mm = float(np.max(self.errors_mm))
        return f"{count:,} beyond {limit_mm:g} mm, up to {worst_mm:.0f}" if count else ""


@dataclass(frozen=True)
class Bins:
    """The bins that all rows share."""

    low_mm: float
    width_mm: float
    count: int

    @property
    def high_mm(self) -> float:
        """Where the axis ends."""
        return self.low_mm + self.count * self.width_mm

    @property
    def edges_mm(self) -> Array:
        """The edges, one more than there are bins."""
        return self.low_mm + self.width_mm * np.arange(self.count + 1)


def distribution_image(results: Results, errors_mm: Mapping[str, Array]) -> str:
    """The distribution of the samples' errors as an ``<img>``, a row for each variant.

    ``errors_mm`` holds (N,) for each variant: the mean over joints of each sample. Empty if there
    is nothing to draw.
    """
    looks = series_of(map(plain, results.variants))
    rows = spreads({plain(name): mm for name, mm in errors_mm.items()}, looks)
    if not rows:
        return ""
    row_px = 118 if any(map(needs_a_line, rows)) else 103
    with canvas(_COLUMN_PX, 80 + row_px * len(rows)) as figure:
        bins = draw_rows(figure, looks, rows, results.metric)
        rows_described = " ".join(told(name, row, bins) for name, row in rows.items())
        return svg_image(
            figure,
            description=f"Histograms of the errors of single samples, {results.metric}."
            f" {rows_described}",
        )


def spreads(errors_mm: Mapping[str, Array], names: Iterable[str]) -> dict[str, Spread]:
    """The spread of each named variant that has samples."""
    found = {}
    for name in names:
        values = np.asarray(errors_mm.get(name, ()), dtype=np.float64).ravel()
        if (finite := values[np.isfinite(values)]).size:
            found[name] = Spread(finite)
    return found


def shared_bins(rows: Iterable[Spread]) -> Bins:
    """Bins of a round width for all rows: more for more samples, none for the longest tails."""
    all_errors = [row.errors_mm for row in rows]
    pooled = np.concatenate(all_errors)
    longest = max(errors.size for errors in all_errors)
    limit_mm, worst_mm = float(np.quantile(pooled, SHOWN_QUANTILE)), float(pooled.max())
    if worst_mm < 1.1 * limit_mm:
        limit_mm = worst_mm  # there is no tail worth cutting
    low_mm = float(pooled.min())
    if low_mm < 0.35 * limit_mm:
        low_mm = 0.0
    wanted = min(max(2 * longest ** (1 / 3), 8), 44)
    width_mm = _round_up((limit_mm - low_mm) / wanted or 1.0)
    low_mm = math.floor(low_mm / width_mm) * width_mm
    return Bins(low_mm, width_mm, max(1, math.ceil((limit_mm - low_mm) / width_mm)))


def needs_a_line(name: str) -> bool:
    """Whether the name leaves no room for anything beside it."""
    return len(name) > 20


def _round_up(width: float) -> float:
    """The next of 1, 2, 2.5, 5 or 10 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(width))
    return next((step * power for step in (1, 2, 2.5, 5) if width <= step * power), 10 * power)


def _draw_row(
    axes: Axes, series: Series, row: Spread, bins: Bins, peak: float, *, tall: bool
) -> None:
    """One variant's histogram with its marks and header; ``peak`` is the highest bar of all."""
    ink = PALETTE["ink"]
    heights = _heights(row, bins)
    axes.stairs(heights, bins.edges_mm, fill=True, color=series.colour, alpha=0.35, linewidth=0)
    axes.stairs(heights, bins.edges_mm, color=series.colour, linewidth=1.2, linestyle=series.dashes)
    low, median, high = (row.quantile(part) for part in (0.05, 0.5, 0.95))
    strip, foot = _STRIP * peak, _FLOOR * peak
    axes.plot([low, high], [strip, strip], color=ink, linewidth=1.2, marker="|", markersize=7)
    axes.plot([median, median], [foot, peak], color=ink, linewidth=1.4)
    axes.plot([row.mean, row.mean], [strip, peak], color=ink, linewidth=1.0, dashes=(3, 2))
    axes.plot([row.mean], [strip], marker="D", markersize=5, color=ink)
    axes.set(xlim=(bins.low_mm, bins.high_mm), ylim=(foot, 1.03 * peak), yticks=[])
    axes.spines["left"].set_visible(False)
    _write_header(axes, series.name, row, row.beyond(bins.high_mm), tall=tall)


def _write_header(axes: Axes, name: str, row: Spread, beyond: str, *, tall: bool) -> None:
    """Name and numbers above the row, on three lines where a name leaves no room beside it."""
    numbers = {
        "5 %": row.quantile(0.05),
        "median": row.quantile(0.5),
        "mean": row.mean,
        "95 %": row.quantile(0.95),
    }
    dot, arrow = " \N{MIDDLE DOT} ", " \N{RIGHTWARDS ARROW}"
    ink, quiet = PALETTE["ink"], PALETTE["quiet"]
    for text, x, above_px, colour, weight in (
        (name, 0, 34 if tall else 19, ink, "normal" if tall else "bold"),
        (beyond and beyond + arrow, 0 if tall else 1, 19, quiet, "normal"),
        (dot.join(f"{t} {mm:.1f}" for t, mm in numbers.items()) + " mm", 0, 4, ink, "normal"),
    ):
        axes.annotate(
            text, (x, 1), (0, above_px), xycoords="axes fraction", textcoords="offset points",
            ha="right" if x else "left", color=colour, fontweight=weight,
        )  # fmt: skip


def draw_rows(
    figure: Figure, looks: Mapping[str, Series], rows: Mapping[str, Spread], metric: str
) -> Bins:
    """All rows, one below the other on one axis, with the key to their marks on top."""
    from matplotlib.lines import Line2D

    bins = shared_bins(rows.values())
    peak = max(float(_heights(row, bins).max()) for row in rows.values())
    tall = any(needs_a_line(name) for name in rows)
    grid = figure.subplots(len(rows), 1, sharex=True, squeeze=False)
    for axes, (name, row) in zip(grid[:, 0], rows.items(), strict=True):
        _draw_row(axes, looks[name], row, bins, peak, tall=tall)
    counts = sorted({row.errors_mm.size for row in rows.values()})
    of = " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))
    grid[-1, 0].set_xlabel(
        f"error of a sample, mm\nbars: share of {of} samples, {bins.width_mm:g} mm wide"
    )
    ink = PALETTE["ink"]
    figure.legend(
        handles=[
            Line2D([], [], color=ink, linewidth=1.4, label="median"),
            Line2D([], [], color=ink, linewidth=1.0, dashes=(3, 2), marker="D", markersize=5,
                   label=f"mean ({metric})"),
            Line2D([], [], color=ink, linewidth=1.2, marker="|", markersize=7, label="5 to 95 %"),
        ],
        loc="outside upper left", ncols=3, handlelength=2,
    )  # fmt: skip
    return bins


def told(name: str, row: Spread, bins: Bins) -> str:
    """The row in words."""
    beyond = row.beyond(bins.high_mm)
    count = row.errors_mm.size
    return (
        f"{name}: median {row.quantile(0.5):.1f} mm, mean {row.mean:.1f} mm,"
        f" 5 to 95 % {row.quantile(0.05):.1f} to {row.quantile(0.95):.1f} mm,"
        f" {count:,} sample{'s' if count > 1 else ''}{', ' if beyond else ''}{beyond}."
    )


def _heights(row: Spread, bins: Bins) -> Array:
    """The share of the row's samples in each bin; the last includes its upper edge."""
    return np.histogram(row.errors_mm, bins.edges_mm)[0] / row.errors_mm.size
