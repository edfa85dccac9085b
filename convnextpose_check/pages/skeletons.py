"""Predicted and true poses as inline SVG: on the crop, and seen from the side."""

from __future__ import annotations

from html import escape

import numpy as np

from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import BONES, FLIP_PAIRS
from convnextpose_check.results.schema import Example
from convnextpose_check.variants import INPUT_SIDE_PX

_RIGHT = {right for right, _ in FLIP_PAIRS}
_LEFT = {left for _, left in FLIP_PAIRS}


def crop_svg(variant: str, example: Example) -> str:
    """The poses on the 256x256 crop, with its image where the results hold it."""
    side, image = INPUT_SIDE_PX, ""
    if example.crop_jpeg is not None:
        source = f"data:image/jpeg;base64,{escape(example.crop_jpeg)}"
        image = f'<image href="{source}" width="{side}" height="{side}"/>'
    poses = (np.array(example.truth_px), np.array(example.predicted_px))
    return _svg(f"{variant}, {example.rank} sample on the crop", image, *poses)


def side_svg(variant: str, example: Example) -> str:
    """The poses seen from the right of the camera, which is on the left of the picture."""
    truth, predicted = np.array(example.truth_mm), np.array(example.predicted_mm)
    both = np.concatenate([truth, predicted])[:, [2, 1]]
    center = (both.min(axis=0) + both.max(axis=0)) / 2
    scale = 0.45 * INPUT_SIDE_PX / max(float(np.abs(both - center).max()), 1.0)
    poses = ((p[:, [2, 1]] - center) * scale + INPUT_SIDE_PX / 2 for p in (truth, predicted))
    return _svg(f"{variant}, {example.rank} sample from the side", "", *poses)


def _svg(label: str, image: str, truth: Array, predicted: Array) -> str:
    side = INPUT_SIDE_PX
    has_image = ' class="on-image"' if image else ""
    return (
        f'<svg{has_image} viewBox="0 0 {side} {side}" role="img" aria-label="{escape(label)}">'
        f'{image}<g class="truth">{_bones(truth)}</g><g class="predicted">{_bones(predicted)}</g>'
        "</svg>"
    )


def _bones(points: Array) -> str:
    """The bones of points (17, 2) as three paths: right, left and middle of the body."""
    paths = {"right": "", "left": "", "middle": ""}
    for a, b in BONES:
        part = "right" if b in _RIGHT else "left" if b in _LEFT else "middle"
        (x1, y1), (x2, y2) = points[a], points[b]
        paths[part] += f"M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"
    return "".join(f'<path class="{part}" d="{path}"/>' for part, path in paths.items())
