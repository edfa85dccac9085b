"""Read Human3.6M's annotation files: only what the evaluation uses, in the form it must have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import numpy as np

from convnextpose_check.files.json_files import bad_annotations, decode, read_json
from convnextpose_check.human36m.data_file import Annotation, Image, Integer, Number, read_listing
from convnextpose_check.human36m.geometry import Array, Camera
from convnextpose_check.human36m.layout import Layout
from convnextpose_check.human36m.skeleton import ACTIONS, ANNOTATED_JOINTS

T = TypeVar("T")

_FILE_NAME = re.compile(
    r"(?P<sequence>s_\d\d_act_(?P<action>\d\d)_subact_\d\d_ca_\d\d)/(?P=sequence)_\d{6}\.jpg"
)

_Joints = dict[str, dict[str, dict[str, msgspec.Raw]]]
_Point = tuple[float | None, float | None, float | None]


class SubjectFiles:
    """The three annotation files of one subject, restricted to every ``stride``-th frame.

    The files list all frames and have hundreds of megabytes; all entries are checked, few are kept.
    ``test_frames`` has each image of such a frame with its annotation, in the annotations' order;
    images without one follow, with None.
    """

    def __init__(self, layout: Layout, subject: int, stride: int) -> None:
        self.subject = subject
        self.stride = stride
        self.joints_file = layout.annotation(subject, "joint_3d")
        self.test_frames = self._read_test_frames(layout.annotation(subject, "data"))
        self._joints = {
            (action, subaction, frame): joints.copy()
            for action, of_action in read_json(self.joints_file, _Joints).items()
            for subaction, of_subaction in of_action.items()
            for frame, joints in of_subaction.items()
            if not self._is_skipped(frame)
        }
        self.cameras = read_cameras(layout.annotation(subject, "camera"))

    def _is_skipped(self, frame: str) -> bool:
        return len(frame) < 10 and frame.isdecimal() and int(frame) % self.stride != 0

    def _is_tested(self, image: Image) -> bool:
        return image.subject == self.subject and image.frame_idx % self.stride == 0

    def _read_test_frames(self, path: Path) -> list[tuple[Image, Annotation | None]]:
        """Refuse repeated entries, which could hide that another one is missing."""
        listed = read_listing(path, self._is_tested)
        unique: dict[str, Iterable[object]] = {
            "image id": (image.id for image in listed.images),
            "image file": (image.file_name for image in listed.images),
            "annotation of image": (entry.image_id for entry in listed.annotations),
        }
        for what, values in unique.items():
            for value, count in Counter(values).most_common(1):
                if count > 1:
                    raise bad_annotations(path, f"the {what} {value} occurs twice")
        images = {image.id: image for image in listed.images}
        annotated = [(images.pop(entry.image_id), entry) for entry in listed.annotations]
        return [*annotated, *((image, None) for image in images.values())]

    def joints_world_mm(self, image: Image) -> Array | None:
        """The (17, 3) float32 joints of the image's frame, None if the file has none.

        A number that the file gives as NaN or null becomes NaN.
        """
        key = (str(image.action_idx), str(image.subaction_idx), str(image.frame_idx))
        if (raw := self._joints.get(key)) is None:
            return None
        position = f" of action {image.action_idx}, {image.subaction_idx}, frame {image.frame_idx}"
        joints = decode(raw, list[_Point], self.joints_file, position)
        if len(joints) != ANNOTATED_JOINTS:
            problem = f"{len(joints)} joints{position}: expected {ANNOTATED_JOINTS}"
            raise bad_annotations(self.joints_file, problem)
        with np.errstate(over="ignore"):  # infinite if too large for float32, like the authors'
            return np.array(joints, dtype=np.float32)


def named_sequence(image: Image) -> str | None:
    """The sequence in the image's file name, None if the name does not fit the image's action."""
    name = _FILE_NAME.fullmatch(image.file_name)
    if name is None or int(name["action"]) != image.action_idx or image.action_idx not in ACTIONS:
        return None
    return name["sequence"]


_Row = tuple[Number, Number, Number]
_Positive = Annotated[float, msgspec.Meta(ge=1, le=1e9)]


class _CameraEntry(msgspec.Struct):
    """A camera of the camera file, whose fields keep their names."""

    R: tuple[_Row, _Row, _Row]
    t: _Row
    f: tuple[_Positive, _Positive]
    c: tuple[Number, Number]


def read_cameras(camera_file: Path) -> dict[int, Camera]:
    """The cameras of a subject by their index; raises ``ConvNeXtPoseCheckError``."""
    entries = read_json(camera_file, dict[int, _CameraEntry])
    return {
        index: Camera.from_annotation(msgspec.structs.asdict(entry))
        for index, entry in entries.items()
    }


class RootNetEntry(msgspec.Struct, gc=False):
    """RootNet's estimate for an image: a square box in pixels, the pelvis in camera mm."""

    image_id: Integer
    bbox: tuple[Number, Number, Number, Number]
    root_cam: tuple[float, float, float]


@dataclass(frozen=True)
class RootNetFile:
    """RootNet's output file, which provides boxes and root depths.

    ``covers`` counts the test images of each subject that it has, ``others`` its other images. They
    tell the published files apart.
    """

    path: Path
    covers: Mapping[int, int]
    others: int

    def __str__(self) -> str:
        parts = [f"{count:,} images of subject {number}" for number, count in self.covers.items()]
        parts += [f"{self.others:,} other images"] if self.others else []
        return f"RootNet's {self.path.name} for {' and '.join(parts)}"


def read_rootnet(path: Path) -> dict[int, RootNetEntry]:
    """RootNet's estimates by image id; of several for one image the last counts."""
    return {entry.image_id: entry for entry in read_json(path, list[RootNetEntry])}


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most ``count`` of the items, spread evenly over all of them."""
    indices = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[index] for index in indices.tolist()]
