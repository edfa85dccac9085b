"""Human3.6M's joints, bones and actions, in the order of the published models."""

JOINTS = (
    "Pelvis",
    "R_Hip",
    "R_Knee",
    "R_Ankle",
    "L_Hip",
    "L_Knee",
    "L_Ankle",
    "Torso",
    "Neck",
    "Nose",
    "Head",
    "L_Shoulder",
    "L_Elbow",
    "L_Wrist",
    "R_Shoulder",
    "R_Elbow",
    "R_Wrist",
    "Thorax",
)
"""The 17 joints of Human3.6M and the thorax (mean of the shoulders), which the authors append."""

ROOT = JOINTS.index("Pelvis")
LEFT_SHOULDER = JOINTS.index("L_Shoulder")
RIGHT_SHOULDER = JOINTS.index("R_Shoulder")
ANNOTATED_JOINTS = 17
"""Number of joints in the annotations and in the error: all but the thorax."""

FLIP_PAIRS = ((1, 4), (2, 5), (3, 6), (14, 11), (15, 12), (16, 13))
"""Pairs of right and left joints that are exchanged in a mirrored image."""

MIRRORED = tuple(
    next((a + b - joint for a, b in FLIP_PAIRS if joint in (a, b)), joint)
    for joint in range(len(JOINTS))
)
"""Index of each joint's counterpart in a mirrored image."""

BONES = (
    (0, 7), (7, 8), (8, 9), (9, 10), (8, 11), (11, 12), (12, 13), (8, 14),
    (14, 15), (15, 16), (0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (5, 6),
)  # fmt: skip
"""Pairs of joints that are connected in drawn skeletons."""

ACTIONS = {
    2: "Directions",
    3: "Discussion",
    4: "Eating",
    5: "Greeting",
    6: "Phoning",
    7: "Posing",
    8: "Purchases",
    9: "Sitting",
    10: "SittingDown",
    11: "Smoking",
    12: "Photo",
    13: "Waiting",
    14: "Walking",
    15: "WalkDog",
    16: "WalkTogether",
}
"""Action names by Human3.6M's action index."""
