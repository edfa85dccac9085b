"""Read Human3.6M's annotation files: only what the evaluation needs, and only in the right form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.geometry import Array, Camera
from convnextpose_check.layout import Layout
from convnextpose_check.skeleton import ANNOTATED_JOINTS

T = TypeVar("T")


class Image(msgspec.Struct, gc=False):
    """An entry of ``images``; ``frame_idx`` counts from 0."""

    id: int
    file_name: str
    width: int
    height: int
    subject: int
    action_idx: int
    subaction_idx: int
    cam_idx: int
    frame_idx: int


class Annotation(msgspec.Struct, gc=False):
    """An entry of ``annotations``; ``bbox`` is (x, y, w, h) in pixels, as the file writes it."""

    id: int
    image_id: int
    bbox: tuple[int | float, int | float, int | float, int | float]


class RootNetEntry(msgspec.Struct, gc=False):
    """RootNet's estimate for an image: a square box in pixels, the pelvis in camera mm."""

    image_id: int
    bbox: tuple[float, float, float, float]
    root_cam: tuple[float, float, float]


_Point = tuple[float | None, float | None, float | None]


class _DataFile(msgspec.Struct):
    images: list[Image]
    annotations: list[Annotation]


class SubjectFiles:
    """The three annotation files of one subject.

    Joints stay raw JSON until their frame is asked for: only one frame in 64 ever is.
    """

    def __init__(self, layout: Layout, subject: int) -> None:
        self.subject = subject
        self.data_file = layout.annotation(subject, "data")
        self.joints_file = layout.annotation(subject, "joint_3d")
        self._data = read_json(self.data_file, _DataFile)
        self._joints = read_json(self.joints_file, dict[str, dict[str, dict[str, msgspec.Raw]]])
        camera_file = layout.annotation(subject, "camera")
        self.cameras: dict[int, Camera] = {}
        for index, entry in read_json(camera_file, dict[str, dict[str, Any]]).items():
            try:
                self.cameras[int(index)] = Camera.from_annotation(entry)
            except (KeyError, TypeError, ValueError) as error:
                problem = f"camera '{index}' lacks or garbles {error}"
                raise bad_annotations(camera_file, problem) from None

    def test_frames(self, stride: int) -> Iterator[tuple[Image, Annotation]]:
        """Each annotation of every ``stride``-th frame with its image, in the file's order."""
        images = {image.id: image for image in self._data.images}
        for what, entries in (("image", self._data.images), ("annotation", self._data.annotations)):
            counts = Counter(entry.id for entry in entries)
            if len(counts) < len(entries):
                repeated = counts.most_common(1)[0][0]
                raise bad_annotations(self.data_file, f"the {what} id {repeated} occurs twice")
        for annotation in self._data.annotations:
            image = images.get(annotation.image_id)
            if image is None:
                raise bad_annotations(self.data_file, f"annotation {annotation.id} has no image")
            if image.subject == self.subject and image.frame_idx % stride == 0:
                yield image, annotation

    def joints_world_mm(self, image: Image) -> Array | None:
        """The (17, 3) float32 joints of the image's frame, None where the file has none.

        A number that the file gives as NaN or null becomes NaN.
        """
        sequence = self._joints.get(str(image.action_idx), {}).get(str(image.subaction_idx), {})
        raw = sequence.get(str(image.frame_idx))
        if raw is None:
            return None
        place = f" of action {image.action_idx}, {image.subaction_idx}, frame {image.frame_idx}"
        joints = _decode(raw, list[_Point], self.joints_file, place)
        if len(joints) != ANNOTATED_JOINTS:
            problem = f"{len(joints)} joints{place}: expected {ANNOTATED_JOINTS}"
            raise bad_annotations(self.joints_file, problem)
        with np.errstate(over="ignore"):  # too large for float32 is infinite, like the authors'
            return np.array(joints, dtype=np.float32)


def read_rootnet(path: Path) -> dict[int, RootNetEntry]:
    """RootNet's estimates by image id; of several for one image the last counts."""
    return {entry.image_id: entry for entry in read_json(path, list[RootNetEntry])}


def read_json(path: Path, form: type[T]) -> T:
    """Decode a JSON file into ``form``.

    Raises ``ConvNeXtPoseCheckError`` (``bad-annotations``) for a file that cannot be read, is cut
    off or has another form, saying at which place.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise bad_annotations(path, f"it cannot be read ({error.strerror})") from None
    # Python writes what is not a number as NaN, which JSON does not know.
    return _decode(content.replace(b"NaN", b"null"), form, path)


def bad_annotations(path: Path, problem: str) -> ConvNeXtPoseCheckError:
    """The error for an annotation file that is not as Human3.6M's are."""
    return ConvNeXtPoseCheckError(
        "bad-annotations",
        f"the annotation file {path} cannot be used: {problem}",
        "Fetch the file again and compare its size with the source",
    )


def _decode(content: bytes | msgspec.Raw, form: type[T], path: Path, place: str = "") -> T:
    try:
        return msgspec.json.decode(content, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise bad_annotations(path, f"{error}{place}") from None
