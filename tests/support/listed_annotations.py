"""Annotation files as long as the real ones: every frame of both subjects is listed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from convnextpose_check.human36m.skeleton import ACTIONS

IMAGES = 550_000
CAMERAS = 4
SUBACTIONS = 2
SIZES = ((1000, 1002), (1000, 1000), (1000, 1000), (1000, 1002))


def write_listed_annotations(root: Path, images: int = IMAGES) -> list[Path]:
    """Write the six files of subjects 9 and 11 below ``root``; some 400 MB by default."""
    folder = root / "annotations"
    folder.mkdir(parents=True)
    chance = random.Random(9)
    frames = images // 2 // (len(ACTIONS) * SUBACTIONS * CAMERAS)
    written = []
    for subject in (9, 11):
        stem = f"Human36M_subject{subject}"
        takes = [(action, subaction) for action in ACTIONS for subaction in (1, SUBACTIONS)]
        places = [
            (action, subaction, camera, frame)
            for action, subaction in takes
            for camera in range(1, CAMERAS + 1)
            for frame in range(frames)
        ]
        for action, subaction, camera, _frame in places[::frames]:
            (root / "images" / _sequence(subject, action, subaction, camera)).mkdir(parents=True)
        first = 1_500_000 if subject == 9 else 1_900_000
        data = folder / f"{stem}_data.json"
        with data.open("w") as stream:
            _write_all(stream.write, '{"images": [', _images(places, subject, first), "]")
            _write_all(stream.write, ', "annotations": [', _boxes(len(places), first, chance), "]}")
        joints = folder / f"{stem}_joint_3d.json"
        with joints.open("w") as stream:
            stream.write("{")
            for index, action in enumerate(ACTIONS):
                stream.write(f'{", " if index else ""}"{action}": {{')
                for subaction in (1, SUBACTIONS):
                    start = f'{", " if subaction > 1 else ""}"{subaction}": {{'
                    _write_all(stream.write, start, _poses(frames, chance), "}")
                stream.write("}")
            stream.write("}")
        cameras = folder / f"{stem}_camera.json"
        cameras.write_text(json.dumps({str(c): _camera() for c in range(1, CAMERAS + 1)}))
        written += [data, joints, cameras]
    return written


def _write_all(write: Callable[[str], object], start: str, parts: Iterator[str], end: str) -> None:
    write(start)
    for index, part in enumerate(parts):
        write(f", {part}" if index else part)
    write(end)


def _sequence(subject: int, action: int, subaction: int, camera: int) -> str:
    return f"s_{subject:02d}_act_{action:02d}_subact_{subaction:02d}_ca_{camera:02d}"


def _images(places: list[tuple[int, int, int, int]], subject: int, first: int) -> Iterator[str]:
    for index, (action, subaction, camera, frame) in enumerate(places):
        sequence = _sequence(subject, action, subaction, camera)
        width, height = SIZES[camera - 1]
        yield (
            f'{{"id": {first + index}, "file_name": "{sequence}/{sequence}_{frame + 1:06d}.jpg",'
            f' "width": {width}, "height": {height}, "subject": {subject}, "action_name":'
            f' "{ACTIONS[action]}", "action_idx": {action}, "subaction_idx": {subaction},'
            f' "cam_idx": {camera}, "frame_idx": {frame}}}'
        )


def _boxes(count: int, first: int, chance: random.Random) -> Iterator[str]:
    seen = ", ".join(["true"] * 17)
    for number in range(first, first + count):
        box = ", ".join(repr(chance.uniform(100, 600)) for _ in range(4))
        ids = f'"id": {number}, "image_id": {number}'
        yield f'{{{ids}, "keypoints_vis": [{seen}], "bbox": [{box}]}}'


def _poses(frames: int, chance: random.Random) -> Iterator[str]:
    some = [repr(chance.uniform(-1500, 1500)) for _ in range(1000)]
    for frame in range(frames):
        picked = chance.choices(some, k=51)
        points = ", ".join(f"[{', '.join(picked[i : i + 3])}]" for i in range(0, 51, 3))
        yield f'"{frame}": [{points}]'


def _camera() -> dict[str, object]:
    return {
        "R": [[1, 0, 0], [0, 0, -1], [0, 1, 0]], "t": [0, 0, 4000], "f": [1145, 1143],
        "c": [512, 515],
    }  # fmt: skip
