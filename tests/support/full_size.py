"""A data set with as many frames as Human3.6M's test subjects, and a small user model."""

import json
import random
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import msgspec
import torch

from convnextpose_check.human36m.samples import DatasetFacts, ProtocolFacts
from convnextpose_check.human36m.skeleton import ACTIONS
from convnextpose_check.network.keymap import add_prefix
from convnextpose_check.network.layout import (
    count_multiply_adds,
    count_parameters,
    count_state_elements,
)
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.synthetic.weights import seeded_state
from convnextpose_check.variants import Architecture
from tests.support.datasets import camera_entry, image_entry, make_image

SUBJECTS, SUBACTIONS, CAMERAS = (9, 11), (1, 2), (1, 2, 3, 4)
FRAMES, FRAME_STRIDE = 2291, 64
TEST_FRAMES = len(range(0, FRAMES, FRAME_STRIDE))
SAMPLES_PER_ACTION = len(SUBJECTS) * len(SUBACTIONS) * len(CAMERAS) * TEST_FRAMES
SAMPLES = len(ACTIONS) * SAMPLES_PER_ACTION
FULL_SIZE_FACTS = DatasetFacts(
    about="550,000 frames",
    frame_stride=FRAME_STRIDE,
    protocols={
        2: ProtocolFacts(SUBJECTS, SAMPLES, dict.fromkeys(ACTIONS.values(), SAMPLES_PER_ACTION))
    },
)


def write_full_size(root: Path) -> None:
    """Write the annotations of every frame, about 400 MB, and an image of each test frame.

    A number appended to each image file makes it unique.
    """
    rng = random.Random(9)
    image = cv2.imencode(".jpg", make_image(0))[1].tobytes()
    (root / "annotations").mkdir(parents=True)
    for subject in SUBJECTS:
        entries = [
            image_entry(subject * 1_000_000 + index, subject, action, subaction, frame, camera)
            for index, (action, subaction, camera, frame) in enumerate(
                product(ACTIONS, SUBACTIONS, CAMERAS, range(FRAMES))
            )
        ]
        for entry in entries:
            if entry["frame_idx"] % FRAME_STRIDE == 0:
                path = root / "images" / entry["file_name"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(image + entry["id"].to_bytes(4, "big"))
        boxes = (
            {"id": entry["id"], "image_id": entry["id"], "keypoints_vis": [True] * 17,
             "bbox": [rng.uniform(10, 40) for _ in range(4)]}
            for entry in entries
        )  # fmt: skip
        numbers = [rng.uniform(-1500, 1500) for _ in range(1000)]
        joints = {
            action: {
                subaction: {
                    frame: [rng.choices(numbers, k=3) for _ in range(17)] for frame in range(FRAMES)
                }
                for subaction in SUBACTIONS
            }
            for action in ACTIONS
        }
        cameras = dict.fromkeys(CAMERAS, camera_entry())
        stem = f"Human36M_subject{subject}"
        with (root / f"annotations/{stem}_data.json").open("w") as stream:
            stream.writelines(('{"images": [', *_join_json(entries), '], "annotations": ['))
            stream.writelines((*_join_json(boxes), "]}"))
        (root / f"annotations/{stem}_joint_3d.json").write_text(json.dumps(joints))
        (root / f"annotations/{stem}_camera.json").write_text(json.dumps(cameras))


def _join_json(entries: Iterable[object]) -> Iterable[str]:
    for index, entry in enumerate(entries):
        yield f"{', ' if index else ''}{json.dumps(entry)}"


def write_own_model(
    architecture: Architecture, folder: Path, name: str = "T", epoch: int = 1, seed: int = 1
) -> dict[str, Any]:
    """Write a seeded checkpoint and return the content of its variants file."""
    state = seeded_state(architecture, seed=seed)
    torch.save({"epoch": epoch, "network": add_prefix(state)}, folder / f"own_{name}.pth")
    network = ConvNeXtPose(architecture)
    variant = {
        "name": name,
        "architecture": msgspec.to_builtins(architecture),
        "parameters": count_parameters(network),
        "state_elements": count_state_elements(state),
        "multiply_adds": count_multiply_adds(network),
        "paper": dict.fromkeys(("parameters_millions", "gmacs", "mpjpe_mm", "pa_mpjpe_mm")),
        "checkpoint": {
            "file_name": f"own_{name}.pth",
            "epoch": {"value": epoch, "source": "a test"},
            "head_keys": "modern",
        },
    }
    return {"about": "The user's own model.", "variants": [variant]}
