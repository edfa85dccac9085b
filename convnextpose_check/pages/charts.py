"""Charts of a run, and the colors of charts and pages."""

import base64
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from html import escape
from itertools import cycle, pairwise
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np

from convnextpose_check.evaluation.verdict import (
    RECORDED_TOLERANCE_MM,
    REVIEW,
    TOLERANCES_MM,
    format_difference,
)
from convnextpose_check.files.regular_files import write_atomically
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.results.schema import Results, VariantResult
from convnextpose_check.results.text import variant_badge
from convnextpose_check.text import escape_control_chars

if TYPE_CHECKING:  # the plugin imports this module, and matplotlib takes long
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

FONT_PX = 15
LINE_PX = 1.3 * FONT_PX
LINE_CHARACTERS, NAME_CHARACTERS = 56, 17
"""Longest lines of the heading and of a variant's name."""

_fill = partial(fill, width=LINE_CHARACTERS, break_on_hyphens=False)
"""Wraps a text, but not at hyphens, as in a name or a negative number."""

_BAND_COLORS = (CHART_COLORS["band-1"], CHART_COLORS["band-2"], CHART_COLORS["band-5"])
_POINTS_PER_INCH = 72

_STYLE: dict[Any, object] = {
    "axes.axisbelow": True,
    "axes.edgecolor": CHART_COLORS["quiet"],
    "axes.formatter.useoffset": False,
    "axes.labelcolor": CHART_COLORS["ink"],
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": FONT_PX,
    "axes.titlelocation": "left",
    "axes.unicode_minus": False,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": FONT_PX,
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
def _open_figure(width_px: float, height_px: float, scale: int = 1) -> Iterator["Figure"]:
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
    text repeats the numbers. The highest 0.5 % are only counted. A single sample is not drawn;
    returns an empty text for no histogram.
    """
    names = [name for name in results.featured if len(errors_mm.get(name, ())) > 1]
    rows = {escape_control_chars(name): errors_mm[name] for name in names}
    if not rows:
        return ""
    end_mm = max(float(np.quantile(np.concatenate(list(rows.values())), 0.995)), 1.0)
    texts = {name: _describe_distribution(values, end_mm) for name, values in rows.items()}
    content = io.BytesIO()
    with _open_figure(360, 60 + 190 * len(rows)) as figure:
        grid = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (name, values), color in zip(grid, rows.items(), cycle(SERIES), strict=False):
            axes.hist(values, np.linspace(0, end_mm, 41), color=color)
            axes.axvline(np.median(values), color=CHART_COLORS["ink"])
            axes.axvline(values.mean(), color=CHART_COLORS["ink"], linestyle="--")
            axes.set_title(f"{name}\n{texts[name]}")
            axes.set(yticks=[], xlim=(0, end_mm))
        grid[-1].set_xlabel("sample error, mm\n(solid: median, dashed: mean)")
        no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(content, format="svg", metadata=no_metadata)
    described = " ".join(f"{name}: {text}." for name, text in texts.items())
    alt = f"Histograms of the sample errors ({results.metric}). {described}"
    encoded = base64.b64encode(content.getvalue()).decode()
    return f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{encoded}">'


def _describe_distribution(values_mm: Array, end_mm: float) -> str:
    low, median, high = np.quantile(values_mm, (0.05, 0.5, 0.95))
    text = f"median {median:.1f}, mean {values_mm.mean():.1f}\n5 to 95 %: {low:.1f} to {high:.1f}"
    if above := int(np.count_nonzero(values_mm > end_mm)):
        samples = "sample" if above == 1 else "samples"
        text += f"\n{above:,} {samples} above the axis, up to {values_mm.max():.0f} mm"
    return text


def draw_comparison(results: Results, path: Path) -> None:
    """Write a chart of the differences from the expected errors, 1040 pixels wide.

    At half its width, its texts are as large as those of the page. The heading has all numbers; a
    single difference is not drawn. Raises ``ConvNeXtPoseCheckError`` (``cannot-write``).
    """
    variants = {escape_control_chars(name): record for name, record in results.featured.items()}
    heading = "\n".join([
        f"ConvNeXtPose, {results.judged_models}:\n{results.metric}, protocol {results.protocol}",
        _fill(escape_control_chars(results.verdict), max_lines=9),
        *map(_describe_variant, variants, variants.values()),
    ])  # fmt: skip
    lines = 3 + heading.count("\n")
    is_drawn = sum(record.difference_mm is not None for record in variants.values()) > 1
    if is_drawn:
        lines += 2 * len(variants) + 8
    with (
        _open_figure(520, LINE_PX * lines, scale=2) as figure,
        write_atomically(path) as temporary,
    ):
        figure.suptitle(heading, x=0.01, ha="left", fontsize=FONT_PX)
        if is_drawn:
            _draw_differences(figure.subplots(), results, variants)
            figure.legend(loc="outside lower left", ncols=2, handlelength=1.4)
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _draw_differences(
    axes: "Axes", results: Results, variants: Mapping[str, VariantResult]
) -> None:
    """Draw a row per variant: difference and interval, on the tolerance bands."""
    bands: dict[float, str] = {float(mm): word for mm, word in TOLERANCES_MM.items()}
    outside: str = REVIEW
    if results.target == "synthetic":
        bands, outside = {RECORDED_TOLERANCE_MM: "as recorded"}, "not as recorded"
    end_mm, note = 1.3 * max(bands), f"{max(bands):g} mm or more: {outside}"
    for (mm, word), color in reversed([*zip(bands.items(), _BAND_COLORS, strict=False)]):
        axes.axvspan(-mm, mm, facecolor=color, label=f"\N{PLUS-MINUS SIGN}{mm:g} mm: {word}")
    for inner_mm, mm in pairwise([0, *bands]):
        at = ((inner_mm + mm) / 2, 1.01)
        transform = axes.get_xaxis_transform()
        axes.text(*at, f"\N{PLUS-MINUS SIGN}{mm:g}", ha="center", transform=transform)
    axes.axvline(0, color=CHART_COLORS["quiet"], linewidth=1)
    color = SERIES[0]
    for row, record in enumerate(variants.values()):
        if record.difference_mm is None or record.reference_mm is None:
            continue
        at_mm, marker = min(max(record.difference_mm, -end_mm), end_mm), "o"
        if at_mm != record.difference_mm:
            marker = ">" if at_mm > 0 else "<"
        # A recorded error is of the same samples: the interval says nothing about the difference.
        elif record.interval_mm is not None and results.target != "synthetic":
            ends_mm = [end - record.reference_mm for end in record.interval_mm]
            axes.plot(ends_mm, [row, row], marker="|", markersize=9, color=color)
            note = f"line: 95 % interval; {max(bands):g} mm or more: {outside}"
        axes.plot(at_mm, row, marker, markersize=11, color=color, clip_on=False)
    axes.set_yticks(range(len(variants)), [_fill(name, width=NAME_CHARACTERS) for name in variants])
    axes.set(
        xlim=(-end_mm, end_mm), ylim=(len(variants) - 0.5, -0.5),
        xticks=sorted({0, *bands, *(-mm for mm in bands)}),
        xlabel=f"obtained minus expected, mm\n({note})",
    )  # fmt: skip
    axes.xaxis.set_major_formatter(lambda mm, _: f"{mm:+g}" if mm else "0")


def _describe_variant(name: str, record: VariantResult) -> str:
    """Name, error, difference and verdict; the heading has the reason for no verdict."""
    word = variant_badge(record).text if record.verdict else "not judged"
    if record.reference is None:
        return _fill(f"{name}: {record.error_mm:.2f} mm, no reference, {word}")
    source = "paper" if record.reference.kind == "paper" else "expected"
    difference = format_difference(record.difference_mm)
    values = f"{record.error_mm:.2f} mm, {source} {record.reference_mm:.2f}, {difference}"
    return _fill(f"{name}: {values}, {word}")


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
