"""Small drawings as inline SVG: a difference to scale, a pose on its crop, a pose in space."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape

import numpy as np

from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import BONES, FLIP_PAIRS, JOINTS
from convnextpose_check.pages.palette import band_name
from convnextpose_check.results.figures import difference
from convnextpose_check.results.schema import Example, VariantResult
from convnextpose_check.results.words import interval
from convnextpose_check.variants import INPUT_SIDE_PX

SCALE_HALF = 60
"""Half the width of the scale in its own units; its ends are a fifth beyond the widest band."""

TURN, TILT = 35, 12
"""Degrees: poses in space are first seen from the right of the camera and a little from above."""

ERROR_BOUNDS_MM = (25, 50, 100)
"""Where the colour and the size of a joint change with its error."""

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
        if low > -SCALE_HALF or high < SCALE_HALF:  # a line through all of it would say nothing
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


def space_svg(variant: str, example: Example) -> str:
    """The prediction over the ground truth on a floor, its joints coloured by their error.

    A still picture that the page's script turns: it places every part anew from ``data-pose``.
    """
    predicted, truth = np.array(example.predicted_mm), np.array(example.truth_mm)
    both = np.concatenate([predicted, truth])
    centre = (both.min(axis=0) + both.max(axis=0)) / 2
    radius = 1.08 * max(float(np.linalg.norm(both - centre, axis=1).max()), 1.0)
    predicted, truth, down = predicted - centre, truth - centre, float((truth - centre)[:, 1].max())
    errors_mm = np.linalg.norm(predicted - truth, axis=1)
    lines: dict[str, list[Array]] = {"floor": _floor(0.55 * radius, down)}
    for name, pose in (("truth", truth), ("predicted", predicted)):
        for side, bones in _bones().items():
            lines[f"{name} {side}"] = [pose[[*bone]] for bone in bones]
    joints = {
        f"joint {_error_class(mm)} {JOINTS[index]}": predicted[index]
        for index, mm in enumerate(errors_mm)
    }
    parts = {name: np.round(points, 1).tolist() for name, points in (lines | joints).items()}
    worst = int(errors_mm.argmax())
    label = (
        f"{variant}, {example.rank} sample in space: prediction over ground truth;"
        f" {JOINTS[worst].replace('_', ' ')} is the farthest off, {errors_mm[worst]:.0f} mm"
    )
    pose = json.dumps({"parts": parts, "radius": round(radius, 1), "side": SPACE_SIDE})
    drawn = [
        f'<path class="{name}" data-part="{name}"'
        f' d="{"".join(_between(*_placed(line, radius)) for line in bones)}"/>'
        for name, bones in lines.items()
    ]
    for name, point in joints.items():
        x, y = _placed(point[None], radius)[0]
        drawn.append(
            f'<circle class="{name.rpartition(" ")[0]}" data-part="{name}" cx="{x:.1f}"'
            f' cy="{y:.1f}" r="{3 + int(name.split()[1][-1])}"/>'
        )
    return (
        f'<svg class="space" viewBox="0 0 {SPACE_SIDE} {SPACE_SIDE}" role="img"'
        f' aria-label="{escape(label)}" data-turn="{TURN}" data-tilt="{TILT}"'
        f' data-pose="{escape(pose)}"><title>{escape(label)}</title>{"".join(drawn)}</svg>'
    )


def _floor(half: float, down: float) -> list[Array]:
    """The lines of a square floor, each two points (3,)."""
    places = np.linspace(-half, half, 5)
    return [
        np.array(ends)
        for at in places
        for ends in (
            [(at, down, -half), (at, down, half)],
            [(-half, down, at), (half, down, at)],
        )
    ]


def _bones() -> dict[str, list[tuple[int, int]]]:
    """The bones by the side of the body."""
    bones: dict[str, list[tuple[int, int]]] = {"middle": [], "right": [], "left": []}
    for a, b in BONES:
        bones["right" if b in _RIGHT else "left" if b in _LEFT else "middle"].append((a, b))
    return bones


def _error_class(error_mm: float) -> str:
    """The class of a joint's colour: how many of the bounds its error reaches."""
    return f"off-{sum(error_mm >= bound for bound in ERROR_BOUNDS_MM)}"


def _placed(points_mm: Array, radius: float) -> Array:
    """Points (J, 3) about the centre, in the drawing's units (J, 2)."""
    return (_turned(points_mm) / radius + 1) * SPACE_SIDE / 2


def _along(difference_mm: float, end_mm: float) -> float:
    return max(-end_mm, min(end_mm, difference_mm)) / end_mm * SCALE_HALF


def _turned(points_mm: Array) -> Array:
    """Camera axes (J, 3), x right, y down, z away, to the drawing's (J, 2)."""
    x, y, z = points_mm.T
    turn, tilt = np.deg2rad(TURN), np.deg2rad(TILT)
    across = x * np.cos(turn) + z * np.sin(turn)
    away = -x * np.sin(turn) + z * np.cos(turn)
    down = y * np.cos(tilt) - away * np.sin(tilt)
    return np.stack([across, down], axis=1)


def _limbs(points: Array) -> str:
    """The bones of (17, 2) points as three paths: right, left and middle of the body."""
    return "".join(
        f'<path class="{side}" d="{"".join(_between(points[a], points[b]) for a, b in bones)}"/>'
        for side, bones in _bones().items()
    )


def _between(start: Array, end: Array) -> str:
    return f"M{start[0]:.1f} {start[1]:.1f}L{end[0]:.1f} {end[1]:.1f}"
