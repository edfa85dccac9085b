"""Read Human3.6M's annotation files: only what the evaluation uses, in the form it must have."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from convnextpose_check.files.json_files import bad_annotations, decode, read_json
from convnextpose_check.human36m.data_file import Annotation, Box, Image, Integer, read_listing
from convnextpose_check.human36m.geometry import Array, Camera, is_rotation
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
    """

    def __init__(self, layout: Layout, subject: int, stride: int) -> None:
        self.subject = subject
        self.stride = stride
        self.data_file = layout.annotation(subject, "data")
        self.joints_file = layout.annotation(subject, "joint_3d")
        self._listed = read_listing(self.data_file, self._is_tested)
        self._joints = {
            (action, subaction, frame): joints.copy()
            for action, of_action in read_json(self.joints_file, _Joints).items()
            for subaction, of_subaction in of_action.items()
            for frame, joints in of_subaction.items()
            if not self._is_skipped(frame)
        }
        self.cameras = read_cameras(layout.annotation(subject, "camera"))

    @property
    def image_ids(self) -> Array:
        """The ids of all images that are listed, tested or not, int64."""
        return np.array(self._listed.image_ids)

    def _is_skipped(self, frame: str) -> bool:
        return len(frame) < 10 and frame.isdecimal() and int(frame) % self.stride != 0

    def _is_tested(self, image: Image) -> bool:
        return image.subject == self.subject and image.frame_idx % self.stride == 0

    def test_frames(self) -> Iterator[tuple[Image, Annotation | None]]:
        """Each annotation of every ``stride``-th frame with its image, in the file's order.

        Images of such frames without an annotation follow, with None. Repeated images and
        annotations are refused: they could hide that another one is missing.
        """
        listed = self._listed
        tested = {image.id: image for image in listed.images}
        unique: dict[str, Sequence[int] | list[str]] = {
            "image id": listed.image_ids,
            "image file": [image.file_name for image in listed.images],
            "image of": [_describe_frame(image) for image in listed.images],
            "annotation id": listed.annotation_ids,
            "annotation of image": [entry.image_id for entry in listed.annotations],
        }
        for what, values in unique.items():
            ordered = np.sort(values)
            if (ordered[1:] == ordered[:-1]).any():
                repeated = Counter(values).most_common(1)[0][0]
                raise bad_annotations(self.data_file, f"the {what} {repeated} occurs twice")
        dangling = ~np.isin(listed.annotated_ids, listed.image_ids)
        if dangling.any():
            first = listed.annotation_ids[int(dangling.argmax())]
            raise bad_annotations(self.data_file, f"annotation {first} has no image")
        for annotation in listed.annotations:
            yield tested.pop(annotation.image_id), annotation
        for image in tested.values():
            yield image, None

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


def _describe_frame(image: Image) -> str:
    return (
        f"action {image.action_idx}, {image.subaction_idx}, camera {image.cam_idx},"
        f" frame {image.frame_idx}"
    )


def read_cameras(camera_file: Path) -> dict[int, Camera]:
    """The cameras of a subject by their index; raises ``ConvNeXtPoseCheckError``."""
    cameras: dict[int, Camera] = {}
    for index, entry in read_json(camera_file, dict[str, dict[str, Any]]).items():
        try:
            if str(int(index)) != index:  # "01" would replace "1"
                raise ValueError("its own name")
            with np.errstate(over="ignore"):  # infinite if too large for float32, and refused
                camera = Camera.from_annotation(entry)
            if not (camera.focal_px > 0).all():
                raise ValueError("f, which is not positive")
            if not is_rotation(camera.rotation):
                raise ValueError("R, which is no rotation")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            problem = f"camera '{index}' lacks or garbles {error}"
            raise bad_annotations(camera_file, problem) from None
        cameras[int(index)] = camera
    return cameras


class RootNetEntry(msgspec.Struct, gc=False):
    """RootNet's estimate for an image: a square box in pixels, the pelvis in camera mm."""

    image_id: Integer
    bbox: Box
    root_cam: tuple[float, float, float]


@dataclass(frozen=True)
class RootNetFile:
    """RootNet's output file, which provides boxes and root depths.

    ``covers`` counts its images of each tested subject, ``others`` its other images. They tell the
    published files apart.
    """

    path: Path
    covers: Mapping[int, int]
    others: int

    def __str__(self) -> str:
        parts = [f"{count:,} images of subject {number}" for number, count in self.covers.items()]
        parts += [f"{self.others:,} images of other subjects"] if self.others else []
        return f"RootNet's {self.path.name} for {' and '.join(parts)}"


def read_rootnet(path: Path) -> dict[int, RootNetEntry]:
    """RootNet's estimates by image id; of several for one image the last counts."""
    return {entry.image_id: entry for entry in read_json(path, list[RootNetEntry])}


def spread(items: Sequence[T], count: int) -> list[T]:
    """At most ``count`` of the items, spread evenly over all of them."""
    indices = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[index] for index in indices.tolist()]
