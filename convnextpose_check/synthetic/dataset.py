"""Writes the synthetic data set in Human3.6M's layout.

Folders, file names, annotations and joint files are as in the real data set. The annotations list
every frame, but only test frames have an image. The bytes are the same on every call.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from convnextpose_check.human36m.geometry import (
    Array,
    Camera,
    camera_to_image,
    square_box,
    world_to_camera,
)
from convnextpose_check.human36m.skeleton import ACTIONS, ANNOTATED_JOINTS
from convnextpose_check.synthetic.body import SUBJECT_APPEARANCES, Solid, body_solids
from convnextpose_check.synthetic.drawing import draw_person
from convnextpose_check.synthetic.poses import pose_world_mm, seat_height_mm
from convnextpose_check.synthetic.room import room_image

SUBJECTS = (9, 11)
TEST_FRAME_STEP = 64
"""Every 64th frame is a test frame, as in the authors' evaluation."""
FIRST_IMAGE_ID = 1_559_752

BOX_GROWTH = 0.07
"""Largest margin between silhouette and box on each side, relative to the size."""

ROTATED_IMAGE = (9, 9, 1, 0)
"""Subject, action, subaction and frame of the one image with an EXIF orientation."""
EXIF_ORIENTATION_6 = bytes.fromhex(
    "ffe1 0022 4578 6966 0000 4d4d 002a 0000 0008 0001 0112 0003 0000 0001 0006 0000 0000 0000"
)
"""An APP1 segment with one entry in its TIFF directory: orientation 6 (90°)."""


@dataclass(frozen=True)
class Sequence:
    """A subject's subaction, recorded by one camera."""

    subject: int
    action: int
    subaction: int
    camera_index: int

    @property
    def name(self) -> str:
        """The name of the folder."""
        return (
            f"s_{self.subject:02d}_act_{self.action:02d}"
            f"_subact_{self.subaction:02d}_ca_{self.camera_index:02d}"
        )

    @property
    def test_frames(self) -> range:
        """The evaluated frames: none, one or two."""
        count = (self.action + self.subaction + self.subject + 1) % 3
        return range(0, TEST_FRAME_STEP * count, TEST_FRAME_STEP)

    @property
    def frames(self) -> range:
        """All frames in the annotations."""
        return range(self.test_frames[-1] + 1)

    @property
    def seed(self) -> int:
        """Seed of the room and the boxes."""
        return self.subject * 100_000 + self.action * 1000 + self.subaction * 10 + self.camera_index

    def file_name(self, frame: int) -> str:
        """Path below ``images``; file numbers start at 1."""
        return f"{self.name}/{self.name}_{frame + 1:06d}.jpg"


def sequences(subject: int) -> Iterator[Sequence]:
    """Yield the subject's sequences that have test frames, in annotation order."""
    for action, subaction in product(ACTIONS, (1, 2)):
        camera_index = 1 + (action + 2 * subaction + subject) % 4
        sequence = Sequence(subject, action, subaction, camera_index)
        if sequence.test_frames:
            yield sequence


def test_image_count() -> int:
    """The number of images that ``write_dataset`` draws."""
    return sum(len(s.test_frames) for subject in SUBJECTS for s in sequences(subject))


def write_dataset(
    root: Path,
    cameras: Mapping[str, Any],
    on_images: Callable[[int], None] = lambda _count: None,
) -> None:
    """Write images, annotations and RootNet's file below ``root``.

    ``cameras`` is the content of ``h36m_cameras.json``. ``on_images`` is called once per sequence,
    with the number of its images.
    """
    image_id = FIRST_IMAGE_ID
    rootnet: list[dict[str, Any]] = []
    for subject in SUBJECTS:
        entries = cameras[f"S{subject}"]
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        joints_3d: dict[str, dict[str, Any]] = {}
        for sequence in sequences(subject):
            entry = entries[str(sequence.camera_index)]
            rng = np.random.Generator(np.random.PCG64(sequence.seed))
            growth = BOX_GROWTH * rng.random((len(sequence.frames), 4))
            poses = {frame: _rounded_pose_mm(sequence, frame) for frame in sequence.frames}
            for frame, joints_world_mm in poses.items():
                if frame in sequence.test_frames:
                    camera = Camera.from_annotation(entry)
                    joints_cam_mm = world_to_camera(joints_world_mm, camera)
                    solids = body_solids(joints_cam_mm, SUBJECT_APPEARANCES[subject])
                    # Frames without an image repeat the box of the previous test frame.
                    box = silhouette_box(solids, camera, growth[frame])
                    rootnet.append(
                        _rootnet_record(image_id, box, joints_cam_mm[0], entry["image_size"])
                    )
                images.append(_image_record(sequence, frame, image_id, entry["image_size"]))
                annotations.append(
                    {
                        "id": image_id,
                        "image_id": image_id,
                        "bbox": box.tolist(),
                        "keypoints_vis": [True] * ANNOTATED_JOINTS,
                    }
                )
                image_id += 1
            joints_3d.setdefault(str(sequence.action), {})[str(sequence.subaction)] = {
                str(frame): joints_world_mm.tolist() for frame, joints_world_mm in poses.items()
            }
        stem = f"annotations/Human36M_subject{subject}"
        _write_json(root / f"{stem}_data.json", {"images": images, "annotations": annotations})
        # The real file has these four fields only.
        fields = {index: {key: entry[key] for key in "Rtfc"} for index, entry in entries.items()}
        _write_json(root / f"{stem}_camera.json", fields)
        _write_json(root / f"{stem}_joint_3d.json", joints_3d)
    _write_json(root / "bbox_root" / "bbox_root_human36m_output.json", rootnet)
    _write_images(root, cameras, on_images)


def _rounded_pose_mm(sequence: Sequence, frame: int) -> Array:
    """World coordinates (17, 3) as in the joint file, in mm."""
    pose = pose_world_mm(sequence.subject, sequence.action, sequence.subaction, frame)
    # Adding 0.0 turns -0.0 into 0.0.
    return np.round(pose, 3) + 0.0


def silhouette_box(solids: list[Solid], camera: Camera, growth: Array) -> Array:
    """Box (x, y, w, h) in px around the solids and these relative margins (4,)."""
    ends_mm = np.array([end for solid in solids for end in (solid.start_mm, solid.end_mm)])
    radii_mm = np.array(
        [radius for solid in solids for radius in (solid.start_radius_mm, solid.end_radius_mm)]
    )
    centers_px = camera_to_image(ends_mm, camera)
    radii_px = (radii_mm / ends_mm[:, 2] * float(camera.focal_px[0]))[:, None]
    low, high = (centers_px - radii_px).min(axis=0), (centers_px + radii_px).max(axis=0)
    size = high - low
    low, high = low - growth[:2] * size, high + growth[2:] * size
    return np.round(np.concatenate([low, high - low]).astype(float), 2)


def _image_record(
    sequence: Sequence, frame: int, image_id: int, size_px: list[int]
) -> dict[str, Any]:
    return {
        "id": image_id,
        "file_name": sequence.file_name(frame),
        "width": size_px[0],
        "height": size_px[1],
        "subject": sequence.subject,
        "action_name": ACTIONS[sequence.action],
        "action_idx": sequence.action,
        "subaction_idx": sequence.subaction,
        "cam_idx": sequence.camera_index,
        "frame_idx": frame,
    }


def _rootnet_record(
    image_id: int, box_xywh_px: Array, root_cam_mm: Array, size_px: list[int]
) -> dict[str, Any]:
    """Box and root as RootNet would estimate them: a few percent and centimeters off."""
    noise = np.random.Generator(np.random.PCG64(image_id)).random(5) * 2.0 - 1.0
    square = square_box(box_xywh_px, size_px[0], size_px[1])
    assert square is not None
    side_px = square[2] * (1.0 + 0.05 * noise[0])
    corner_px = square[:2] + (square[2] - side_px) / 2 + 0.03 * side_px * noise[1:3]
    depth_mm = root_cam_mm[2] + 90.0 * noise[3]
    root_mm = root_cam_mm * (depth_mm / root_cam_mm[2]) + (12.0 * noise[4], 0.0, 0.0)
    return {
        "image_id": image_id,
        "bbox": np.round([*corner_px, side_px, side_px], 2).tolist(),
        "root_cam": np.round(root_mm.astype(float), 2).tolist(),
    }


def _write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")


def _write_images(root: Path, cameras: Mapping[str, Any], on_images: Callable[[int], None]) -> None:
    every = [sequence for subject in SUBJECTS for sequence in sequences(subject)]
    with ThreadPoolExecutor() as pool:
        for images in pool.map(lambda sequence: draw_images(sequence, cameras), every):
            for name, content in images.items():
                path = root / "images" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            on_images(len(images))


def draw_images(sequence: Sequence, cameras: Mapping[str, Any]) -> dict[str, bytes]:
    """Draw the sequence's test frames: JPEG contents by path below ``images``."""
    entry = cameras[f"S{sequence.subject}"][str(sequence.camera_index)]
    camera, (width_px, height_px) = Camera.from_annotation(entry), entry["image_size"]
    room = room_image(camera, width_px, height_px, sequence.seed)
    seat_mm = seat_height_mm(sequence.subject, sequence.action, sequence.subaction)
    images = {}
    for frame in sequence.test_frames:
        joints_cam_mm = world_to_camera(_rounded_pose_mm(sequence, frame), camera)
        appearance = SUBJECT_APPEARANCES[sequence.subject]
        content = encode_jpeg(draw_person(room, joints_cam_mm, camera, appearance, seat_mm))
        if (sequence.subject, sequence.action, sequence.subaction, frame) == ROTATED_IMAGE:
            content = content[:2] + EXIF_ORIENTATION_6 + content[2:]
        images[sequence.file_name(frame)] = content
    return images


def encode_jpeg(image_bgr: Array) -> bytes:
    """Encode an image (H, W, 3) uint8 as JPEG."""
    import cv2

    _, buffer = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, 92])
    return bytes(buffer.tobytes())
