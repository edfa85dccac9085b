"""Labels beside points, where they cover as little as possible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from convnextpose_check.pages.palette import PALETTE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE_PX = 11
_POINT_PX = 6.5
"""Half the side of the square that a point with its ring takes."""

_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
_PLACES = [(far * x, far * y) for far in (1, 1.6, 2.4) for x, y in _DIRECTIONS]
"""Where a label may stand, the preferred first, in steps from the point."""


class _Box(NamedTuple):
    left: float
    bottom: float
    right: float
    top: float

    def shared(self, other: _Box) -> float:
        """The area that both cover."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.top, other.top) - max(self.bottom, other.bottom)
        return max(width, 0) * max(height, 0)


def label_points(
    axes: Axes,
    points: Sequence[tuple[str, float, float]],
    obstacles: Sequence[tuple[float, float]],
    dpi: float,
) -> None:
    """Write each text beside its point ``(text, x, y)``, clear of the obstacles and of the others.

    All are in the data's units. ``dpi`` is the figure's, whose layout has been made.
    """
    scale = 72 / dpi
    frame = _Box(*(scale * edge for edge in axes.get_window_extent().extents))
    taken = []
    for x, y in obstacles:
        centre_x, centre_y = scale * axes.transData.transform((x, y))
        taken.append(_around(centre_x, centre_y, _POINT_PX, _POINT_PX))
    for text, x, y in points:
        centre_x, centre_y = scale * axes.transData.transform((x, y))
        label = axes.annotate(
            text, (x, y), (0, 0), textcoords="offset points", ha="center", va="center",
            fontsize=_SIZE_PX, zorder=5,
        )  # fmt: skip
        label.set_in_layout(False)
        half = 0.55 * scale * label.get_window_extent().width  # other fonts are wider
        offsets = [
            (step_x * (_POINT_PX + 2) + half * _sign(step_x), step_y * (_POINT_PX + 4))
            for step_x, step_y in _PLACES
        ]
        boxes = [_around(centre_x + dx, centre_y + dy, half, 0.6 * _SIZE_PX) for dx, dy in offsets]
        covered = [
            sum(box.shared(other) for other in taken)
            + 100 * (_area(box) - box.shared(frame))
            + 5 * index  # a little covered is better than far away
            for index, box in enumerate(boxes)
        ]
        best = covered.index(min(covered))
        taken.append(boxes[best])
        label.set_position(offsets[best])
        if best >= len(_DIRECTIONS):  # no longer beside its point: a line leads there
            step_x, (dx, dy) = _PLACES[best][0], offsets[best]
            near = (dx - half * _sign(step_x), dy if step_x else dy - _sign(dy) * 0.6 * _SIZE_PX)
            leader = axes.annotate(
                "", (x, y), near, textcoords="offset points",
                arrowprops={"arrowstyle": "-", "color": PALETTE["quiet"], "linewidth": 0.6,
                            "shrinkA": 1, "shrinkB": 3},
            )  # fmt: skip
            leader.set_in_layout(False)


def _around(x: float, y: float, half_width: float, half_height: float) -> _Box:
    return _Box(x - half_width, y - half_height, x + half_width, y + half_height)


def _area(box: _Box) -> float:
    return box.shared(box)


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
