"""The file that lists all images and annotations of a subject: read in pieces, little is kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import numpy as np

from convnextpose_check.files.json_files import UNDECODABLE, decode, opened, without_nan
from convnextpose_check.human36m.geometry import Array

PIECE_BYTES = 2**18
"""Entries are decoded so much at a time; their objects then stay in the processor's cache."""

Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_Pixels = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]
_WholePixels = Annotated[int, msgspec.Meta(ge=-(10**9), le=10**9)]
Box = tuple[_Pixels, _Pixels, _Pixels, _Pixels]
_Length = _WholePixels | _Pixels
"""JSON's numbers have no bounds; within these nothing overflows later."""


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
    """An entry of ``annotations``; ``bbox`` is (x, y, w, h) in pixels, as the file writes it."""

    id: Integer
    image_id: Integer
    bbox: tuple[_Length, _Length, _Length, _Length]


class _DataFile(msgspec.Struct):
    images: list[Image]
    annotations: list[Annotation]


@dataclass
class Listing:
    """The images that were asked for with their annotations, and the ids of all others.

    ``image_ids``, ``annotation_ids`` and ``annotated_ids``, the annotations' image ids, are int64
    and in the file's order.
    """

    images: list[Image] = field(default_factory=list)
    annotations: list[Annotation] = field(default_factory=list)
    image_ids: Array = field(default_factory=lambda: np.empty(0, np.int64))
    annotation_ids: Array = field(default_factory=lambda: np.empty(0, np.int64))
    annotated_ids: Array = field(default_factory=lambda: np.empty(0, np.int64))


def read_listing(path: Path, is_wanted: Callable[[Image], bool]) -> Listing:
    """Read the file, every entry of which must have the right form.

    A file laid out as the published ones are, one list after the other, is decoded a piece at a
    time. Any other is decoded as a whole, which takes more memory and finds the same; so is one
    with an error, to say at which place. Raises ``ConvNeXtPoseCheckError`` (``bad-annotations``).
    """
    with opened(path) as stream:
        reader = _Reader(is_wanted)
        try:
            _read_pieces(stream, reader)
        except (*UNDECODABLE, _UnlikeError):
            stream.seek(0)
            reader = _Reader(is_wanted)
            data = decode(without_nan(stream.read()), _DataFile, path)
            reader.add_images(data.images)
            reader.add_annotations(data.annotations)
    return reader.listing()


class _UnlikeError(Exception):
    """The file is laid out otherwise."""


class _Reader:
    """Keeps what is wanted of the entries that it is given, images before annotations."""

    def __init__(self, is_wanted: Callable[[Image], bool]) -> None:
        self._is_wanted = is_wanted
        self._images: list[Image] = []
        self._annotations: list[Annotation] = []
        self._ids: tuple[list[Array], list[Array], list[Array]] = ([], [], [])
        self._wanted_ids: set[int] | None = None

    def add_images(self, entries: list[Image]) -> None:
        self._images += filter(self._is_wanted, entries)
        self._keep(0, [entry.id for entry in entries])

    def add_annotations(self, entries: list[Annotation]) -> None:
        if self._wanted_ids is None:
            self._wanted_ids = {image.id for image in self._images}
        wanted_ids = self._wanted_ids
        self._annotations += [entry for entry in entries if entry.image_id in wanted_ids]
        self._keep(1, [entry.id for entry in entries])
        self._keep(2, [entry.image_id for entry in entries])

    def _keep(self, kind: int, ids: list[int]) -> None:
        self._ids[kind].append(np.array(ids, dtype=np.int64))

    def listing(self) -> Listing:
        ids = [np.concatenate(parts) if parts else np.empty(0, np.int64) for parts in self._ids]
        return Listing(self._images, self._annotations, *ids)


_START = re.compile(rb'\s*\{\s*"images"\s*:\s*\[')
_MIDDLE = re.compile(rb'\]\s*,\s*"annotations"\s*:\s*\[')
_END = re.compile(rb"\]\s*\}\s*\Z")
_BETWEEN = re.compile(rb"\}\s*,\s*\{")
_SPACE = 256
"""More space than this between two entries is not expected."""


def _read_pieces(stream: BinaryIO, reader: _Reader) -> None:
    """Decode the lists a piece at a time, cut between two entries.

    Where a cut only looked as if it lay between two entries, within a text or a deeper list, the
    piece before it is no whole JSON and is not decoded: what is decoded is the whole file.
    """
    images = msgspec.json.Decoder(list[Image])
    annotations = msgspec.json.Decoder(list[Annotation])
    rest = stream.read(PIECE_BYTES)
    if not (start := _START.match(rest)):
        raise _UnlikeError
    rest = rest[start.end() :]
    while True:
        marked = rest.find(b'"annotations"')
        if marked >= 0:
            middle = _MIDDLE.search(rest, max(0, marked - _SPACE))
            if not middle or middle.start() > marked:
                raise _UnlikeError
            reader.add_images(images.decode(_as_list(rest[: middle.start()])))
            rest = rest[middle.end() :]
            break
        piece, rest = _cut(rest)
        reader.add_images(images.decode(_as_list(piece)))
        rest = _longer(rest, stream)
    while more := stream.read(PIECE_BYTES):
        piece, rest = _cut(rest + more)
        reader.add_annotations(annotations.decode(_as_list(piece)))
    if not (end := _END.search(rest, max(0, len(rest) - _SPACE))):
        raise _UnlikeError
    reader.add_annotations(annotations.decode(_as_list(rest[: end.start()])))


def _longer(rest: bytes, stream: BinaryIO) -> bytes:
    more = stream.read(PIECE_BYTES)
    if not more:
        raise _UnlikeError
    return rest + more


def _cut(content: bytes) -> tuple[bytes, bytes]:
    """The content up to the last place between two entries, and after it."""
    place = None
    last = content.rfind(b"{")
    while last > 0 and not (place := _BETWEEN.search(content, max(0, last - _SPACE), last + 1)):
        last = content.rfind(b"{", 0, last)
    if place is None:
        raise _UnlikeError
    return content[: place.start() + 1], content[place.end() - 1 :]


def _as_list(entries: bytes) -> bytes:
    return b"[" + without_nan(entries) + b"]"
