"""A data set of annotations alone, four cameras at each instant, as Human3.6M has them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from convnextpose_check.human36m.geometry import (
    Camera,
    camera_to_image,
    square_box,
    with_thorax,
    world_to_camera,
)
from convnextpose_check.human36m.layout import Layout
from convnextpose_check.human36m.samples import Dataset, ProtocolFacts, Sample
from convnextpose_check.human36m.skeleton import ACTIONS, ROOT
from convnextpose_check.miniature.dataset import FIRST_IMAGE_ID
from convnextpose_check.miniature.poses import pose_world_mm

SUBJECTS, SUBACTIONS, TAKE_FRAMES, STRIDE = (9, 11), (1, 2), 5, 64
_ACTIONS = (2, 5, 9, 10, 13, 14)


def annotated(fixtures: Path, seed: int = 0, rootnet: bool = False) -> Dataset:
    """Samples of six actions; boxes are wider than the joints by chance.

    RootNet's are further off, and so is its depth.
    """
    chance = np.random.default_rng(seed)
    entries = json.loads((fixtures / "h36m_cameras.json").read_text())
    samples: list[Sample] = []
    for subject in SUBJECTS:
        for action in _ACTIONS:
            for subaction in SUBACTIONS:
                for camera in "1234":
                    entry = entries[f"S{subject}"][camera]
                    name = f"s_{subject:02d}_act_{action:02d}_subact_{subaction:02d}_ca_0{camera}"
                    for number in range(TAKE_FRAMES):
                        frame = number * STRIDE
                        world_mm = pose_world_mm(subject, action, subaction, frame)
                        samples.append(
                            _sample(
                                Camera.from_annotation(entry), world_mm.astype(np.float32),
                                tuple(entry["image_size"]), f"{name}_{frame + 1:06d}.jpg",
                                FIRST_IMAGE_ID + len(samples), chance, rootnet,
                            )
                        )  # fmt: skip
    facts = ProtocolFacts(SUBJECTS, len(samples), {})
    layout = Layout(Path(), {}, {}, ())
    return Dataset(layout, 2, "rootnet" if rootnet else "gt", facts, tuple(samples), (), "", False)


def _sample(
    camera: Camera,
    world_mm: np.ndarray,
    size_px: tuple[int, int],
    name: str,
    image_id: int,
    chance: np.random.Generator,
    rootnet: bool,
) -> Sample:
    joints_mm = world_to_camera(with_thorax(world_mm), camera)
    pixels_px = camera_to_image(joints_mm, camera)
    low, high = pixels_px.min(axis=0), pixels_px.max(axis=0)
    grown = 0.05 * chance.random((2, 2)) * (high - low)
    low, high = low - grown[0], high + grown[1]
    box = square_box(np.array([*low, *(high - low)]), *size_px)
    assert box is not None
    depth_mm = joints_mm[ROOT, 2]
    if rootnet:
        box[:2] += chance.normal(0, 0.02, 2) * box[2]
        depth_mm += np.float32(chance.normal(0, 110))
    subject, action = int(name[2:4]), ACTIONS[int(name[9:11])]
    return Sample(
        image_id, Path(name), size_px, subject, action, camera, box, depth_mm, joints_mm,
        moved_mm=8.0,
    )  # fmt: skip
