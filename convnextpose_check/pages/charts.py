"""The two charts: the distribution of single errors in the report, and the picture of a run."""

from __future__ import annotations

import base64
import io
import textwrap
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from convnextpose_check.evaluation.verdict import REVIEW, TOLERANCES_MM
from convnextpose_check.files.whole import written_whole
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ACTIONS
from convnextpose_check.pages.palette import PALETTE, SERIES
from convnextpose_check.results.figures import (
    RECORDED_WITHIN_MM,
    badge,
    difference,
    featured,
)
from convnextpose_check.results.schema import Results, VariantResult
from convnextpose_check.results.words import interval

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

Row = TypeVar("Row")

DISTRIBUTION_WIDTH_PX = 400
PICTURE_WIDTH_PX = 800
PICTURE_SCALE = 2

SHOWN_QUANTILE = 0.995
"""The axis of a distribution ends at this quantile of all samples; the others are counted."""

BINS = 40

AXIS_IN_BANDS = 1.3
"""The axis of differences ends here, in widths of the widest band."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
"""One for each variant, so that color is not the only distinction."""

_BAND_COLORS = (PALETTE["band-1"], PALETTE["band-2"], PALETTE["band-5"])

_LETTERS = 102
"""The letters that fit on a line of the picture's heading."""

_MODELS = {
    "published": "The published ConvNeXtPose models",
    "miniature": "The miniature, no published model",
}

_POINTS_PER_INCH = 72

_STYLE: dict[Any, object] = {
    "axes.axisbelow": True,
    "axes.edgecolor": PALETTE["quiet"],
    "axes.formatter.useoffset": False,
    "axes.labelcolor": PALETTE["ink"],
    "axes.labelsize": 11,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.unicode_minus": False,
    "figure.constrained_layout.w_pad": 0.1,
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 11,
    "grid.color": PALETTE["line"],
    "grid.linewidth": 0.6,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "convnextpose-check",
    "text.color": PALETTE["ink"],
    "text.parse_math": False,  # a dollar in a name is a dollar
    "xtick.labelsize": 11,
    "ytick.labelsize": 11,
    "ytick.major.size": 0,
}


@contextmanager
def _canvas(width_px: float, height_px: float, scale: int = 1) -> Iterator[Figure]:
    """A figure in this project's style, whatever the user's is; one point is one CSS pixel."""
    import matplotlib
    from matplotlib.figure import Figure

    size = (width_px / _POINTS_PER_INCH, height_px / _POINTS_PER_INCH)
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph")  # a name in another script
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        dpi = scale * _POINTS_PER_INCH
        yield Figure(size, dpi, facecolor=PALETTE["paper"], layout="constrained")


def _printable(text: str) -> str:
    """The text without control characters, which no SVG may hold."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def distribution_image(results: Results, errors_mm: Mapping[str, Array]) -> str:
    """Histograms of the samples' errors, one row per featured variant, as an ``<img>``.

    ``errors_mm`` holds (N,) for each variant: the mean over joints of each sample. Empty if there
    is nothing to draw. The numbers of each row are in the alternative text as well.
    """
    rows = {
        _printable(name): errors_mm[name][np.isfinite(errors_mm[name])]
        for name in featured(results)
        if name in errors_mm
    }
    rows = {name: values for name, values in rows.items() if values.size}
    if not rows:
        return ""
    end_mm = max(float(np.quantile(np.concatenate(list(rows.values())), SHOWN_QUANTILE)), 1.0)
    edges_mm = np.linspace(0, end_mm, BINS + 1)
    texts = {name: _row_text(values, end_mm) for name, values in rows.items()}
    with _canvas(DISTRIBUTION_WIDTH_PX, 50 + 130 * len(rows)) as figure:
        grid = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
        for axes, (name, values), color in zip(grid, rows.items(), cycle(SERIES), strict=False):
            axes.hist(values, edges_mm, weights=np.full(values.size, 1 / values.size), color=color)
            axes.axvline(np.median(values), color=PALETTE["ink"])
            axes.axvline(values.mean(), color=PALETTE["ink"], linestyle="--")
            axes.set_title(f"{name}\n{texts[name]}")
            axes.set(yticks=[], xlim=(0, end_mm))
            axes.spines["left"].set_visible(False)
        grid[-1].set_xlabel("error of a sample, mm (solid: median, dashed: mean)")
        content = io.BytesIO()
        no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(content, format="svg", metadata=no_metadata)
    described = " ".join(f"{name}: {text}." for name, text in texts.items())
    alt = f"Histograms of the errors of single samples, {results.metric}. {described}"
    encoded = base64.b64encode(content.getvalue()).decode()
    return f'<img alt="{escape(alt)}" src="data:image/svg+xml;base64,{encoded}">'


def _row_text(values_mm: Array, end_mm: float) -> str:
    low, median, high = np.quantile(values_mm, (0.05, 0.5, 0.95))
    text = f"5 to 95 %: {low:.1f} to {high:.1f}, median {median:.1f}, mean {values_mm.mean():.1f}"
    beyond = int(np.count_nonzero(values_mm > end_mm))
    return f"{text}\n{beyond:,} beyond the axis, up to {values_mm.max():.0f}" if beyond else text


def comparison_png(results: Results, path: Path) -> None:
    """Write one picture of the run, 1600 pixels wide: differences, and errors by action.

    Raises ``ConvNeXtPoseCheckError`` (``cannot-write``).
    """
    variants = {_printable(name): record for name, record in featured(results).items()}
    actions = _actions(variants)
    models = "The user's own models" if results.own_models else _MODELS[results.subject]
    title = f"{models}: {results.metric}, protocol {results.protocol}"
    verdict = textwrap.fill(
        _printable(results.verdict), _LETTERS, max_lines=6, placeholder=" ...",
        break_on_hyphens=False,
    )  # fmt: skip
    rows = (1 + len(variants), 1 + len(actions) / 2)
    height_px = 250 + 17 * verdict.count("\n") + 40 * sum(rows)
    with (
        _canvas(PICTURE_WIDTH_PX, height_px, PICTURE_SCALE) as figure,
        written_whole(path) as temporary,
    ):
        figure.suptitle(f"{title}\n{verdict}", x=0.01, ha="left", fontsize=12)
        upper, lower = figure.subplots(2, 1, height_ratios=rows)
        _draw_differences(upper, results, variants)
        _draw_actions(lower, results, variants, actions)
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _draw_differences(axes: Axes, results: Results, variants: Mapping[str, VariantResult]) -> None:
    """A row for each variant: its difference on the tolerance bands, its interval, the numbers."""
    bands = _bands(results)
    end_mm = AXIS_IN_BANDS * max(bands)
    for (mm, _), color in reversed(list(zip(bands.items(), _BAND_COLORS, strict=False))):
        axes.axvspan(-mm, mm, color=color, linewidth=0)
    axes.axvline(0, color=PALETTE["quiet"], linewidth=1)
    for row, (record, color, marker) in enumerate(_styled(variants.values())):
        if record.difference_mm is not None and record.reference_mm is not None:
            at_mm = min(max(record.difference_mm, -end_mm), end_mm)
            if at_mm != record.difference_mm:
                marker = ">" if at_mm > 0 else "<"
            axes.plot(at_mm, row, marker, markersize=9, color=color, clip_on=False)
            if record.interval_mm is not None:
                ends_mm = [end - record.reference_mm for end in record.interval_mm]
                axes.plot(ends_mm, [row, row], marker="|", markersize=7, color=color)
        axes.text(
            1.02, row, _row_numbers(record), transform=axes.get_yaxis_transform(), va="center"
        )
    edges_mm = [0, *bands]
    names = [textwrap.fill(name, 17, break_on_hyphens=False) for name in variants]
    axes.set_yticks(range(len(variants)), names)
    axes.set(
        xlim=(-end_mm, end_mm), ylim=(len(variants) - 0.5, -0.5),
        xticks=sorted({*edges_mm, *(-mm for mm in edges_mm)}),
        xlabel="obtained minus expected, mm",
    )  # fmt: skip
    axes.xaxis.set_major_formatter(lambda mm, _: f"{mm:+g}" if mm else "0")
    _add_key(axes, _band_key(results))


def _draw_actions(
    axes: Axes, results: Results, variants: Mapping[str, VariantResult], actions: Sequence[str]
) -> None:
    """A row for each action, a point for each variant."""
    rows = {action: row for row, action in enumerate(actions)}
    for (name, record), color, marker in _styled(variants.items()):
        axes.plot(
            list(record.per_action_mm.values()), [rows[a] for a in record.per_action_mm], marker,
            markersize=7, color=color, label=name,
        )  # fmt: skip
    axes.set_yticks(range(len(actions)), list(map(_printable, actions)))
    axes.set(ylim=(len(actions) - 0.4, -0.6), xlabel=f"{results.metric} of each action, mm")
    axes.grid(visible=True)
    _add_key(axes, list(axes.lines))


def _add_key(axes: Axes, handles: Sequence[Artist]) -> None:
    """A key above the axes that begins at the left edge of the picture."""
    from matplotlib.transforms import blended_transform_factory

    figure = axes.get_figure(root=True)
    assert figure is not None
    axes.legend(
        handles=handles, loc="lower left", ncols=4, borderpad=0, handlelength=1.4,
        bbox_to_anchor=(0.01, 1.01),
        bbox_transform=blended_transform_factory(figure.transFigure, axes.transAxes),
    ).set_in_layout(False)  # fmt: skip
    axes.set_title(" " + "\n" * ((len(handles) - 1) // 4))  # room for the key


def _styled(rows: Iterable[Row]) -> Iterator[tuple[Row, str, str]]:
    """Each row with the color and the marker of its variant."""
    return zip(rows, cycle(SERIES), cycle(MARKERS), strict=False)


def _actions(variants: Mapping[str, VariantResult]) -> list[str]:
    """The actions that any variant has, in Human3.6M's order."""
    found = dict.fromkeys(action for record in variants.values() for action in record.per_action_mm)
    known = [action for action in ACTIONS.values() if action in found]
    return known + [action for action in found if action not in known]


def _bands(results: Results) -> dict[float, str]:
    """The tolerances, the tightest first, each with the verdict below it."""
    if results.subject == "miniature":
        return {RECORDED_WITHIN_MM: "as recorded"}
    return {float(mm): word for mm, word in TOLERANCES_MM.items()}


def _band_key(results: Results) -> list[Patch]:
    from matplotlib.patches import Patch

    bands = _bands(results)
    entries = [
        (color, f"below {mm:g} mm: {word}")
        for (mm, word), color in zip(bands.items(), _BAND_COLORS, strict=False)
    ]
    beyond = REVIEW if results.subject == "published" else "not as recorded"
    entries.append((PALETTE["paper"], f"from {max(bands):g} mm: {beyond}"))
    return [
        Patch(facecolor=color, edgecolor=PALETTE["quiet"], linewidth=0.6, label=text)
        for color, text in entries
    ]


def _row_numbers(record: VariantResult) -> str:
    """The verdict, the difference and the error; the reason for no verdict is in the heading."""
    word = badge(record).text if record.verdict else "not judged"
    if record.reference is None:
        return f"{word}, no reference\n{record.error_mm:.2f}; 95 %: {interval(record, 2)}"
    source = "paper" if record.reference.kind == "paper" else "expected"
    return (
        f"{difference(record.difference_mm)} mm, {word}\n"
        f"{record.error_mm:.2f}, {source} {record.reference_mm:.2f}; 95 %: {interval(record, 2)}"
    )
