"""From a matplotlib figure to an SVG for a page, or to a picture file.

One point of a figure is one CSS pixel at the nominal size.
"""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convnextpose_check.pages.palette import PALETTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS_PER_INCH = 72

_RC: dict[Any, object] = {
    "axes.edgecolor": PALETTE["quiet"],
    "axes.formatter.useoffset": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": PALETTE["ink"],
    "axes.labelsize": 11,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": PALETTE["ink"],
    "axes.unicode_minus": False,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "font.size": 11,
    "grid.color": PALETTE["line"],
    "grid.linewidth": 0.6,
    "legend.borderaxespad": 0.2,
    "legend.borderpad": 0.1,
    "legend.columnspacing": 1.4,
    "legend.fontsize": 11,
    "legend.frameon": False,
    "legend.handletextpad": 0.5,
    "legend.labelcolor": PALETTE["ink"],
    "svg.fonttype": "none",
    "svg.hashsalt": "convnextpose-check",
    "text.color": PALETTE["ink"],
    "text.parse_math": False,  # a dollar in a name is a dollar
    "xtick.color": PALETTE["quiet"],
    "xtick.labelcolor": PALETTE["ink"],
    "xtick.labelsize": 11,
    "ytick.color": PALETTE["quiet"],
    "ytick.labelcolor": PALETTE["ink"],
    "ytick.labelsize": 11,
}


@contextmanager
def canvas(width_px: float, height_px: float, dots_per_px: int = 1) -> Iterator[Figure]:
    """A figure without a ground, drawn in this project's style whatever the user's own is."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Gg]lyph")  # a name in another script
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_RC)
        yield Figure(
            figsize=(width_px / _POINTS_PER_INCH, height_px / _POINTS_PER_INCH),
            dpi=dots_per_px * _POINTS_PER_INCH,
            facecolor="none",
            layout="constrained",
        )


def plain(text: str) -> str:
    """The text without control characters, which no SVG may hold."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def svg_image(figure: Figure, *, description: str) -> str:
    """The figure as an ``<img>`` element with its SVG inside, on a light background.

    The SVG is a document of its own there: its ids and styles do not reach the page.
    """
    content = io.BytesIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(content, format="svg", facecolor=PALETTE["paper"], metadata=no_metadata)
    encoded = base64.b64encode(content.getvalue()).decode()
    return f'<img alt="{escape(plain(description))}" src="data:image/svg+xml;base64,{encoded}">'


def write_picture(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG on light ground, the same bytes for the same figure."""
    figure.savefig(path, format="png", facecolor=PALETTE["paper"], metadata={"Software": None})
