"""The volumes of a person's body around the joints: what the miniature's images show.

Everything is in camera coordinates and millimetres. A body's own directions (to its left, up,
forward) come from the joints, so the volumes follow any pose.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Colour = tuple[float, float, float]
"""Blue, green, red, 0 to 255."""


@dataclass(frozen=True)
class Look:
    """The person's colours and the seed of the room."""

    skin: Colour
    hair: Colour
    shirt: Colour
    trousers: Colour
    shoes: Colour
    room_seed: int = 0


SUBJECT_LOOKS = {
    9: Look((138, 164, 208), (38, 52, 70), (150, 84, 52), (74, 70, 66), (40, 40, 46)),
    11: Look((120, 148, 196), (30, 34, 42), (62, 70, 158), (112, 82, 60), (190, 194, 200)),
}
SIDE_TONE = {1: 1.13, -1: 0.90}
"""Sleeves, trouser legs and shoes are a little lighter on the left (1) than on the right (-1)."""
EYE_COLOUR: Colour = (42, 40, 44)


@dataclass(frozen=True)
class Solid:
    """A ball that moves straight from ``start`` to ``end`` while its radius changes evenly.

    ``stretch`` (3, 3) is a linear map under which the solid is such a swept ball: it makes balls
    into ellipsoids. None leaves the shape as it is.
    """

    start_mm: Array
    end_mm: Array
    start_radius_mm: float
    end_radius_mm: float
    colour: Colour
    stretch: Array | None = None


@dataclass(frozen=True)
class Axes:
    """Unit vectors to a body part's left, up and forward."""

    left: Array
    up: Array
    ahead: Array

    def at(self, origin_mm: Array, left: float, up: float, ahead: float) -> Array:
        """The point at these millimetres from the origin, (3,)."""
        point: Array = origin_mm + left * self.left + up * self.up + ahead * self.ahead
        return point

    def stretch(self, left: float, up: float, ahead: float) -> Array:
        """Map under which a ball is this many times as wide, as high and as deep, (3, 3)."""
        stretched = np.zeros((3, 3))
        for axis, factor in ((self.left, left), (self.up, up), (self.ahead, ahead)):
            stretched += axis[:, None] * axis[None, :] / factor
        return stretched


def unit(vector: Array) -> Array:
    """The vector at length 1."""
    scaled: Array = vector / np.sqrt((vector * vector).sum())
    return scaled


def cross(a: Array, b: Array) -> Array:
    """Vector product of two (3,) vectors, in elementary operations."""
    return np.array(
        (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    )


def _axes(to_left: Array, to_up: Array) -> Axes:
    """Axes that keep the up direction exactly and the left direction as far as possible."""
    up = unit(to_up)
    ahead = unit(cross(unit(to_left), up))
    return Axes(cross(up, ahead), up, ahead)


def _shade(colour: Colour, factor: float) -> Colour:
    """The colour made lighter or darker."""
    return (colour[0] * factor, colour[1] * factor, colour[2] * factor)


def body_solids(joints_cam_mm: Array, look: Look) -> list[Solid]:
    """The solids of a whole person from the joints (17, 3)."""
    joints = joints_cam_mm
    pelvis = _axes(joints[4] - joints[1], joints[7] - joints[0])
    chest = _axes(joints[11] - joints[14], joints[8] - joints[7])
    solids = _trunk(joints, pelvis, chest, look)
    solids += _head(joints, chest, look)
    for side, leg, arm in ((1, (4, 5, 6), (11, 12, 13)), (-1, (1, 2, 3), (14, 15, 16))):
        solids += _leg(joints[list(leg)], side, pelvis, look)
        solids += _arm(joints[list(arm)], side, look)
    return solids


def _trunk(joints: Array, pelvis: Axes, chest: Axes, look: Look) -> list[Solid]:
    flat_hips = pelvis.stretch(1.0, 1.0, 0.86)
    flat_chest = chest.stretch(1.0, 1.0, 0.70)
    belt = pelvis.at(joints[0], 0, 105, 0)
    collar = chest.at(joints[8], 0, -115, 5)
    right, left = joints[14], joints[11]
    return [
        Solid(
            pelvis.at(joints[1], 28, 15, -8),
            pelvis.at(joints[4], -28, 15, -8),
            104.0,
            104.0,
            look.trousers,
            flat_hips,
        ),
        Solid(belt, joints[7], 134.0, 138.0, look.shirt, flat_chest),
        Solid(joints[7], collar, 138.0, 152.0, look.shirt, flat_chest),
        Solid(chest.at(right, 12, -14, 0), chest.at(joints[8], 0, -18, -8), 56.0, 68.0, look.shirt),
        Solid(chest.at(left, -12, -14, 0), chest.at(joints[8], 0, -18, -8), 56.0, 68.0, look.shirt),
    ]


def _head(joints: Array, chest: Axes, look: Look) -> list[Solid]:
    neck, nose, top = joints[8], joints[9], joints[10]
    up = unit(top - neck)
    forward = (nose - neck) - ((nose - neck) * up).sum() * up
    # A nose in line with neck and head says nothing about where the face is.
    ahead = unit(forward) if (forward * forward).sum() > 25.0 else chest.ahead
    head = _axes(cross(up, ahead), up)
    middle = head.at(nose, 0, 10, -60)
    crown = head.at(middle, 0, 19, -22)
    skull = head.stretch(0.80, 1.12, 1.0)
    solids = [
        Solid(chest.at(neck, 0, -20, -5), head.at(middle, 0, -40, -12), 60.0, 54.0, look.skin),
        Solid(middle, middle, 94.0, 94.0, look.skin, skull),
        Solid(crown, crown, 97.0, 97.0, look.hair, skull),
        Solid(
            head.at(middle, 0, 10, 92),
            head.at(middle, 0, -20, 102),
            8.0,
            14.0,
            _shade(look.skin, 0.97),
        ),
        Solid(
            head.at(middle, -20, -52, 77),
            head.at(middle, 20, -52, 77),
            8.0,
            8.0,
            (look.skin[0] * 0.72, look.skin[1] * 0.70, look.skin[2] * 0.92),
        ),
    ]
    for side in (-1, 1):
        eye, ear = head.at(middle, 29 * side, 16, 80), head.at(middle, 75 * side, -8, -4)
        solids.append(Solid(eye, eye, 11.0, 11.0, EYE_COLOUR))
        solids.append(Solid(ear, ear, 21.0, 21.0, _shade(look.skin, 0.9)))
    return solids


def _arm(joints: Array, side: int, look: Look) -> list[Solid]:
    """Sleeve, forearm and hand from shoulder, elbow and wrist (3, 3)."""
    shoulder, elbow, wrist = joints
    sleeve = _shade(look.shirt, SIDE_TONE[side])
    along = unit(wrist - elbow)
    cuff = elbow + 0.12 * (wrist - elbow)
    return [
        Solid(shoulder, elbow, 56.0, 46.0, sleeve),
        Solid(elbow, cuff, 46.0, 45.0, sleeve),
        Solid(cuff, wrist, 41.0, 28.0, look.skin),
        Solid(wrist, wrist + 62 * along, 28.0, 36.0, look.skin),
        Solid(wrist + 62 * along, wrist + 135 * along, 35.0, 20.0, look.skin),
    ]


def _leg(joints: Array, side: int, pelvis: Axes, look: Look) -> list[Solid]:
    """Thigh, shin and shoe from hip, knee and ankle (3, 3)."""
    hip, knee, ankle = joints
    leg = _shade(look.trousers, SIDE_TONE[side])
    shoe = _shade(look.shoes, SIDE_TONE[side])
    # The sole is square to the shin, and the toes point to where the knee does.
    to_left = cross(ankle - knee, hip - knee)
    bend = np.sqrt((to_left * to_left).sum()) / (443.0 * 454.0)
    blended = unit(to_left) * min(1.0, 2.0 * bend) + pelvis.left * max(0.0, 1.0 - 2.0 * bend)
    foot = _axes(blended, knee - ankle)
    return [
        Solid(hip, knee, 92.0, 62.0, leg),
        Solid(knee, ankle + 0.06 * (knee - ankle), 60.0, 42.0, leg),
        Solid(foot.at(ankle, 0, -30, -25), foot.at(ankle, 0, -38, 70), 46.0, 43.0, shoe),
        Solid(foot.at(ankle, 0, -38, 70), foot.at(ankle, 0, -48, 155), 43.0, 32.0, shoe),
    ]
