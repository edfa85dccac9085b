"""Charts of a run, and the colors of charts and pages."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from itertools import cycle
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from convnextpose_check.evaluation.verdict import RECORDED_TOLERANCE_MM, REVIEW, TOLERANCES_MM
from convnextpose_check.files.regular_files import write_atomically
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ACTIONS
from convnextpose_check.results.schema import Results, VariantResult
from convnextpose_check.results.text import format_difference, format_interval, variant_badge
from convnextpose_check.text import escape_control_chars

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHART_COLORS = {
    "ink": "#1b1b1b",
    "quiet": "#4a4a4a",
    "line": "#c9c9c9",
    "paper": "#ffffff",
    "series-1": "#1f3fc4",
    "series-2": "#cb5600",
    "series-3": "#008f70",
    "series-4": "#9450a6",
    "band-1": "#cfe8dc",
    "band-2": "#e9ecc4",
    "band-5": "#f8dfbf",
}
"""Chart colors by CSS name; text is ``ink`` or ``quiet``.

The four series are distinct with every color vision deficiency, also on ``paper`` and the bands.
"""

SERIES = tuple(color for name, color in CHART_COLORS.items() if name.startswith("series-"))

PAGE_COLORS = {
    "ink": (CHART_COLORS["ink"], "#ececec"),
    "quiet": (CHART_COLORS["quiet"], "#b9b9b9"),
    "line": (CHART_COLORS["line"], "#43474f"),
    "paper": (CHART_COLORS["paper"], "#16181c"),
    "shade": ("#f3f4f6", "#23262d"),
    "left": (CHART_COLORS["series-1"], "#45c8ff"),
    "right": (CHART_COLORS["series-2"], "#ffbe3c"),
    "good-ink": ("#17692b", "#7fd495"),
    "bad-ink": ("#a3141c", "#ff9a9a"),
    "fair-ink": ("#7a4b00", "#f1c27b"),
    "heat-rgb": ("224, 110, 20", "214, 110, 30"),
}
"""Page colors by CSS name: (light, dark)."""

DISTRIBUTION_WIDTH_PX = 400
PICTURE_WIDTH_PX = 800
PICTURE_SCALE = 2

AXIS_END_QUANTILE = 0.995
"""The axis of a distribution ends at this quantile; samples above it are only counted."""

BINS = 40

AXIS_END_IN_BANDS = 1.3
"""End of the axis of differences, as a multiple of the largest tolerance."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
"""One per variant, so that color is not the only distinction."""

_BAND_COLORS = (CHART_COLORS["band-1"], CHART_COLORS["band-2"], CHART_COLORS["band-5"])
_POINTS_PER_INCH = 72

_STYLE: dict[Any, object] = {
    "axes.axisbelow": True,
    "axes.edgecolor": CHART_COLORS["quiet"],
    "axes.formatter.useoffset": False,
    "axes.labelcolor": CHART_COLORS["ink"],
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.unicode_minus": False,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 11,
    "grid.color": CHART_COLORS["line"],
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "convnextpose-check",
    "text.color": CHART_COLORS["ink"],
    "text.parse_math": False,  # a name may contain a dollar sign
    "ytick.major.size": 0,
}


@contextmanager
def _open_figure(width_px: float, height_px: float, scale: int = 1) -> Iterator[Figure]:
    """A figure in this project's style, not the user's; one point is one CSS pixel."""
    from matplotlib import style
    from matplotlib.figure import Figure

    size = (width_px / _POINTS_PER_INCH, height_px / _POINTS_PER_INCH)
    dpi = scale * _POINTS_PER_INCH
    with style.context(_STYLE, after_reset=True):
        yield Figure(size, dpi, facecolor=CHART_COLORS["paper"], layout="constrained")


def draw_distribution(results: Results, errors_mm: Mapping[str, Array]) -> str:
    """Draw histograms of the sample errors, one per featured variant, as an ``<img>``.

    ``errors_mm`` has the errors (N,) of each variant, averaged over the joints. The alternative
    text repeats the numbers. Returns an empty text without errors to draw.
    """
    rows = {escape_control_chars(n): errors_mm[n] for n in results.featured if n in errors_mm}
    if not rows:
        return ""
    end_mm = max(float(np.quantile(np.concatenate(list(rows.values())), AXIS_END_QUANTILE)), 1.0)
    texts = {name: _describe_distribution(values, end_mm) for name, values in rows.items()}
    content = io.BytesIO()
    with _open_figure(DISTRIBUTION_WIDTH_PX, 50 + 130 * len(rows)) as figure:
        grid = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (name, values), color in zip(grid, rows.items(), cycle(SERIES), strict=False):
            axes.hist(values, np.linspace(0, end_mm, BINS + 1), color=color)
            axes.axvline(np.median(values), color=CHART_COLORS["ink"])
            axes.axvline(values.mean(), color=CHART_COLORS["ink"], linestyle="--")
            axes.set_title(f"{name}\n{texts[name]}")
            axes.set(yticks=[], xlim=(0, end_mm))
        grid[-1].set_xlabel("sample error, mm (solid: median, dashed: mean)")
        no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(content, format="svg", metadata=no_metadata)
    described = " ".join(f"{name}: {text}." for name, text in texts.items())
    alt = f"Histograms of the sample errors ({results.metric}). {described}"
    encoded = base64.b64encode(content.getvalue()).decode()
    return f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{encoded}">'


def _describe_distribution(values_mm: Array, end_mm: float) -> str:
    low, median, high = np.quantile(values_mm, (0.05, 0.5, 0.95))
    text = f"5 to 95 %: {low:.1f} to {high:.1f}, median {median:.1f}, mean {values_mm.mean():.1f}"
    if above := int(np.count_nonzero(values_mm > end_mm)):
        text += f"\n{above:,} samples above the axis, up to {values_mm.max():.0f} mm"
    return text


def draw_comparison(results: Results, path: Path) -> None:
    """Write a chart of the run, 1600 pixels wide: differences, and errors by action.

    Raises ``ConvNeXtPoseCheckError`` (``cannot-write``).
    """
    variants = {escape_control_chars(name): record for name, record in results.featured.items()}
    measured = {action for record in variants.values() for action in record.per_action_mm}
    actions = sorted(measured, key=[*ACTIONS.values(), *sorted(measured)].index)
    title = f"ConvNeXtPose, {results.judged_models}: {results.metric}, protocol {results.protocol}"
    verdict = fill(escape_control_chars(results.verdict), 100, max_lines=6, break_on_hyphens=False)
    rows = (1 + len(variants), 1 + len(actions) / 2)
    height_px = 300 + 17 * (verdict.count("\n") + len(variants) // 4) + 40 * sum(rows)
    with (
        _open_figure(PICTURE_WIDTH_PX, height_px, PICTURE_SCALE) as figure,
        write_atomically(path) as temporary,
    ):
        figure.suptitle(f"{title}\n{verdict}", x=0.01, ha="left", fontsize=12)
        upper, lower = figure.subplots(2, 1, height_ratios=rows)
        _draw_differences(upper, results, variants)
        _draw_actions(lower, results, variants, actions)
        figure.legend(loc="outside lower left", ncols=4, handlelength=1.4)
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _draw_differences(axes: Axes, results: Results, variants: Mapping[str, VariantResult]) -> None:
    """Draw a row per variant: difference, tolerance bands, interval and numbers."""
    bands: dict[float, str] = {float(mm): word for mm, word in TOLERANCES_MM.items()}
    worst: str = REVIEW
    if results.target == "synthetic":
        bands, worst = {RECORDED_TOLERANCE_MM: "as recorded"}, "not as recorded"
    end_mm = AXIS_END_IN_BANDS * max(bands)
    for (mm, word), color in reversed([*zip(bands.items(), _BAND_COLORS, strict=False)]):
        axes.axvspan(-mm, mm, facecolor=color, label=f"below {mm:g} mm: {word}")
    axes.axvline(0, color=CHART_COLORS["quiet"], linewidth=1)
    for row, (record, color, marker) in enumerate(
        zip(variants.values(), cycle(SERIES), cycle(MARKERS), strict=False)
    ):
        if record.difference_mm is not None and record.reference_mm is not None:
            at_mm = min(max(record.difference_mm, -end_mm), end_mm)
            if at_mm != record.difference_mm:
                marker = ">" if at_mm > 0 else "<"
            axes.plot(at_mm, row, marker, markersize=9, color=color, clip_on=False)
            if record.interval_mm is not None:
                ends_mm = [end - record.reference_mm for end in record.interval_mm]
                axes.plot(ends_mm, [row, row], marker="|", markersize=7, color=color)
        axes.text(
            1.02, row, _describe_variant(record), transform=axes.get_yaxis_transform(), va="center"
        )
    axes.set_yticks(range(len(variants)), [fill(n, 17, break_on_hyphens=False) for n in variants])
    axes.set(
        xlim=(-end_mm, end_mm), ylim=(len(variants) - 0.5, -0.5),
        xticks=sorted({0, *bands, *(-mm for mm in bands)}),
        xlabel=f"obtained minus expected, mm ({max(bands):g} mm or more: {worst})",
    )  # fmt: skip
    axes.xaxis.set_major_formatter(lambda mm, _: f"{mm:+g}" if mm else "0")


def _draw_actions(
    axes: Axes, results: Results, variants: Mapping[str, VariantResult], actions: list[str]
) -> None:
    """Draw a row per action with a point per variant."""
    styled = zip(variants.items(), cycle(SERIES), cycle(MARKERS), strict=False)
    for (name, record), color, marker in styled:
        rows = list(map(actions.index, record.per_action_mm))
        errors_mm = list(record.per_action_mm.values())
        axes.plot(errors_mm, rows, marker, markersize=7, color=color, label=name)
    axes.set_yticks(range(len(actions)), list(map(escape_control_chars, actions)))
    axes.set(ylim=(len(actions) - 0.4, -0.6), xlabel=f"{results.metric} by action, mm")
    axes.grid(visible=True)


def _describe_variant(record: VariantResult) -> str:
    """Verdict, difference and error; the heading has the reason for no verdict."""
    word = variant_badge(record).text if record.verdict else "not judged"
    if record.reference is None:
        return f"{word}, no reference\n{record.error_mm:.2f}; 95 %: {format_interval(record, 2)}"
    source = "paper" if record.reference.kind == "paper" else "expected"
    return (
        f"{format_difference(record.difference_mm)} mm, {word}\n{record.error_mm:.2f},"
        f" {source} {record.reference_mm:.2f}; 95 %: {format_interval(record, 2)}"
    )


def format_css_variables() -> str:
    """The page colors as CSS variables, dark if the browser prefers a dark scheme."""
    light, dark = (
        "".join(f"--{name}:{colors[scheme]};" for name, colors in PAGE_COLORS.items())
        for scheme in (0, 1)
    )
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    )
