"""What the person does in each action: where hands, feet and trunk are.

All numbers are for a body of scale 1. Hand positions are relative to the neck in the chest's frame,
foot positions relative to the floor point under the pelvis. A position is (forward, outward, up) in
millimetres; outward is to the right for the right side and to the left for the left side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

Offset = tuple[float, float, float]

HANGING: Offset = (40, 215, -490)
ON_HIP: Offset = (0, 225, -395)
AT_EAR: Offset = (85, 135, 95)
AT_MOUTH: Offset = (190, 25, 25)
ON_KNEE: Offset = (335, 170, -345)
ACROSS: Offset = (185, -40, -215)
BEFORE_FACE: Offset = (310, 85, 75)

ELBOW_DOWN: Offset = (-0.4, 0.5, -1.0)
ELBOW_OUT: Offset = (-0.5, 1.0, 0.0)
KNEE_AHEAD: Offset = (1.0, 0.12, 0.0)
KNEE_UP: Offset = (0.4, 0.15, 1.0)
KNEE_OUT: Offset = (0.4, 1.0, 0.35)


@dataclass(frozen=True)
class Posture:
    """One action's key pose; angles in degrees, positions as the module says."""

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
    """Where the right hand goes and comes back from, once every ``cycle_s`` seconds."""
    cycle_s: float = 2.9
    hand_sway: float = 25
    head_sway: float = 14
    stride: float = 0
    """How far an ankle swings to the front and to the back; 0 for an action on the spot."""
    seat_height: float = 0
    """Of the stool under the person; 0 for none."""


STANDING = Posture()
SEATED = Posture(
    pelvis_height=500,
    seat_height=412,
    pelvis_pitch=-6,
    right_foot=(430, 140, 80),
    left_foot=(390, 150, 80),
    right_knee=KNEE_UP,
    left_knee=KNEE_UP,
    right_hand=ON_KNEE,
    left_hand=ON_KNEE,
)
ON_FLOOR = replace(SEATED, seat_height=0)
WALKING = Posture(pelvis_height=950, stride=265, trunk_pitch=6, hand_sway=15, head_sway=8)

BOTH_SUBACTIONS = {
    2: (
        replace(STANDING, right_hand=(455, 330, 0), trunk_yaw=-12, head_yaw=-25, hand_sway=70),
        replace(
            STANDING,
            right_hand=(330, 290, 250),
            left_hand=ON_HIP,
            left_elbow=ELBOW_OUT,
            head_pitch=-10,
            head_yaw=-20,
            hand_sway=70,
        ),
    ),
    3: (
        replace(STANDING, right_hand=(310, 190, -160), left_hand=(290, 170, -210), hand_sway=110),
        replace(STANDING, right_hand=(260, 230, 40), left_hand=(270, 110, -270), hand_sway=100),
    ),
    4: (
        replace(
            SEATED,
            trunk_pitch=12,
            right_hand=AT_MOUTH,
            right_hand_to=(330, 120, -210),
            left_hand=(330, 60, -240),
        ),
        replace(
            STANDING,
            right_hand=AT_MOUTH,
            right_hand_to=(310, 110, -190),
            left_hand=(300, 70, -220),
            head_pitch=18,
        ),
    ),
    5: (
        replace(STANDING, right_hand=(140, 430, 270), right_hand_to=(140, 230, 390), cycle_s=1.3),
        replace(
            STANDING,
            trunk_pitch=16,
            right_hand=(440, 160, -60),
            right_hand_to=(390, 150, -190),
            cycle_s=1.1,
            head_pitch=14,
        ),
    ),
    6: (
        replace(STANDING, right_hand=AT_EAR, head_pitch=14, hand_sway=12),
        replace(SEATED, right_hand=AT_EAR, left_hand=ACROSS, head_yaw=15, hand_sway=12),
    ),
    7: (
        replace(
            STANDING,
            right_hand=ON_HIP,
            left_hand=ON_HIP,
            right_elbow=ELBOW_OUT,
            left_elbow=ELBOW_OUT,
            right_foot=(60, 190, 80),
            left_foot=(-40, 170, 80),
            pelvis_height=955,
            trunk_yaw=15,
        ),
        replace(
            STANDING,
            right_hand=(-20, 120, 160),
            right_elbow=(0.1, 1.0, 0.5),
            left_hand=ON_HIP,
            left_elbow=ELBOW_OUT,
            right_foot=(140, 120, 80),
            pelvis_height=955,
            trunk_yaw=-20,
        ),
    ),
    8: (
        replace(
            STANDING,
            pelvis_height=830,
            pelvis_pitch=40,
            trunk_pitch=68,
            head_pitch=50,
            right_hand=(440, 120, -170),
            right_hand_to=(350, 140, -330),
            left_hand=(330, 170, -300),
            right_foot=(80, 170, 80),
            left_foot=(-60, 170, 80),
        ),
        replace(
            STANDING,
            pelvis_height=420,
            pelvis_pitch=10,
            trunk_pitch=35,
            head_pitch=32,
            right_hand=(400, 140, -300),
            right_hand_to=(460, 120, -120),
            left_hand=(250, 190, -330),
            right_foot=(120, 160, 80),
            left_foot=(-130, 150, 110),
            right_knee=KNEE_UP,
        ),
    ),
    9: (
        SEATED,
        replace(
            SEATED,
            pelvis_pitch=-14,
            trunk_pitch=-12,
            right_hand=ACROSS,
            left_hand=ACROSS,
            right_foot=(560, 90, 80),
            left_foot=(430, -60, 400),
            left_knee=KNEE_OUT,
        ),
    ),
    10: (
        replace(
            ON_FLOOR,
            pelvis_height=115,
            pelvis_pitch=-18,
            trunk_pitch=-20,
            right_hand=(-190, 260, -420),
            left_hand=(-180, 270, -420),
            right_elbow=ELBOW_OUT,
            left_elbow=ELBOW_OUT,
            right_foot=(830, 150, 75),
            left_foot=(560, 160, 80),
            hand_sway=5,
        ),
        replace(
            ON_FLOOR,
            pelvis_height=120,
            trunk_pitch=15,
            right_hand=(330, 160, -330),
            left_hand=(320, 170, -340),
            right_foot=(330, -90, 75),
            left_foot=(250, -70, 75),
            right_knee=KNEE_OUT,
            left_knee=KNEE_OUT,
        ),
    ),
    11: (
        replace(STANDING, right_hand=AT_MOUTH, right_hand_to=(120, 230, -440), cycle_s=4.3),
        replace(SEATED, right_hand=AT_MOUTH, right_hand_to=(300, 190, -200), cycle_s=3.7),
    ),
    12: (
        replace(
            STANDING, right_hand=BEFORE_FACE, left_hand=BEFORE_FACE, hand_sway=15, head_pitch=4
        ),
        replace(
            STANDING,
            pelvis_height=560,
            pelvis_pitch=12,
            trunk_pitch=22,
            right_hand=BEFORE_FACE,
            left_hand=BEFORE_FACE,
            right_foot=(260, 140, 80),
            left_foot=(-200, 140, 100),
            hand_sway=15,
        ),
    ),
    13: (
        replace(STANDING, right_hand=ACROSS, left_hand=ACROSS, head_sway=28),
        replace(
            STANDING,
            right_hand=ON_HIP,
            right_elbow=ELBOW_OUT,
            right_foot=(110, 160, 80),
            head_sway=28,
            trunk_yaw=14,
        ),
    ),
    14: (WALKING, replace(WALKING, stride=235, pelvis_height=952)),
    15: (
        replace(WALKING, right_hand=(360, 170, -300), stride=240),
        replace(WALKING, right_hand=(430, 220, -190), stride=220, trunk_pitch=10, head_yaw=-20),
    ),
    16: (
        replace(WALKING, head_yaw=40, trunk_yaw=8, stride=230),
        replace(WALKING, head_yaw=-35, right_hand=(150, 420, -190), stride=230),
    ),
}
"""For each action index, the postures of its subactions 1 and 2."""
