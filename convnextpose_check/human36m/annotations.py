"""Read and validate the fields of Human3.6M's annotation files that the evaluation uses.

The file that lists all images of a subject is read in pieces, to save memory.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, BinaryIO, TypeVar

import msgspec
import numpy as np

from convnextpose_check.files.json_files import (
    DECODE_ERRORS,
    bad_annotations,
    decode_json,
    open_json,
    read_json,
    replace_nonfinite,
)
from convnextpose_check.human36m.geometry import Array, Camera
from convnextpose_check.human36m.layout import Layout
from convnextpose_check.human36m.skeleton import ACTIONS, ANNOTATED_JOINTS

PIECE_BYTES = 2**18
"""Entries are decoded in pieces of this size, whose objects fit into the processor's cache."""

Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Number = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]
"""Bounds within which later calculations cannot overflow; JSON has none."""

_Length = Annotated[int, msgspec.Meta(ge=-(10**9), le=10**9)] | Number


class Image(msgspec.Struct, gc=False):
    """An entry of ``images``; ``frame_idx`` counts from 0."""

    id: Integer
    file_name: str
    width: Integer
    height: Integer
    subject: Integer
    action_idx: Integer
    subaction_idx: Integer
    cam_idx: Integer
    frame_idx: Integer


class Annotation(msgspec.Struct, gc=False):
    """An entry of ``annotations``; ``bbox`` is (x, y, w, h) px, integers or floats."""

    image_id: Integer
    bbox: tuple[_Length, _Length, _Length, _Length]


class Listing(msgspec.Struct):
    """Images and annotations, in the file's order."""

    images: list[Image]
    annotations: list[Annotation]


def read_listing(path: Path, is_selected: Callable[[Image], bool]) -> Listing:
    """Read the selected images and their annotations; all entries are validated.

    A file laid out like the published ones, images before annotations, is decoded in pieces. Any
    other is decoded as a whole, with the same result but more memory, and so is a file with an
    error, to find its position. Raises ``ConvNeXtPoseCheckError`` (``bad-annotations``).
    """
    with open_json(path) as stream:
        start = stream.tell()
        try:
            return _select(_read_pieces(stream), is_selected)
        except DECODE_ERRORS:
            stream.seek(start)
            whole = decode_json(stream.read(), Listing, path)
    return _select([whole], is_selected)


def _select(pieces: Iterable[Listing], is_selected: Callable[[Image], bool]) -> Listing:
    """Select images and their annotations; all images precede the annotations."""
    images: list[Image] = []
    annotations: list[Annotation] = []
    ids: set[int] = set()
    for piece in pieces:
        selected = list(filter(is_selected, piece.images))
        images += selected
        ids.update(image.id for image in selected)
        annotations += [entry for entry in piece.annotations if entry.image_id in ids]
    return Listing(images, annotations)


_START = re.compile(rb'\s*\{\s*"images"\s*:\s*\[')
_MIDDLE = re.compile(rb'\]\s*,\s*"annotations"\s*:\s*\[')
_END = re.compile(rb"\]\s*\}\s*\Z")
_LAST = re.compile(rb"(?s:(.*\}))\s*,\s*(?=\{)")


def _read_pieces(stream: BinaryIO) -> Iterator[Listing]:
    """Decode the lists in pieces that are split between two entries.

    A split inside a string or a nested list, at what looks like the end of an entry, leaves a piece
    that is not JSON: a piece that can be decoded consists of whole entries. Raises one of
    ``DECODE_ERRORS`` also for a file that is not laid out like the published ones.
    """
    images = msgspec.json.Decoder(list[Image])
    annotations = msgspec.json.Decoder(list[Annotation])
    rest = stream.read(PIECE_BYTES)
    if not (start := _START.match(rest)):
        raise msgspec.DecodeError
    rest = rest[start.end() :]
    while not (middle := _MIDDLE.search(rest)):
        piece, rest = _split_at_last_entry(rest)
        yield Listing(images.decode(_as_list(piece)), [])
        if not (more := stream.read(PIECE_BYTES)):
            raise msgspec.DecodeError
        rest += more
    yield Listing(images.decode(_as_list(rest[: middle.start()])), [])
    rest = rest[middle.end() :]
    while more := stream.read(PIECE_BYTES):
        piece, rest = _split_at_last_entry(rest + more)
        yield Listing([], annotations.decode(_as_list(piece)))
    if not (end := _END.search(rest)):
        raise msgspec.DecodeError
    yield Listing([], annotations.decode(_as_list(rest[: end.start()])))


def _split_at_last_entry(content: bytes) -> tuple[bytes, bytes]:
    """Split the content between its last two entries."""
    if not (found := _LAST.match(content)):
        raise msgspec.DecodeError
    return content[: found.end(1)], content[found.end() :]


def _as_list(entries: bytes) -> bytes:
    return b"[" + replace_nonfinite(entries) + b"]"


T = TypeVar("T")

_FILE_NAME = re.compile(
    r"(?P<sequence>s_\d\d_act_(?P<action>\d\d)_subact_\d\d_ca_\d\d)/(?P=sequence)_\d{6}\.jpg"
)

_Joints = dict[str, dict[str, dict[str, msgspec.Raw]]]
_Point = tuple[float | None, float | None, float | None]
_Points = Annotated[
    list[_Point], msgspec.Meta(min_length=ANNOTATED_JOINTS, max_length=ANNOTATED_JOINTS)
]
_Row = tuple[Number, Number, Number]
_Positive = Annotated[float, msgspec.Meta(ge=1, le=1e9)]


class _CameraEntry(msgspec.Struct):
    """An entry of the camera file."""

    R: tuple[_Row, _Row, _Row]
    t: _Row
    f: tuple[_Positive, _Positive]
    c: tuple[Number, Number]


class SubjectFiles:
    """The three annotation files of a subject, reduced to every ``stride``-th frame.

    The files list all frames, in hundreds of megabytes. ``test_frames`` pairs each image of such a
    frame with its annotation, in the annotations' order, followed by images without one (None).
    """

    def __init__(self, layout: Layout, subject: int, stride: int) -> None:
        self.subject = subject
        self.stride = stride
        self.joints_file = layout.annotation_path(subject, "joint_3d")
        self.test_frames = self._read_test_frames(layout.annotation_path(subject, "data"))
        test_frames = {str(image.frame_idx) for image, _ in self.test_frames}
        self._joints = {
            (action, subaction, frame): joints.copy()
            for action, subactions in read_json(self.joints_file, _Joints).items()
            for subaction, frames in subactions.items()
            for frame, joints in frames.items()
            if frame in test_frames
        }
        cameras = read_json(layout.annotation_path(subject, "camera"), dict[int, _CameraEntry])
        self.cameras = {
            index: Camera.from_annotation(msgspec.structs.asdict(entry))
            for index, entry in cameras.items()
        }

    def _read_test_frames(self, path: Path) -> list[tuple[Image, Annotation | None]]:
        """Pair images and annotations; raises ``bad-annotations`` for repeated entries."""
        listed = read_listing(
            path,
            lambda image: image.subject == self.subject and image.frame_idx % self.stride == 0,
        )
        for image in listed.images:
            image.file_name = image.file_name.replace("\\", "/")  # as written on Windows
        images = {image.id: image for image in listed.images}
        annotated_ids = {entry.image_id for entry in listed.annotations}
        if len(images) < len(listed.images) or len(annotated_ids) < len(listed.annotations):
            raise bad_annotations(path, "two images or two annotations have one image id")
        annotated = [(images.pop(entry.image_id), entry) for entry in listed.annotations]
        return [*annotated, *((image, None) for image in images.values())]

    def joints_world_mm(self, image: Image) -> Array | None:
        """The (17, 3) float32 joints of the image's frame, None if they are missing.

        NaN and null in the file become NaN.
        """
        key = (str(image.action_idx), str(image.subaction_idx), str(image.frame_idx))
        if (raw := self._joints.get(key)) is None:
            return None
        position = f" of action {image.action_idx}, {image.subaction_idx}, frame {image.frame_idx}"
        joints = decode_json(raw, _Points, self.joints_file, position)
        with np.errstate(over="ignore"):  # as in the authors' code, inf if too large for float32
            return np.array(joints, dtype=np.float32)


def parse_sequence(image: Image) -> str | None:
    """The sequence in the file name, None if the name contradicts the action."""
    name = _FILE_NAME.fullmatch(image.file_name)
    if name is None or int(name["action"]) != image.action_idx or image.action_idx not in ACTIONS:
        return None
    return name["sequence"]


_NO_ROOT = (float("nan"),) * 3


class RootNetEntry(msgspec.Struct, gc=False):
    """RootNet's estimate: square box (x, y, w, h) in pixels, pelvis (3,) in camera mm."""

    image_id: Integer
    bbox: tuple[Number, Number, Number, Number]
    root_cam: tuple[float, float, float] = _NO_ROOT


def read_rootnet(path: Path) -> dict[int, RootNetEntry]:
    """RootNet's estimates by image id, the last of several for one image.

    Raises ``ConvNeXtPoseCheckError`` (``bad-annotations``), also for DetectNet's boxes.
    """
    entries = read_json(path, list[RootNetEntry])
    if missing := sum(entry.root_cam is _NO_ROOT for entry in entries):
        problem = (
            f"{missing:,} of {len(entries):,} boxes have no `root_cam`, as those in DetectNet's"
            " bbox_human36m_output.json"
        )
        raise bad_annotations(path, problem, "Replace it with RootNet's file, or use --bbox gt")
    return {entry.image_id: entry for entry in entries}


def select_evenly(items: Sequence[T], count: int) -> list[T]:
    """Select ``count`` items at equal distances, or all if there are fewer."""
    indices = np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int)
    return [items[index] for index in indices.tolist()]
