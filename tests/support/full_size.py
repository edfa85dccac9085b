"""A data set with as many samples as Human3.6M's test set, and a small user model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import torch

from convnextpose_check.human36m.annotations import Image, SubjectFiles
from convnextpose_check.human36m.layout import PARTS, annotation_name, find_layout
from convnextpose_check.human36m.samples import DatasetFacts
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

CAMERAS = 4


def write_full_size(synthetic: Path, facts: DatasetFacts, root: Path) -> None:
    """Write a data set with the real sample counts and images of the synthetic data.

    A number appended to each image file makes it unique.
    """
    layout = find_layout(synthetic, (9, 11))
    both_counts, counts_11 = facts.protocols[2].per_action, facts.protocols[1].per_action
    next_id = 1
    (root / "annotations").mkdir(parents=True)
    for subject in (9, 11):
        files = SubjectFiles(layout, subject, facts.frame_stride)
        templates = {
            image.action_idx: (image, annotation)
            for image, annotation in files.test_frames
            if annotation is not None
        }
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        joints: dict[str, Any] = {}
        for action, name in ACTIONS.items():
            count = counts_11[name] if subject == 11 else both_counts[name] - counts_11[name]
            image, annotation = templates[action]
            world_mm = files.joints_world_mm(image)
            assert world_mm is not None
            source = layout.sequences[image.file_name.split("/")[0]][0]
            source /= image.file_name.split("/")[1]
            frames = joints.setdefault(str(action), {}).setdefault("1", {})
            for index in range(count):
                frame, camera = 64 * index, image.cam_idx
                sequence = (
                    f"s_{subject:02d}_act_{action:02d}_subact_01_ca_{1 + index % CAMERAS:02d}"
                )
                file_name = f"{sequence}/{sequence}_{frame + 1:06d}.jpg"
                path = root / "images" / file_name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(source.read_bytes() + next_id.to_bytes(4, "big"))
                frames[str(frame)] = world_mm.tolist()
                record = Image(
                    next_id, file_name, image.width, image.height, subject, action, 1, camera, frame
                )
                images.append(msgspec.to_builtins(record))
                annotations.append(
                    {"id": next_id, "image_id": next_id, "bbox": list(annotation.bbox)}
                )
                next_id += 1
        contents = {
            "data": {"images": images, "annotations": annotations},
            "joint_3d": joints,
            "camera": json.loads(layout.annotation_path(subject, "camera").read_text()),
        }
        for part in PARTS:
            path = root / "annotations" / annotation_name(subject, part)
            path.write_text(json.dumps(contents[part]))


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
