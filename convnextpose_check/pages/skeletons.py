"""Predicted and true poses as inline SVG: on the crop, and in space, to be turned by report.js."""

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
    kind = "on-image" if image else "on-crop"
    label = f"{variant}, {example.rank} sample on the crop"
    poses = (np.array(example.truth_px), np.array(example.predicted_px))
    return _svg(kind, f"0 0 {side} {side}", label, image, *poses)


def space_svg(variant: str, example: Example) -> str:
    """The poses in space, seen from the right of the camera, which is on the left of the picture.

    The center of both is the origin, so that they stay in the picture however they are turned.
    """
    truth, predicted = np.array(example.truth_mm), np.array(example.predicted_mm)
    both = np.concatenate([truth, predicted])
    center = (both.min(axis=0) + both.max(axis=0)) / 2
    radius_mm = max(float(np.linalg.norm(both - center, axis=1).max()), 1.0)
    poses = ((pose - center) / radius_mm * 95 for pose in (truth, predicted))
    label = f"{variant}, {example.rank} sample in space"
    return _svg("in-space", "-100 -100 200 200", label, "", *poses)


def _svg(kind: str, view_box: str, label: str, image: str, truth: Array, predicted: Array) -> str:
    return (
        f'<svg class="{kind}" viewBox="{view_box}" role="img" aria-label="{escape(label)}">'
        f'{image}<g class="truth">{_bones(truth)}</g><g class="predicted">{_bones(predicted)}</g>'
        "</svg>"
    )


def _bones(points: Array) -> str:
    """The bones of points (17, 2) or (17, 3) as three paths: right, left, middle of the body.

    Of points in space (x right, y down, z away from the camera) ``data-ends`` holds the ends.
    """
    ends: dict[str, list[Array]] = {"right": [], "left": [], "middle": []}
    for a, b in BONES:
        part = "right" if b in _RIGHT else "left" if b in _LEFT else "middle"
        ends[part] += [points[a], points[b]]
    paths = []
    for part, each in ends.items():
        in_space = np.stack(each)
        drawn = in_space if points.shape[1] == 2 else in_space[:, [2, 1]]
        line = "".join(f"{'ML'[i % 2]}{x:.1f},{y:.1f}" for i, (x, y) in enumerate(drawn))
        data = ""
        if points.shape[1] == 3:
            data = f' data-ends="{np.round(in_space, 1).tolist()}"'
        paths.append(f'<path class="{part}"{data} d="{line}"/>')
    return "".join(paths)
