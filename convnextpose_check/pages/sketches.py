"""Small drawings as inline SVG: a difference to scale, a pose on its crop, a pose in space."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, BONES, FLIP_PAIRS, JOINTS
from convnextpose_check.pages.palette import band_name
from convnextpose_check.results.figures import difference
from convnextpose_check.results.schema import Example, VariantResult
from convnextpose_check.results.words import interval
from convnextpose_check.variants import INPUT_SIDE_PX

SCALE_HALF = 60
"""Half the width of the scale in its own units; its ends are a fifth beyond the widest band."""

TURN, TILT = np.deg2rad(35), np.deg2rad(12)
"""Poses in space are seen from the right of the camera and a little from above."""

SPACE_SIDE = 200

_RIGHT = {right for right, _ in FLIP_PAIRS}
_LEFT = {left for _, left in FLIP_PAIRS}
assert all(JOINTS[joint].startswith("R_") for joint in _RIGHT)


def scale_svg(record: VariantResult, bands_mm: Sequence[float]) -> str:
    """The difference on the bands of the tolerances, with the bootstrap interval as a whisker.

    ``bands_mm`` are the tolerances that were asked about, the tightest first.

    What lies beyond the scale is drawn at its end as an arrowhead.
    """
    if record.difference_mm is None or record.reference_mm is None:
        return ""
    end_mm = 1.2 * max(bands_mm)
    label = f"{difference(record.difference_mm)} mm on bands of {', '.join(map(str, bands_mm))} mm"
    parts = [
        f'<rect class="{band_name(mm)}" x="{-_along(mm, end_mm):.1f}" y="-9"'
        f' width="{2 * _along(mm, end_mm):.1f}" height="18"/>'
        for mm in reversed(bands_mm)
    ]
    parts.append('<line class="zero" x1="0" x2="0" y1="-11" y2="11"/>')
    if record.interval_mm is not None:
        low, high = (_along(end - record.reference_mm, end_mm) for end in record.interval_mm)
        label += f", 95 % interval {interval(record)} mm"
        parts.append(f'<path class="whisker" d="M{low:.1f} 0H{high:.1f}"/>')
    place = _along(record.difference_mm, end_mm)
    if abs(record.difference_mm) > end_mm:
        tip = 6 if place > 0 else -6
        parts.append(f'<path class="point" d="M{place:.1f} 0l{-tip} -5v10z"/>')
    else:
        parts.append(f'<circle class="point" cx="{place:.1f}" r="4"/>')
    return (
        f'<svg class="scale" viewBox="-64 -12 128 24" role="img" aria-label="{escape(label)}">'
        f"<title>{escape(label)}</title>{''.join(parts)}</svg>"
    )


def overlay_svg(variant: str, example: Example) -> str:
    """Prediction (coloured by side) and ground truth (dashed) on the crop."""
    label = (
        f"{variant}, {example.rank} sample: prediction and ground truth on the crop,"
        f" {example.action}, {example.error_mm:.1f} mm"
    )
    side = INPUT_SIDE_PX
    picture = ""
    if example.crop_jpeg is not None:
        source = f"data:image/jpeg;base64,{escape(example.crop_jpeg)}"
        picture = f'<image href="{source}" width="{side}" height="{side}"/>'
    truth, predicted = np.array(example.truth_px), np.array(example.predicted_px)
    return (
        f'<svg class="crop" viewBox="0 0 {side} {side}" role="img" aria-label="{escape(label)}">'
        f"<title>{escape(label)}</title>"
        f'<rect class="ground" width="{side}" height="{side}"/>{picture}'
        f'<g class="truth">{_limbs(truth)}</g><g class="halo">{_limbs(predicted)}</g>'
        f'<g class="predicted">{_limbs(predicted)}</g></svg>'
    )


def space_svg(variant: str, example: Example, shown: str) -> str:
    """``shown`` is "predicted" or "truth"; both are drawn to one scale and from one place."""
    poses = {
        "predicted": _turned(np.array(example.predicted_mm)),
        "truth": _turned(np.array(example.truth_mm)),
    }
    everything = np.concatenate(list(poses.values()))
    low, high = everything.min(axis=0), everything.max(axis=0)
    extent = max(float((high - low).max()) * 1.1, 1.0)
    placed = {
        name: (pose - (low + high) / 2) / extent * SPACE_SIDE + SPACE_SIDE / 2
        for name, pose in poses.items()
    }
    what = "prediction, the ground truth thin behind it" if shown == "predicted" else "ground truth"
    label = f"{variant}, {example.rank} sample in space: {what}"
    ghost = f'<g class="ghost">{_limbs(placed["truth"])}</g>' if shown == "predicted" else ""
    return (
        f'<svg class="space" viewBox="0 0 {SPACE_SIDE} {SPACE_SIDE}" role="img"'
        f' aria-label="{escape(label)}"><title>{escape(label)}</title>{ghost}'
        f'<g class="predicted">{_limbs(placed[shown])}</g></svg>'
    )


def _along(difference_mm: float, end_mm: float) -> float:
    return max(-end_mm, min(end_mm, difference_mm)) / end_mm * SCALE_HALF


def _turned(points_mm: Array) -> Array:
    """Camera axes (J, 3), x right, y down, z away, to the drawing's (J, 2)."""
    x, y, z = points_mm.T
    across = x * np.cos(TURN) + z * np.sin(TURN)
    away = -x * np.sin(TURN) + z * np.cos(TURN)
    down = y * np.cos(TILT) - away * np.sin(TILT)
    return np.stack([across, down], axis=1)


def _limbs(points: Array) -> str:
    """The bones of (17, 2) points as three paths: right, left and middle of the body."""
    bones: dict[str, list[tuple[int, int]]] = {"middle": [], "right": [], "left": []}
    for a, b in BONES:
        side = "right" if b in _RIGHT else "left" if b in _LEFT else "middle"
        bones[side].append((a, b))
    return "".join(
        f'<path class="{side}" d="{"".join(_line(points, *bone) for bone in of_side)}"/>'
        for side, of_side in bones.items()
    )


def _line(points: Sequence[Sequence[float]] | Array, a: int, b: int) -> str:
    assert max(a, b) < ANNOTATED_JOINTS
    return f"M{points[a][0]:.1f} {points[a][1]:.1f}L{points[b][0]:.1f} {points[b][1]:.1f}"
