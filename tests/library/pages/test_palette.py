"""Colors have enough contrast and differ, also with color vision deficiencies."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from convnextpose_check.human36m.geometry import Array
from convnextpose_check.pages.charts import CHART_COLORS, PAGE_COLORS, SERIES

# Machado, Oliveira and Fernandes (2009), complete deficiencies, for linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "no red cones": [
        [0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green cones": [
        [0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue cones": [
        [1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}  # fmt: skip


def to_linear_rgb(color: str) -> Array:
    """Linear RGB (3,) from 0 to 1."""
    encoded = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def contrast_ratio(one: str, other: str) -> float:
    """WCAG's contrast ratio."""
    low, high = sorted(float(to_linear_rgb(c) @ [0.2126, 0.7152, 0.0722]) for c in (one, other))
    return (high + 0.05) / (low + 0.05)


def to_cielab(rgb: Array) -> Array:
    """CIELAB (3,) of linear RGB under D65."""
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ rgb.clip(0, 1) / [0.9505, 1, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_colors_have_contrast_to_background() -> None:
    for ground in map(CHART_COLORS.__getitem__, ("paper", "band-1", "band-2", "band-5")):
        assert all(contrast_ratio(CHART_COLORS[name], ground) >= 4.5 for name in ("ink", "quiet"))
        assert all(contrast_ratio(color, ground) >= 3 for color in SERIES)
    for scheme in (0, 1):  # light, dark
        lines = [PAGE_COLORS[name][scheme] for name in ("left", "right", "ink", "quiet")]
        assert all(contrast_ratio(color, PAGE_COLORS["shade"][scheme]) >= 3 for color in lines)


@pytest.mark.parametrize("vision", VISIONS)
def test_series_colors_differ_for_every_color_vision(vision: str) -> None:
    seen = [to_cielab(np.array(VISIONS[vision]) @ to_linear_rgb(color)) for color in SERIES]

    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 20
