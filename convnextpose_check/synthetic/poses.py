"""Computes the joints in world coordinates for every frame of every sequence.

The postures in ``postures.json`` place hands and feet, and inverse kinematics places elbows and
knees, so that feet stay on the floor and a hand reaches the mouth. In body coordinates, x is
forward, y left and z up; the origin is on the floor below the pelvis.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, radians, sin, sqrt
from pathlib import Path

import numpy as np

from convnextpose_check.files.json_files import read_json
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS, MIRRORED

FRAMES_PER_SECOND = 50
SUBJECT_SCALE = {9: 1.02, 11: 0.97}

HIP_MM, THIGH_MM, SHIN_MM = 133.0, 443.0, 454.0
LOWER_TRUNK_MM, UPPER_TRUNK_MM = 233.0, 257.0
NECK_TO_NOSE_MM, NOSE_TO_HEAD_MM = 121.0, 115.0
SHOULDER_MM, UPPER_ARM_MM, FOREARM_MM = 151.0, 279.0, 252.0

ROOM_CENTER_MM = (420.0, 120.0)
"""World x and y of the spot at which all four cameras see a whole person."""
ROAM_RADIUS_MM = 800.0
EDGE_POSITIONS_MM = {
    (9, 13, 2): (1469.0, 1872.0),
    (11, 5, 2): (1558.0, 502.0),
    (11, 12, 1): (-2001.0, -805.0),
}
"""World x and y by subject, action and subaction, at the image border: boxes exceed the image."""
WALK_SPEED_MM_S = 950.0
STEPS_PER_SECOND = 0.85
"""Steps of the same foot per second."""

Number = int | float
"""Kept as in the file: the array of a hand with integers has dtype int, so it sways by whole mm."""
Offset = tuple[Number, Number, Number]
"""Position (forward, outward, up) in mm; outward is to the right on the right side, else left."""

HANGING: Offset = (40, 215, -490)
ELBOW_DOWN: Offset = (-0.4, 0.5, -1.0)
KNEE_AHEAD: Offset = (1.0, 0.12, 0.0)


@dataclass(frozen=True)
class Posture:
    """The pose of a subaction, for a body of scale 1; lengths in mm, angles in degrees.

    Hands are relative to the neck in the chest's axes, feet to the floor point below the pelvis.
    Elbows and knees are directions. The right hand moves to ``right_hand_to`` and back in
    ``cycle_s`` seconds. An ankle swings ``stride`` forward and backward, 0 if the person stands.
    ``seat_height`` is that of the stool, 0 if there is none.
    """

    pelvis_height: float = 966
    pelvis_pitch: float = 0
    trunk_pitch: float = 4
    trunk_yaw: float = 0
    head_pitch: float = 8
    head_yaw: float = 0
    right_hand: Offset = HANGING
    left_hand: Offset = HANGING
    right_elbow: Offset = ELBOW_DOWN
    left_elbow: Offset = ELBOW_DOWN
    right_foot: Offset = (15, 135, 80)
    left_foot: Offset = (-15, 135, 80)
    right_knee: Offset = KNEE_AHEAD
    left_knee: Offset = KNEE_AHEAD
    right_hand_to: Offset | None = None
    cycle_s: float = 2.9
    hand_sway: float = 25
    head_sway: float = 14
    stride: float = 0
    seat_height: float = 0


POSTURES_BY_ACTION = read_json(
    Path(__file__).with_name("postures.json"), dict[int, tuple[Posture, Posture]]
)
"""By action index: the postures of subactions 1 and 2."""


@dataclass(frozen=True)
class Position:
    """World position and heading of a person; the heading is 0 along the x axis."""

    x_mm: float
    y_mm: float
    heading_rad: float


def pose_world_mm(subject: int, action: int, subaction: int, frame: int) -> Array:
    """World coordinates (17, 3) in mm; z is up, the floor is at 0."""
    draws = _random_draws(subject, action, subaction)
    seconds = frame / FRAMES_PER_SECOND
    posture = POSTURES_BY_ACTION[action][subaction - 1]
    position = _standing_position(posture, draws, seconds, action + 17 * subaction + 5 * subject)
    edge = EDGE_POSITIONS_MM.get((subject, action, subaction))
    if edge:
        position = Position(*edge, position.heading_rad)
    return person_world_mm(posture, draws, seconds, SUBJECT_SCALE[subject], position)


def seat_height_mm(subject: int, action: int, subaction: int) -> float:
    """Height of the stool; 0 if there is none."""
    return POSTURES_BY_ACTION[action][subaction - 1].seat_height * SUBJECT_SCALE[subject]


def person_world_mm(
    posture: Posture, draws: tuple[float, ...], seconds: float, scale: float, position: Position
) -> Array:
    """World coordinates (17, 3) in mm of a person in a posture.

    ``draws`` are 64 random numbers in [0, 1), which vary the posture between takes.
    """
    body_mm = _body_pose_mm(posture, draws, seconds)
    if draws[0] < 0.35:  # left-handed people
        body_mm[:, 1] *= -1
        body_mm = body_mm[list(MIRRORED[:ANNOTATED_JOINTS])]
    world_mm = body_mm * scale @ _rotation(position.heading_rad, 0.0, 0.0).T
    return np.asarray(world_mm + np.array([position.x_mm, position.y_mm, 0.0]), dtype=np.float64)


@lru_cache(maxsize=64)
def _random_draws(subject: int, action: int, subaction: int) -> tuple[float, ...]:
    """The 64 random numbers of a take, for ``person_world_mm``."""
    seed = subject * 10_000 + action * 100 + subaction
    return tuple(np.random.Generator(np.random.PCG64(seed)).random(64).tolist())


def _wobble(draws: tuple[float, ...], channel: int, seconds: float) -> float:
    """A slow, aperiodic movement in [-1, 1]; ``channel`` is 0 to 11."""
    first, second, phase_1, phase_2 = draws[8 + 4 * channel : 12 + 4 * channel]
    slow = sin(2 * pi * ((0.10 + 0.12 * first) * seconds + phase_1))
    fast = sin(2 * pi * ((0.27 + 0.22 * second) * seconds + phase_2))
    return 0.65 * slow + 0.35 * fast


def _standing_position(
    posture: Posture, draws: tuple[float, ...], seconds: float, heading_index: int
) -> Position:
    if posture.stride:  # walk in a circle
        radius_mm = ROAM_RADIUS_MM * (0.7 + 0.3 * draws[1])
        sense = 1 if draws[2] < 0.5 else -1
        angle = 2 * pi * draws[3] + sense * WALK_SPEED_MM_S * seconds / radius_mm
        heading_rad = angle + sense * pi / 2
    else:
        radius_mm = ROAM_RADIUS_MM * sqrt(draws[1])
        angle = 2 * pi * draws[3]
        # Multiples of the golden ratio spread few headings evenly.
        heading_rad = 2 * pi * (heading_index * 0.6180339887) + radians(22) * _wobble(
            draws, 0, seconds
        )
    x_mm, y_mm = ROOM_CENTER_MM
    return Position(x_mm + radius_mm * cos(angle), y_mm + radius_mm * sin(angle), heading_rad)


def _body_pose_mm(posture: Posture, draws: tuple[float, ...], seconds: float) -> Array:
    """Body coordinates (17, 3) in mm, at scale 1."""
    step = 2 * pi * (STEPS_PER_SECOND * seconds + draws[4])
    gait = sin(step) if posture.stride else 0.0
    pelvis = _rotation(radians(8) * gait, radians(posture.pelvis_pitch), 0.0)
    trunk = _rotation(
        radians(posture.trunk_yaw + 10 * _wobble(draws, 1, seconds)) - radians(8) * gait,
        radians(posture.trunk_pitch + 5 * _wobble(draws, 2, seconds)),
        radians(4 * _wobble(draws, 3, seconds)),
    )
    head = trunk @ _rotation(
        radians(posture.head_yaw + posture.head_sway * 1.5 * _wobble(draws, 4, seconds)),
        radians(posture.head_pitch - posture.trunk_pitch)
        + radians(posture.head_sway * 0.6 * _wobble(draws, 5, seconds)),
        0.0,
    )
    joints = np.zeros((ANNOTATED_JOINTS, 3))
    bob_mm = 15 * cos(2 * step) if posture.stride else 0.0
    joints[0] = (0.0, 0.0, posture.pelvis_height + bob_mm)
    joints[7] = joints[0] + LOWER_TRUNK_MM * unit_vector(0.6 * pelvis[:, 2] + 0.4 * trunk[:, 2])
    joints[8] = joints[7] + UPPER_TRUNK_MM * trunk[:, 2]
    joints[9] = joints[8] + NECK_TO_NOSE_MM * (head @ (sin(0.47), 0.0, cos(0.47)))
    joints[10] = joints[9] + NOSE_TO_HEAD_MM * (head @ (-sin(0.30), 0.0, cos(0.30)))
    right_hand, left_hand = _wrist_targets(posture, draws, seconds, gait)
    _set_limb(joints, (14, 15, 16), -1, 8, trunk, right_hand, posture.right_elbow)
    _set_limb(joints, (11, 12, 13), 1, 8, trunk, left_hand, posture.left_elbow)
    right_foot = _ankle_target(posture.right_foot, posture.stride, step)
    left_foot = _ankle_target(posture.left_foot, posture.stride, step + pi)
    _set_limb(joints, (1, 2, 3), -1, 0, pelvis, right_foot, posture.right_knee)
    _set_limb(joints, (4, 5, 6), 1, 0, pelvis, left_foot, posture.left_knee)
    return joints


def _wrist_targets(
    posture: Posture, draws: tuple[float, ...], seconds: float, gait: float
) -> tuple[Offset, Offset]:
    """Positions of the right and the left wrist, relative to the neck."""
    right = np.array(posture.right_hand)
    if posture.right_hand_to is not None:
        share = 0.5 - 0.5 * cos(2 * pi * (seconds / posture.cycle_s + draws[5]))
        right = right + share * (np.array(posture.right_hand_to) - right)
    left = np.array(posture.left_hand)
    for channel, hand in ((6, right), (8, left)):
        for axis in (0, 2):
            hand[axis] += posture.hand_sway * _wobble(draws, channel + axis // 2, seconds)
    # Each arm swings against the leg of the same side.
    right[0] -= 190 * gait
    left[0] += 190 * gait
    return (right[0], right[1], right[2]), (left[0], left[1], left[2])


def _ankle_target(standing: Offset, stride_mm: float, step: float) -> Offset:
    """Position of an ankle, relative to the floor below the pelvis."""
    if not stride_mm:
        return standing
    forward = stride_mm * sin(step)
    push_off = max(0.0, -sin(step)) ** 3
    lift = max(0.0, cos(step)) ** 2
    return (forward, 85.0, standing[2] + 110 * lift + 70 * push_off)


def _set_limb(
    joints: Array,
    indices: tuple[int, int, int],
    side: int,
    base: int,
    axes: Array,
    target: Offset,
    bend: Offset,
) -> None:
    """Set the three joints of an arm (``base`` 8) or leg (``base`` 0).

    ``side`` is 1 for left, -1 for right; ``bend`` is the direction of the elbow or knee. A hand's
    target is relative to the neck in the chest's axes, a foot's to the floor.
    """
    is_arm = base == 8
    outward = unit_vector(np.array((0.0, side, -0.12))) if is_arm else np.array((0.0, side, 0.0))
    root = joints[base] + (SHOULDER_MM if is_arm else HIP_MM) * (axes @ outward)
    goal = np.array((target[0], side * target[1], target[2]))
    pole = np.array((bend[0], side * bend[1], bend[2]))
    if is_arm:
        goal, pole = joints[base] + axes @ goal, axes @ pole
    upper_mm, lower_mm = (UPPER_ARM_MM, FOREARM_MM) if is_arm else (THIGH_MM, SHIN_MM)
    joints[indices[0]] = root
    joints[indices[1]], joints[indices[2]] = _two_bone_ik(root, goal, pole, upper_mm, lower_mm)


def _two_bone_ik(
    root: Array, goal: Array, pole: Array, upper_mm: float, lower_mm: float
) -> tuple[Array, Array]:
    """Middle and end joint (3,) of a limb toward ``goal``, within reach; it bends to ``pole``."""
    direction = unit_vector(goal - root)
    reach_mm = sqrt(float(((goal - root) ** 2).sum()))
    reach_mm = min(max(reach_mm, 0.30 * (upper_mm + lower_mm)), 0.995 * (upper_mm + lower_mm))
    along_mm = (upper_mm**2 - lower_mm**2 + reach_mm**2) / (2 * reach_mm)
    aside = unit_vector(pole - (pole * direction).sum() * direction)
    middle = root + along_mm * direction + sqrt(upper_mm**2 - along_mm**2) * aside
    return middle, root + reach_mm * direction


def _rotation(yaw: float, pitch: float, roll: float) -> Array:
    """Rotation matrix (3, 3): roll (x), then pitch (y; positive is forward), then yaw (z)."""
    cz, sz, cy, sy, cx, sx = cos(yaw), sin(yaw), cos(pitch), sin(pitch), cos(roll), sin(roll)
    about_z = np.array(((cz, -sz, 0.0), (sz, cz, 0.0), (0.0, 0.0, 1.0)))
    about_y = np.array(((cy, 0.0, sy), (0.0, 1.0, 0.0), (-sy, 0.0, cy)))
    about_x = np.array(((1.0, 0.0, 0.0), (0.0, cx, -sx), (0.0, sx, cx)))
    rotation: Array = about_z @ about_y @ about_x
    return rotation


def unit_vector(vector: Array) -> Array:
    """Scale the vector to length 1."""
    scaled: Array = vector / sqrt(float((vector * vector).sum()))
    return scaled
