"""A data set of eight small images, and copies of a data set in other folder layouts."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import DatasetFacts, ProtocolFacts
from convnextpose_check.human36m.skeleton import ACTIONS

WIDTH_PX, HEIGHT_PX = 100, 80
ROOTNET = "bbox_root_human36m_output.json"
FRAMES = {9: {(2, 1): (0, 1, 64), (3, 1): (0,)}, 11: {(2, 1): (0,), (16, 2): (0, 63, 128)}}
"""Frames by subject, action and subaction; frames 1 and 63 are not test frames."""
TEST_IDS = {9: (100, 102, 103), 11: (200, 201, 203)}

_NO_SAMPLES = dict.fromkeys(ACTIONS.values(), 0)

FACTS = DatasetFacts(
    about="six hand-made samples",
    frame_stride=64,
    protocols={
        1: ProtocolFacts((11,), 3, _NO_SAMPLES | {"Directions": 1, "WalkTogether": 2}),
        2: ProtocolFacts(
            (9, 11), 6, _NO_SAMPLES | {"Directions": 3, "Discussion": 1, "WalkTogether": 2}
        ),
    },
)


class HandmadeDataset:
    """The contents of a small data set's files, which a test may change before ``write``."""

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        self.data: dict[int, Any] = {}
        self.joints: dict[int, Any] = {}
        self.cameras: dict[int, dict[str, Any]] = {
            subject: {"1": camera_entry()} for subject in FRAMES
        }
        for subject, sequences in FRAMES.items():
            images: list[Any] = []
            self.data[subject] = {"images": images, "annotations": []}
            self.joints[subject] = {}
            for (action, subaction), frames in sequences.items():
                takes = self.joints[subject].setdefault(str(action), {})
                poses = takes.setdefault(str(subaction), {})
                for frame in frames:
                    image_id = (100 if subject == 9 else 200) + len(images)
                    images.append(image_entry(image_id, subject, action, subaction, frame))
                    box = [30.5, 20, 40, 40 + len(images)]
                    annotation = {"id": image_id + 1000, "image_id": image_id, "bbox": box}
                    self.data[subject]["annotations"].append(annotation)
                    poses[str(frame)] = np.round(rng.uniform(-400, 400, (17, 3)), 3).tolist()

        self.rootnet: list[dict[str, Any]] = [
            {"image_id": i, "bbox": [25.25, 15.5, 50.5, 50.5], "root_cam": [1.5, 2.5, 4010.5]}
            for subject in TEST_IDS
            for i in TEST_IDS[subject]
        ]

    def image(self, image_id: int) -> dict[str, Any]:
        images = [image for data in self.data.values() for image in data["images"]]
        return next(image for image in images if image["id"] == image_id)

    def annotation(self, image_id: int) -> dict[str, Any]:
        entries = [entry for data in self.data.values() for entry in data["annotations"]]
        return next(entry for entry in entries if entry["image_id"] == image_id)

    def frame(self, image_id: int) -> Any:
        """The world joints of an image, as a list to change in place."""
        image = self.image(image_id)
        sequence = self.joints[image["subject"]][str(image["action_idx"])]
        return sequence[str(image["subaction_idx"])][str(image["frame_idx"])]

    def write(self, root: Path) -> Path:
        """Write the files below ``root`` in the authors' layout; returns ``root``."""
        import cv2

        for folder in ("annotations", "bbox_root"):
            (root / folder).mkdir(parents=True)
        for subject, data in self.data.items():
            stem = f"Human36M_subject{subject}"
            parts = {
                "data": data,
                "camera": self.cameras[subject],
                "joint_3d": self.joints[subject],
            }
            for part, content in parts.items():
                path = root / "annotations" / f"{stem}_{part}.json"
                path.write_text(json.dumps(content))
            for image in data["images"]:
                path = root / "images" / image["file_name"]
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), make_image(image["id"]))
        (root / "bbox_root" / ROOTNET).write_text(json.dumps(self.rootnet))
        return root


def camera_entry() -> dict[str, Any]:
    """A camera that looks along the world's y axis, 4 m from the origin."""
    return {
        "R": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
        "t": [100.0, -50.0, 4000.0],
        "f": [200.0, 220.0],
        "c": [50.5, 40.25],
    }


def image_entry(
    image_id: int, subject: int, action: int, subaction: int, frame: int, camera: int = 1
) -> dict[str, Any]:
    """An entry of ``images`` in the format of the annotation files."""
    sequence = f"s_{subject:02d}_act_{action:02d}_subact_{subaction:02d}_ca_{camera:02d}"
    return {
        "id": image_id,
        "file_name": f"{sequence}/{sequence}_{frame + 1:06d}.jpg",
        "width": WIDTH_PX,
        "height": HEIGHT_PX,
        "subject": subject,
        "action_name": "any",
        "action_idx": action,
        "subaction_idx": subaction,
        "cam_idx": camera,
        "frame_idx": frame,
    }


def make_image(seed: int) -> Array:
    """An image of random blocks, which differs from its mirror image."""
    blocks = np.random.default_rng(seed).integers(0, 256, (HEIGHT_PX // 10, WIDTH_PX // 10, 3))
    return blocks.astype(np.uint8).repeat(10, axis=0).repeat(10, axis=1)


def rearrange_dataset(source: Path, target: Path, annotations: str, images: dict[int, str]) -> Path:
    """Link the data set in ``source`` into other folders, without RootNet's file.

    ``annotations`` is the folder of the annotation files, ``images`` the folder of each subject's
    sequences, all relative to ``target``. Images are linked one by one, annotations copied.
    """
    (target / annotations).mkdir(parents=True)
    for file in (source / "annotations").iterdir():
        shutil.copyfile(file, target / annotations / file.name)
    for subject, folder in images.items():
        for sequence in (source / "images").glob(f"s_{subject:02d}_*"):
            copied = target / folder / sequence.name
            copied.mkdir(parents=True)
            for image in sequence.iterdir():
                (copied / image.name).symlink_to(image)
    return target


def list_files(root: Path) -> list[tuple[str, int, int, int]]:
    """Path, mode, size and modification time of every file and folder below ``root``."""
    facts = ((path, path.lstat()) for path in sorted(root.rglob("*")))
    return [
        (str(path.relative_to(root)), stat.st_mode, stat.st_size, stat.st_mtime_ns)
        for path, stat in facts
    ]
