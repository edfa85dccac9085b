"""The solids of which a person and a stool are drawn, computed from the joints of any pose.

All coordinates are camera coordinates in mm.
"""

from dataclasses import dataclass

import numpy as np

from convnextpose_check.human36m.geometry import Array, Camera
from convnextpose_check.synthetic.poses import SHIN_MM, THIGH_MM, unit_vector

Color = tuple[float, float, float]
"""Blue, green, red, 0 to 255."""


@dataclass(frozen=True)
class Appearance:
    """A person's colors."""

    skin: Color
    hair: Color
    shirt: Color
    trousers: Color
    shoes: Color


SUBJECT_APPEARANCES = {
    9: Appearance((138, 164, 208), (38, 52, 70), (150, 84, 52), (74, 70, 66), (40, 40, 46)),
    11: Appearance((120, 148, 196), (30, 34, 42), (62, 70, 158), (112, 82, 60), (190, 194, 200)),
}
SIDE_BRIGHTNESS = {1: 1.13, -1: 0.90}
"""Brightness of sleeves, trouser legs and shoes on the left (1) and right (-1)."""
EYES: Color = (42, 40, 44)
WOOD: Color = (70, 104, 140)
STEEL: Color = (92, 90, 88)


@dataclass(frozen=True)
class Solid:
    """The convex hull of two balls, also called a tapered capsule.

    ``stretch`` (3, 3) is a symmetric matrix that maps the drawn solid to such a capsule. With it, a
    ball is drawn as an ellipsoid.
    """

    start_mm: Array
    end_mm: Array
    start_radius_mm: float
    end_radius_mm: float
    color: Color
    stretch: Array | None = None


@dataclass(frozen=True)
class Axes:
    """Unit vectors of a body part: to its left, up and forward."""

    left: Array
    up: Array
    ahead: Array

    def point(self, origin_mm: Array, left: float, up: float, ahead: float) -> Array:
        """The point (3,) at this offset in mm from the origin."""
        point: Array = origin_mm + left * self.left + up * self.up + ahead * self.ahead
        return point

    def stretch_matrix(self, left: float, up: float, ahead: float) -> Array:
        """The ``Solid.stretch`` that scales a ball by these factors along the axes."""
        stretched = np.zeros((3, 3))
        for axis, factor in ((self.left, left), (self.up, up), (self.ahead, ahead)):
            stretched += axis[:, None] * axis[None, :] / factor
        return stretched


def _axes(to_left: Array, to_up: Array) -> Axes:
    """Orthonormal axes: ``to_up`` is normalized, ``to_left`` made perpendicular to it."""
    up = unit_vector(to_up)
    ahead = unit_vector(np.cross(unit_vector(to_left), up))
    return Axes(np.cross(up, ahead), up, ahead)


def _scale_color(color: Color, factor: float) -> Color:
    return (color[0] * factor, color[1] * factor, color[2] * factor)


def body_solids(joints_cam_mm: Array, appearance: Appearance) -> list[Solid]:
    """The solids of a person with these joints (17, 3)."""
    joints = joints_cam_mm
    pelvis = _axes(joints[4] - joints[1], joints[7] - joints[0])
    chest = _axes(joints[11] - joints[14], joints[8] - joints[7])
    solids = _trunk(joints, pelvis, chest, appearance) + _head(joints, chest, appearance)
    for side, leg, arm in ((1, (4, 5, 6), (11, 12, 13)), (-1, (1, 2, 3), (14, 15, 16))):
        solids += _leg(joints[list(leg)], side, pelvis, appearance)
        solids += _arm(joints[list(arm)], side, appearance)
    return solids


def _trunk(joints: Array, pelvis: Axes, chest: Axes, appearance: Appearance) -> list[Solid]:
    flat_hips = pelvis.stretch_matrix(1.0, 1.0, 0.86)
    flat_chest = chest.stretch_matrix(1.0, 1.0, 0.70)
    right_hip, left_hip = pelvis.point(joints[1], 28, 15, -8), pelvis.point(joints[4], -28, 15, -8)
    belt, collar = pelvis.point(joints[0], 0, 105, 0), chest.point(joints[8], 0, -115, 5)
    right, left = chest.point(joints[14], 12, -14, 0), chest.point(joints[11], -12, -14, 0)
    nape = chest.point(joints[8], 0, -18, -8)
    return [
        Solid(right_hip, left_hip, 104.0, 104.0, appearance.trousers, flat_hips),
        Solid(belt, joints[7], 134.0, 138.0, appearance.shirt, flat_chest),
        Solid(joints[7], collar, 138.0, 152.0, appearance.shirt, flat_chest),
        Solid(right, nape, 56.0, 68.0, appearance.shirt),
        Solid(left, nape, 56.0, 68.0, appearance.shirt),
    ]


def _head(joints: Array, chest: Axes, appearance: Appearance) -> list[Solid]:
    neck, nose, top = joints[8], joints[9], joints[10]
    up = unit_vector(top - neck)
    forward = (nose - neck) - ((nose - neck) * up).sum() * up
    # If neck, nose and head are in line, the face has the chest's direction.
    ahead = unit_vector(forward) if (forward * forward).sum() > 25.0 else chest.ahead
    head = _axes(np.cross(up, ahead), up)
    middle = head.point(nose, 0, 10, -60)
    crown = head.point(middle, 0, 19, -22)
    skull = head.stretch_matrix(0.80, 1.12, 1.0)
    throat, chin = chest.point(neck, 0, -20, -5), head.point(middle, 0, -40, -12)
    bridge, tip = head.point(middle, 0, 10, 92), head.point(middle, 0, -20, 102)
    lips = head.point(middle, -20, -52, 77), head.point(middle, 20, -52, 77)
    red = (appearance.skin[0] * 0.72, appearance.skin[1] * 0.70, appearance.skin[2] * 0.92)
    solids = [
        Solid(throat, chin, 60.0, 54.0, appearance.skin),
        Solid(middle, middle, 94.0, 94.0, appearance.skin, skull),
        Solid(crown, crown, 97.0, 97.0, appearance.hair, skull),
        Solid(bridge, tip, 8.0, 14.0, _scale_color(appearance.skin, 0.97)),
        Solid(*lips, 8.0, 8.0, red),
    ]
    for side in (-1, 1):
        eye, ear = head.point(middle, 29 * side, 16, 80), head.point(middle, 75 * side, -8, -4)
        solids.append(Solid(eye, eye, 11.0, 11.0, EYES))
        solids.append(Solid(ear, ear, 21.0, 21.0, _scale_color(appearance.skin, 0.9)))
    return solids


def _arm(joints: Array, side: int, appearance: Appearance) -> list[Solid]:
    """Sleeve, forearm and hand; ``joints`` (3, 3): shoulder, elbow, wrist."""
    shoulder, elbow, wrist = joints
    sleeve = _scale_color(appearance.shirt, SIDE_BRIGHTNESS[side])
    along = unit_vector(wrist - elbow)
    cuff = elbow + 0.12 * (wrist - elbow)
    return [
        Solid(shoulder, elbow, 56.0, 46.0, sleeve),
        Solid(elbow, cuff, 46.0, 45.0, sleeve),
        Solid(cuff, wrist, 41.0, 28.0, appearance.skin),
        Solid(wrist, wrist + 62 * along, 28.0, 36.0, appearance.skin),
        Solid(wrist + 62 * along, wrist + 135 * along, 35.0, 20.0, appearance.skin),
    ]


def _leg(joints: Array, side: int, pelvis: Axes, appearance: Appearance) -> list[Solid]:
    """Thigh, shin and shoe; ``joints`` (3, 3): hip, knee, ankle."""
    hip, knee, ankle = joints
    leg = _scale_color(appearance.trousers, SIDE_BRIGHTNESS[side])
    shoe = _scale_color(appearance.shoes, SIDE_BRIGHTNESS[side])
    # The sole is perpendicular to the shin; the toes point in the knee's direction.
    to_left = np.cross(ankle - knee, hip - knee)
    bend = np.sqrt((to_left * to_left).sum()) / (THIGH_MM * SHIN_MM)
    blended = unit_vector(to_left) * min(1.0, 2.0 * bend) + pelvis.left * max(0.0, 1.0 - 2.0 * bend)
    foot = _axes(blended, knee - ankle)
    heel, ball, toes = (
        foot.point(ankle, 0, up, ahead) for up, ahead in ((-30, -25), (-38, 70), (-48, 155))
    )
    return [
        Solid(hip, knee, 92.0, 62.0, leg),
        Solid(knee, ankle + 0.06 * (knee - ankle), 60.0, 42.0, leg),
        Solid(heel, ball, 46.0, 43.0, shoe),
        Solid(ball, toes, 43.0, 32.0, shoe),
    ]


def stool_solids(pelvis_cam_mm: Array, camera: Camera, seat_height_mm: float) -> list[Solid]:
    """A round stool on the floor below the pelvis (3,)."""
    rotation = camera.rotation.astype(float)
    # The columns of a rotation are the world's axes in camera coordinates.
    left, up = rotation[:, 0], rotation[:, 2]
    axes = Axes(unit_vector(left), unit_vector(up), unit_vector(np.cross(left, up)))
    pelvis_height_mm = ((pelvis_cam_mm - camera.translation_mm.astype(float)) * up).sum()
    foot_mm = axes.point(pelvis_cam_mm, 0, -float(pelvis_height_mm), 0)
    seat_mm, base_mm = axes.point(foot_mm, 0, seat_height_mm - 36, 0), axes.point(foot_mm, 0, 22, 0)
    return [
        Solid(seat_mm, seat_mm, 185.0, 185.0, WOOD, axes.stretch_matrix(1.0, 0.20, 1.0)),
        Solid(seat_mm, base_mm, 30.0, 26.0, STEEL),
        Solid(base_mm, base_mm, 190.0, 190.0, STEEL, axes.stretch_matrix(1.0, 0.13, 1.0)),
    ]
