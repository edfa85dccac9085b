"""The colors of charts and pages, in the light and the dark scheme."""

from __future__ import annotations

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
"""The colors of charts by CSS name. Text is ``ink`` or ``quiet``.

The four series differ for every kind of color vision and stand out from ``paper`` and the bands.
"""

SERIES = tuple(color for name, color in PALETTE.items() if name.startswith("series-"))

PAGE = {
    "ink": (PALETTE["ink"], "#ececec"),
    "quiet": (PALETTE["quiet"], "#b9b9b9"),
    "line": (PALETTE["line"], "#43474f"),
    "paper": (PALETTE["paper"], "#16181c"),
    "shade": ("#f3f4f6", "#23262d"),
    "left": (PALETTE["series-1"], "#45c8ff"),
    "right": (PALETTE["series-2"], "#ffbe3c"),
    "good-ink": ("#17692b", "#7fd495"),
    "bad-ink": ("#a3141c", "#ff9a9a"),
    "fair-ink": ("#7a4b00", "#f1c27b"),
    "heat-rgb": ("224, 110, 20", "214, 110, 30"),
}
"""The colors of pages by CSS name, light and dark."""


def css_variables() -> str:
    """The colors of pages as CSS variables, dark where the reader prefers that."""
    light, dark = (
        "".join(f"--{name}:{colors[scheme]};" for name, colors in PAGE.items()) for scheme in (0, 1)
    )
    return (
        f":root{{color-scheme:light dark;{light}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
    )
