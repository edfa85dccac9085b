"""The colours of charts and pages, light and dark, and how each variant is told from the others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

PALETTE = {
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
"""The light palette by CSS name. No two values are alike: a drawn colour leads back to its name.

Text is ``ink`` or ``quiet``. ``line`` is for grid lines alone, which nobody needs to read a chart.
The four series differ for every kind of colour vision and stand out from ``paper`` and the bands.
"""

PALETTE_DARK = {
    "ink": "#ececec",
    "quiet": "#b9b9b9",
    "line": "#43474f",
    "paper": "#16181c",
    "series-1": "#45c8ff",
    "series-2": "#ffbe3c",
    "series-3": "#5aa84e",
    "series-4": "#e06a9f",
    "band-1": "#1d4738",
    "band-2": "#43491f",
    "band-5": "#55401f",
}
"""The same names on a dark ground."""

COLOURS = tuple(name for name in PALETTE if name.startswith("series-"))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")


@dataclass(frozen=True)
class Series:
    """How a variant is drawn: a colour, and a shape and dashes so that colour never tells alone."""

    name: str
    colour: str
    marker: str
    dashes: str


def series_of(names: Iterable[str]) -> dict[str, Series]:
    """A look for each variant; from the fifth on colours return with other markers and dashes."""
    return {
        name: Series(
            name,
            PALETTE[COLOURS[index % len(COLOURS)]],
            MARKERS[index % len(MARKERS)],
            "-" if index < len(COLOURS) else "--",
        )
        for index, name in enumerate(names)
    }


def band_name(tolerance_mm: float) -> str:
    """The CSS name of a tolerance's band; one that is not the guide's is the tightest."""
    name = f"band-{tolerance_mm}"
    return name if name in PALETTE else "band-1"


_PAGE = {
    "shade": ("#f3f4f6", "#23262d"),
    "good-ink": ("#17692b", "#7fd495"),
    "bad-ink": ("#a3141c", "#ff9a9a"),
    "fair-ink": ("#7a4b00", "#f1c27b"),
    "off-0": ("#17692b", "#7fd495"),
    "off-1": ("#b08a00", "#f1d27b"),
    "off-2": ("#d2691e", "#ff9d5c"),
    "off-3": ("#a3141c", "#ff6b6b"),
    "heat-rgb": ("224, 110, 20", "214, 110, 30"),
}
"""Colours that no chart uses, light and dark."""


def css_variables() -> str:
    """The palettes as CSS variables, dark where the reader prefers that."""
    light = {**PALETTE, **{name: pair[0] for name, pair in _PAGE.items()}}
    dark = {**PALETTE_DARK, **{name: pair[1] for name, pair in _PAGE.items()}}

    def declared(palette: dict[str, str]) -> str:
        return "".join(f"--{name}:{colour};" for name, colour in palette.items())

    return (
        f":root{{color-scheme:light dark;{declared(light)}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{declared(dark)}}}}}"
    )
