"""From a matplotlib figure to an SVG for inlining, or to a picture file.

One point of a figure is one CSS pixel at the nominal size.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from convnextpose_check.pages.palette import PALETTE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_POINTS_PER_INCH = 72
_NAMES = {value: name for name, value in PALETTE.items()}
_NUMBER = re.compile(r"-?\d+\.\d+")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_ID_USED = re.compile(r"(?<=#)[\w-]+")

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


def svg_text(figure: Figure, *, prefix: str, title: str, description: str) -> str:
    """The figure as an ``<svg>`` element to put into an HTML page.

    Every id begins with ``prefix``, colours are CSS variables named as in ``PALETTE`` that fall
    back on its values, and ``description`` stands for the picture where it cannot be seen.
    """
    if not re.fullmatch(r"[A-Za-z][\w-]*", prefix, re.ASCII):
        raise ValueError(f"{prefix!r} cannot begin an id")
    content = io.BytesIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(content, format="svg", facecolor="none", metadata=no_metadata)
    root = ElementTree.fromstring(content.getvalue())
    _drop_style_sheet(root)
    _rename_ids(root, prefix)
    for element in root.iter():
        _tidy(element)
    root.attrib = {
        "xmlns": _SVG,
        "role": "img",
        "aria-label": plain(description),
        "viewBox": root.attrib["viewBox"],
        "width": "100%",
        "stroke-linejoin": "round",  # was in the style sheet
    }
    heading = ElementTree.Element("title")
    heading.text = plain(title)
    root.insert(0, heading)
    return ElementTree.tostring(root, encoding="unicode")


def write_picture(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG on light ground, the same bytes for the same figure."""
    figure.savefig(path, format="png", facecolor=PALETTE["paper"], metadata={"Software": None})


def _drop_style_sheet(root: ElementTree.Element) -> None:
    """Take out matplotlib's style sheet: inlined, it would speak for the whole page."""
    for defs in root.findall(f"{{{_SVG}}}defs"):
        if defs.find(f"{{{_SVG}}}style") is not None:
            root.remove(defs)


def _rename_ids(root: ElementTree.Element, prefix: str) -> None:
    """Keep the ids that something refers to, each under a short name of this chart's own."""
    links = [
        (element, attribute)
        for element in root.iter()
        for attribute in element.attrib
        if attribute == "clip-path" or attribute.endswith("href")
    ]
    used = {match for element, key in links for match in _ID_USED.findall(element.attrib[key])}
    names: dict[str, str] = {}
    for element in root.iter():
        old = element.attrib.pop("id", None)
        if old is not None and old in used:
            element.attrib["id"] = names[old] = f"{prefix}-{len(names) + 1}"
    for element, key in links:
        element.attrib[key] = _ID_USED.sub(lambda m: names[m[0]], element.attrib[key])


def _tidy(element: ElementTree.Element) -> None:
    """Plain tag names, two decimals, no blank text, and colours by name."""
    element.tag = element.tag.rpartition("}")[2]
    for part in ("text", "tail"):
        if not (getattr(element, part) or "").strip():
            setattr(element, part, None)
    attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    for key in {"d", "x", "y", "width", "height", "transform"} & attributes.keys():
        rounded = _NUMBER.sub(lambda m: f"{float(m[0]):.2f}", attributes[key])
        attributes[key] = " ".join(rounded.split())
    if "style" in attributes:
        attributes["style"] = _COLOUR.sub(
            lambda m: f"var(--{_NAMES[m[0]]}, {m[0]})", attributes["style"]
        )
    element.attrib = attributes
