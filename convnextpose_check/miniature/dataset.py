"""Writes the miniature data set in the layout of the authors' Human3.6M.

Sequences, file names, annotations and joint files are as in the real set; every frame is listed,
but only the test frames have an image. The same call always writes the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convnextpose_check.human36m.geometry import (
    Camera,
    camera_to_image,
    square_box,
    world_to_camera,
)
from convnextpose_check.human36m.skeleton import ACTIONS, ANNOTATED_JOINTS
from convnextpose_check.miniature.body import SUBJECT_LOOKS, Solid, body_solids
from convnextpose_check.miniature.drawing import draw_person
from convnextpose_check.miniature.poses import pose_world_mm, seat_height_mm

Array = NDArray[Any]

SUBJECTS = (9, 11)
SUBACTIONS = (1, 2)
TEST_FRAME_STEP = 64
"""The evaluation takes the frames whose index this number divides."""
FIRST_IMAGE_ID = 1_559_752

BOX_GROWTH = 0.07
"""Each side of a box lies outside the silhouette by up to this share of the box's size."""

JPEG_QUALITY = 92
TURNED_IMAGE = (9, 9, 1, 0)
"""Subject, action, subaction and frame of the one image with an EXIF orientation."""
EXIF_QUARTER_TURN = bytes.fromhex(
    "ffe1 0022"  # APP1, 34 bytes
    "4578 6966 0000"  # "Exif"
    "4d4d 002a 0000 0008"  # TIFF, big-endian, directory at byte 8
    "0001 0112 0003 0000 0001 0006 0000"  # one entry: orientation, short, 1 value, 6
    "0000 0000"  # no further directory
)


@dataclass(frozen=True)
class Sequence:
    """One recording: a subject's subaction as one camera saw it."""

    subject: int
    action: int
    subaction: int
    camera_index: int

    @property
    def name(self) -> str:
        """The folder's name."""
        return (
            f"s_{self.subject:02d}_act_{self.action:02d}"
            f"_subact_{self.subaction:02d}_ca_{self.camera_index:02d}"
        )

    @property
    def test_frames(self) -> range:
        """The frames that the evaluation takes."""
        count = 1 + (self.action + self.subaction + self.subject) % 3
        return range(0, TEST_FRAME_STEP * count, TEST_FRAME_STEP)

    @property
    def frames(self) -> range:
        """All frames that are listed."""
        return range(self.test_frames[-1] + 1)

    @property
    def seed(self) -> int:
        """A number of the sequence's own."""
        return self.subject * 100_000 + self.action * 1000 + self.subaction * 10 + self.camera_index

    def file_name(self, frame: int) -> str:
        """The image's path below ``images``; files are numbered from 1."""
        return f"{self.name}/{self.name}_{frame + 1:06d}.jpg"


def sequences(subject: int) -> Iterator[Sequence]:
    """The subject's sequences in the order of the annotation files."""
    for action in ACTIONS:
        for subaction in SUBACTIONS:
            yield Sequence(subject, action, subaction, 1 + (action + 2 * subaction + subject) % 4)


def test_image_count() -> int:
    """How many images ``write_dataset`` draws."""
    return sum(len(s.test_frames) for subject in SUBJECTS for s in sequences(subject))


def write_dataset(
    root: Path,
    cameras: Mapping[str, Any],
    on_image: Callable[[int], None] = lambda _count: None,
) -> None:
    """Write images, annotations and RootNet's file below ``root``.

    ``cameras`` is the content of ``h36m_cameras.json``. ``on_image`` is called with 1
    after each image.
    """
    image_id = FIRST_IMAGE_ID
    rootnet: list[dict[str, Any]] = []
    for subject in SUBJECTS:
        entries = cameras[f"S{subject}"]
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        joints_3d: dict[str, dict[str, dict[str, Any]]] = {}
        for sequence in sequences(subject):
            camera = Camera.from_annotation(entries[str(sequence.camera_index)])
            size_px = tuple(entries[str(sequence.camera_index)]["image_size"])
            chance = np.random.Generator(np.random.PCG64(sequence.seed))
            growth = BOX_GROWTH * chance.random((len(sequence.frames), 4))
            poses: dict[str, Any] = {}
            for frame in sequence.frames:
                joints_world_mm = _written_pose(sequence, frame)
                joints_cam_mm = world_to_camera(joints_world_mm, camera)
                solids = body_solids(joints_cam_mm, SUBJECT_LOOKS[subject])
                box = silhouette_box(solids, camera, growth[frame])
                poses[str(frame)] = joints_world_mm.tolist()
                images.append(_image_record(sequence, frame, image_id, size_px))
                annotations.append(_annotation_record(image_id, box))
                if frame in sequence.test_frames:
                    rootnet.append(_rootnet_record(image_id, box, joints_cam_mm[0], size_px))
                    _write_image(root, sequence, frame, joints_cam_mm, camera, size_px)
                    on_image(1)
                image_id += 1
            joints_3d.setdefault(str(sequence.action), {})[str(sequence.subaction)] = poses
        stem = root / "annotations" / f"Human36M_subject{subject}"
        _write_json(f"{stem}_data.json", {"images": images, "annotations": annotations})
        _write_json(f"{stem}_camera.json", _camera_records(entries))
        _write_json(f"{stem}_joint_3d.json", joints_3d)
    _write_json(str(root / "bbox_root" / "bbox_root_human36m_output.json"), rootnet)


def _written_pose(sequence: Sequence, frame: int) -> Array:
    """The joints (17, 3) in world millimetres as the joint file holds them."""
    pose = pose_world_mm(sequence.subject, sequence.action, sequence.subaction, frame)
    # Adding zero turns a negative zero into a plain one.
    return np.round(pose, 3) + 0.0


def silhouette_box(solids: list[Solid], camera: Camera, growth: Array) -> Array:
    """Box (x, y, w, h) in pixels around the person; it may reach over the image's border."""
    ends_mm = np.array([end for solid in solids for end in (solid.start_mm, solid.end_mm)])
    radii_mm = np.array(
        [radius for solid in solids for radius in (solid.start_radius_mm, solid.end_radius_mm)]
    )
    centres_px = camera_to_image(ends_mm, camera)
    radii_px = (radii_mm / ends_mm[:, 2] * float(camera.focal_px[0]))[:, None]
    low, high = (centres_px - radii_px).min(axis=0), (centres_px + radii_px).max(axis=0)
    size = high - low
    low, high = low - growth[:2] * size, high + growth[2:] * size
    return np.round(np.concatenate([low, high - low]).astype(float), 2)


def _image_record(
    sequence: Sequence, frame: int, image_id: int, size_px: tuple[int, ...]
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


def _annotation_record(image_id: int, box_xywh_px: Array) -> dict[str, Any]:
    return {
        "id": image_id,
        "image_id": image_id,
        "bbox": box_xywh_px.tolist(),
        "keypoints_vis": [True] * ANNOTATED_JOINTS,
    }


def _rootnet_record(
    image_id: int, box_xywh_px: Array, root_cam_mm: Array, size_px: tuple[int, ...]
) -> dict[str, Any]:
    """A detector's square box and a root estimate: the truth, a few percent and centimetres off."""
    chance = np.random.Generator(np.random.PCG64(image_id)).random(5) * 2.0 - 1.0
    square = square_box(box_xywh_px, size_px[0], size_px[1])
    if square is None:
        raise ValueError(f"the box of image {image_id} has no area inside the image")
    side_px = square[2] * (1.0 + 0.05 * chance[0])
    corner_px = square[:2] + (square[2] - side_px) / 2 + 0.03 * side_px * chance[1:3]
    depth_mm = root_cam_mm[2] + 90.0 * chance[3]
    root_mm = root_cam_mm * (depth_mm / root_cam_mm[2]) + (12.0 * chance[4], 0.0, 0.0)
    return {
        "image_id": image_id,
        "bbox": np.round([*corner_px, side_px, side_px], 2).tolist(),
        "root_cam": np.round(root_mm.astype(float), 2).tolist(),
    }


def _camera_records(entries: Mapping[str, Any]) -> dict[str, Any]:
    """The cameras without what the real file does not hold."""
    return {index: {key: entry[key] for key in "Rtfc"} for index, entry in entries.items()}


def jpeg(image_bgr: Array) -> bytes:
    """The image (H, W, 3) uint8 as a JPEG file's content."""
    import cv2

    encoded, buffer = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not encoded:
        raise OSError("OpenCV cannot encode a JPEG")
    return bytes(buffer.tobytes())


def _write_image(
    root: Path,
    sequence: Sequence,
    frame: int,
    joints_cam_mm: Array,
    camera: Camera,
    size_px: tuple[int, ...],
) -> None:
    """Draw and write one test frame."""
    look = replace(SUBJECT_LOOKS[sequence.subject], room_seed=sequence.seed)
    seat_mm = seat_height_mm(sequence.subject, sequence.action, sequence.subaction)
    image = draw_person(joints_cam_mm, camera, size_px[0], size_px[1], look, seat_mm)
    content = jpeg(image)
    if (sequence.subject, sequence.action, sequence.subaction, frame) == TURNED_IMAGE:
        content = content[:2] + EXIF_QUARTER_TURN + content[2:]
    path = root / "images" / sequence.file_name(frame)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _write_json(path: str, content: Any) -> None:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
