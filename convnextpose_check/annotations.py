"""Read Human3.6M's annotation files: only what the evaluation needs, and only in the right form."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from stat import S_ISREG
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.geometry import Array, Camera
from convnextpose_check.layout import Layout
from convnextpose_check.skeleton import ANNOTATED_JOINTS

T = TypeVar("T")

_Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Pixels = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]
_WholePixels = Annotated[int, msgspec.Meta(ge=-(10**9), le=10**9)]
_Box = tuple[_Pixels, _Pixels, _Pixels, _Pixels]
_Length = _WholePixels | _Pixels
"""JSON's numbers have no bounds; within these nothing overflows later."""


class Image(msgspec.Struct, gc=False):
    """An entry of ``images``; ``frame_idx`` counts from 0."""

    id: _Integer
    file_name: str
    width: _Integer
    height: _Integer
    subject: _Integer
    action_idx: _Integer
    subaction_idx: _Integer
    cam_idx: _Integer
    frame_idx: _Integer


class Annotation(msgspec.Struct, gc=False):
    """An entry of ``annotations``; ``bbox`` is (x, y, w, h) in pixels, as the file writes it."""

    id: _Integer
    image_id: _Integer
    bbox: tuple[_Length, _Length, _Length, _Length]


class RootNetEntry(msgspec.Struct, gc=False):
    """RootNet's estimate for an image: a square box in pixels, the pelvis in camera mm."""

    image_id: _Integer
    bbox: _Box
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
                if str(int(index)) != index:  # "01" would take the place of "1"
                    raise ValueError("its own name")
                self.cameras[int(index)] = _camera(entry)
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                problem = f"camera '{index}' lacks or garbles {error}"
                raise bad_annotations(camera_file, problem) from None

    def test_frames(self, stride: int) -> Iterator[tuple[Image, Annotation | None]]:
        """Each annotation of every ``stride``-th frame with its image, in the file's order.

        Images of such frames that have no annotation follow, with None. Whatever would count one
        image twice is refused: it could hide that another is missing.
        """
        images, annotations = self._data.images, self._data.annotations
        ids = {image.id for image in images}
        tested = {
            image.id: image
            for image in images
            if image.subject == self.subject and image.frame_idx % stride == 0
        }
        annotated = [entry.image_id for entry in annotations if entry.image_id in tested]
        self._refuse_repeated("image id", [image.id for image in images])
        self._refuse_repeated("image file", [image.file_name for image in tested.values()])
        self._refuse_repeated("annotation id", [annotation.id for annotation in annotations])
        self._refuse_repeated("annotation of image", annotated)
        for annotation in annotations:
            if annotation.image_id not in ids:
                raise bad_annotations(self.data_file, f"annotation {annotation.id} has no image")
            if annotation.image_id in tested:
                yield tested.pop(annotation.image_id), annotation
        for image in tested.values():
            yield image, None

    def _refuse_repeated(self, what: str, values: list[int] | list[str]) -> None:
        if len(set(values)) < len(values):
            repeated = Counter[int | str](values).most_common(1)[0][0]
            raise bad_annotations(self.data_file, f"the {what} {repeated} occurs twice")

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
        if not S_ISREG(path.stat().st_mode):  # reading a pipe would wait for its writer
            raise bad_annotations(path, "it is no regular file")
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


def _camera(entry: dict[str, Any]) -> Camera:
    """The camera of a file's entry; raises ``ValueError`` also for one that cannot project."""
    with np.errstate(over="ignore"):  # too large for float32 is infinite, which is refused
        camera = Camera.from_annotation(entry)
    if not (camera.focal_px > 0).all():
        raise ValueError("f, which is not positive")
    return camera


def _decode(content: bytes | msgspec.Raw, form: type[T], path: Path, place: str = "") -> T:
    try:
        return msgspec.json.decode(content, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise bad_annotations(path, f"{error}{place}") from None
