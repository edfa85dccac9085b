"""The charts of a run: two for its page, and one picture to pass on."""

from __future__ import annotations

from collections.abc import Mapping

from convnextpose_check.human36m.geometry import Array
from convnextpose_check.pages import distribution, sizes
from convnextpose_check.pages.comparison import PICTURE_NAME, comparison_png
from convnextpose_check.pages.drawing import canvas, plain, svg_text
from convnextpose_check.pages.neighbours import neighbours_of
from convnextpose_check.pages.palette import PALETTE, PALETTE_DARK, series_of
from convnextpose_check.results.schema import Results

__all__ = [
    "PALETTE",
    "PALETTE_DARK",
    "PICTURE_NAME",
    "comparison_png",
    "distribution_svg",
    "size_svg",
]

_COLUMN_PX = 400


def distribution_svg(results: Results, errors_mm: Mapping[str, Array], *, prefix: str) -> str:
    """The distribution of the samples' errors, a row for each variant.

    ``errors_mm`` holds (N,) for each variant: the mean over joints of each sample. ``prefix``
    begins every id. Empty if there is nothing to draw.
    """
    looks = series_of(map(plain, results.variants))
    rows = distribution.spreads({plain(k): v for k, v in errors_mm.items()}, looks)
    if not rows:
        return ""
    row_px = 118 if any(map(distribution.needs_a_line, rows)) else 103
    with canvas(_COLUMN_PX, 80 + row_px * len(rows)) as figure:
        bins = distribution.draw_rows(figure, looks, rows, results.metric)
        words = [distribution.told(name, row, bins) for name, row in rows.items()]
        return svg_text(
            figure,
            prefix=f"{prefix}-distribution",
            title=f"Errors of single samples, {results.metric}",
            description=f"Histograms of the errors of single samples. {' '.join(words)}",
        )


def size_svg(results: Results, *, prefix: str) -> str:
    """Error against multiply-adds and against parameters, obtained and reference.

    ``prefix`` begins every id. Empty if there is nothing to draw.
    """
    variants = {plain(name): record for name, record in results.variants.items()}
    if not variants:
        return ""
    looks, others = series_of(variants), neighbours_of(results)
    texts = {name: sizes.numbers(name, record) for name, record in variants.items()}
    lines = sum(text.count("\n") + 1 for text in texts.values())
    with canvas(_COLUMN_PX, 410 + 16 * lines) as figure:
        panels = list(figure.subplots(2, 1))
        sizes.draw(panels, variants, looks, results.metric, others)
        figure.legend(handles=sizes.key(variants, others), loc="outside upper left", ncols=3)
        figure.legend(handles=sizes.named(looks.values(), texts), loc="outside lower left")
        words = [sizes.told(name, record) for name, record in variants.items()]
        if others is not None:
            words.append(others.told(results.metric))
        return svg_text(
            figure,
            prefix=f"{prefix}-size",
            title=f"{results.metric} against the model's size",
            description=f"{results.metric} against multiply-adds and parameters. {' '.join(words)}",
        )
