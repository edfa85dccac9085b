"""One picture of a run, to pass on."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from convnextpose_check.files.whole import written_whole
from convnextpose_check.pages.differences import (
    band_key,
    draw_actions,
    draw_differences,
    shown_actions,
)
from convnextpose_check.pages.drawing import canvas, plain, write_picture
from convnextpose_check.pages.palette import Series, series_of
from convnextpose_check.results.figures import starred
from convnextpose_check.results.schema import Results, VariantResult

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.figure import SubFigure
    from matplotlib.lines import Line2D

Place = Literal["lower left", "lower right"]

_WIDTH_PX = 800
_MARGIN_PX = 12
_LETTERS = 102
"""What fits on a line of the heading or of a key."""
_TITLE_PX = 30
_LINE_PX = 17
_SUBJECTS = {
    "published": "The published ConvNeXtPose models",
    "miniature": "The miniature, no published model",
}


def comparison_png(results: Results, path: Path) -> None:
    """Write one picture of the run, 1600 pixels wide: differences and actions.

    Without variants it holds the verdict alone. Raises ``ConvNeXtPoseCheckError``
    (``cannot-write``) where the folder cannot be written.
    """
    variants = {plain(name): record for name, record in starred(results).items()}
    verdict = textwrap.fill(
        plain(results.verdict), _LETTERS, max_lines=6, placeholder=" ...", break_on_hyphens=False
    )
    top_px = 44 + _LINE_PX * (verdict.count("\n") + 1)
    columns = max(1, _LETTERS // (7 + max(map(len, variants), default=1)))
    key_lines = -(-len(variants) // columns)
    rows_px = [
        top_px,
        *(_TITLE_PX, 48 + 38 * len(variants)),
        *(_TITLE_PX + _LINE_PX * key_lines, 44 + 17 * len(shown_actions(variants))),
    ]
    rows_px = rows_px if variants else [top_px]
    with canvas(_WIDTH_PX, sum(rows_px), dots_per_px=2) as figure, written_whole(path) as temporary:
        figure.set_layout_engine("constrained", w_pad=_MARGIN_PX / 72, h_pad=4 / 72)
        parts = figure.subfigures(len(rows_px), 1, height_ratios=rows_px, squeeze=False)[:, 0]
        models = "The user's own models" if results.own_models else _SUBJECTS[results.subject]
        title = f"{models}: {results.metric}, protocol {results.protocol}"
        _write(parts[0], title, 12, top_px, fontsize=16, bold=True)
        _write(parts[0], verdict, 37, top_px, fontsize=12, bold=False)
        if variants:
            _draw(list(parts[1:]), rows_px[1:], variants, results, columns)
        write_picture(figure, temporary)


def _draw(
    parts: list[SubFigure],
    rows_px: list[int],
    variants: Mapping[str, VariantResult],
    results: Results,
    columns: int,
) -> None:
    """The two charts, each below its title and key."""
    looks, metric = series_of(variants), results.metric
    draw_differences(parts[1].add_subplot(), results, variants, looks)
    draw_actions(parts[3].add_subplot(), variants, looks, metric)
    for part, height_px, title in zip(
        parts[::2], rows_px[::2], ("Difference", "Error of each action"), strict=True
    ):
        _write(part, title, 10, height_px, fontsize=13, bold=True)
    _add_key(parts[0], band_key(results), "lower right", 4)
    _add_key(parts[2], _marker_key(looks.values()), "lower left", columns)


def _marker_key(looks: Iterable[Series]) -> list[Line2D]:
    """The variants' markers, each with the variant's name."""
    from matplotlib.lines import Line2D

    return [
        Line2D([], [], linestyle="none", marker=look.marker, markersize=7, color=look.colour,
               label=look.name)
        for look in looks
    ]  # fmt: skip


def _write(
    part: SubFigure, text: str, below_px: float, height_px: float, *, fontsize: float, bold: bool
) -> None:
    """A text at the left edge of a part, this far below its upper edge."""
    part.text(
        _MARGIN_PX / _WIDTH_PX, 1 - below_px / height_px, text, va="top", fontsize=fontsize,
        fontweight="bold" if bold else "normal",
    ).set_in_layout(False)  # fmt: skip


def _add_key(part: SubFigure, handles: Sequence[Artist], place: Place, columns: int) -> None:
    x = _MARGIN_PX / _WIDTH_PX
    key = part.legend(
        handles=handles, loc=place, ncols=columns,
        bbox_to_anchor=(x if "left" in place else 1 - x, 0), handlelength=1.6,
    )  # fmt: skip
    key.set_in_layout(False)
