"""Annotation files of real length, which list every frame of both test subjects."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from itertools import product
from pathlib import Path

from convnextpose_check.human36m.skeleton import ACTIONS
from tests.support.datasets import camera_entry, image_entry

IMAGES = 550_000
CAMERAS = (1, 2, 3, 4)
SUBACTIONS = (1, 2)


def write_full_annotations(root: Path, images: int = IMAGES) -> None:
    """Write the six files of subjects 9 and 11 below ``root``, by default about 400 MB."""
    rng = random.Random(9)
    frames = range(images // 2 // (len(ACTIONS) * len(SUBACTIONS) * len(CAMERAS)))
    (root / "annotations").mkdir(parents=True)
    for subject in (9, 11):
        first_id = 1_500_000 if subject == 9 else 1_900_000
        entries = [
            image_entry(first_id + index, subject, action, subaction, frame, camera)
            for index, (action, subaction, camera, frame) in enumerate(
                product(ACTIONS, SUBACTIONS, CAMERAS, frames)
            )
        ]
        for sequence in {entry["file_name"].split("/")[0] for entry in entries}:
            (root / "images" / sequence).mkdir(parents=True)
        boxes = (
            {"id": entry["id"], "image_id": entry["id"], "keypoints_vis": [True] * 17,
             "bbox": [rng.uniform(100, 600) for _ in range(4)]}
            for entry in entries
        )  # fmt: skip
        numbers = [rng.uniform(-1500, 1500) for _ in range(1000)]
        joints = {
            action: {
                subaction: {
                    frame: [rng.choices(numbers, k=3) for _ in range(17)] for frame in frames
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
