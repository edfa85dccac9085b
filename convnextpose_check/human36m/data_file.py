"""The annotation file that lists all images of a subject: read in pieces, little is kept."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec

from convnextpose_check.files.json_files import UNDECODABLE, decode, opened, without_nan

PIECE_BYTES = 2**18
"""Entries are decoded in pieces of this size; their objects then stay in the processor's cache."""

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


class Listing:
    """The selected images with their annotations, and the ids of all images and annotations.

    ``image_ids``, ``annotation_ids`` and ``annotated_ids``, the annotations' image ids, are in the
    file's order.
    """

    def __init__(self, is_selected: Callable[[Image], bool]) -> None:
        self.images: list[Image] = []
        self.annotations: list[Annotation] = []
        self.image_ids, self.annotation_ids, self.annotated_ids = array("q"), array("q"), array("q")
        self._is_selected = is_selected
        self._selected_ids: set[int] = set()

    def add_images(self, entries: list[Image]) -> None:
        """Add images of the file; all of them come before the first annotation."""
        selected = list(filter(self._is_selected, entries))
        self.images += selected
        self._selected_ids.update(entry.id for entry in selected)
        self.image_ids.fromlist([entry.id for entry in entries])

    def add_annotations(self, entries: list[Annotation]) -> None:
        """Add annotations of the file."""
        ids = self._selected_ids
        self.annotations += [entry for entry in entries if entry.image_id in ids]
        self.annotation_ids.fromlist([entry.id for entry in entries])
        self.annotated_ids.fromlist([entry.image_id for entry in entries])


def read_listing(path: Path, is_selected: Callable[[Image], bool]) -> Listing:
    """Read the file, every entry of which must have the right form.

    A file laid out like the published ones, one list after the other, is decoded in pieces. Any
    other is decoded as a whole, which takes more memory and has the same result; so is one with
    an error, to name its position. Raises ``ConvNeXtPoseCheckError`` (``bad-annotations``).
    """
    with opened(path) as stream:
        try:
            return _read_pieces(stream, Listing(is_selected))
        except (*UNDECODABLE, _OtherLayoutError):
            stream.seek(0)
            data = decode(without_nan(stream.read()), _DataFile, path)
    listing = Listing(is_selected)
    listing.add_images(data.images)
    listing.add_annotations(data.annotations)
    return listing


class _OtherLayoutError(Exception):
    """The file is not laid out like the published ones."""


_START = re.compile(rb'\s*\{\s*"images"\s*:\s*\[')
_MIDDLE = re.compile(rb'\]\s*,\s*"annotations"\s*:\s*\[')
_END = re.compile(rb"\]\s*\}\s*\Z")
_BETWEEN = re.compile(rb"\}\s*,\s*\{")
_SPACE = 256
"""Bytes of white space to expect between two entries at most."""


def _read_pieces(stream: BinaryIO, listing: Listing) -> Listing:
    """Decode the lists in pieces, cut between two entries.

    A cut that only looks as if it lay between two entries, within a text or a deeper list, leaves a
    piece that is not JSON: every piece that is decoded consists of whole entries.
    """
    images = msgspec.json.Decoder(list[Image])
    annotations = msgspec.json.Decoder(list[Annotation])
    rest = stream.read(PIECE_BYTES)
    if not (start := _START.match(rest)):
        raise _OtherLayoutError
    rest = rest[start.end() :]
    while (marked := rest.find(b'"annotations"')) < 0:
        piece, rest = _cut(rest)
        listing.add_images(images.decode(_as_list(piece)))
        if not (more := stream.read(PIECE_BYTES)):
            raise _OtherLayoutError
        rest += more
    middle = _MIDDLE.search(rest, max(0, marked - _SPACE))
    if not middle or middle.start() > marked:
        raise _OtherLayoutError
    listing.add_images(images.decode(_as_list(rest[: middle.start()])))
    rest = rest[middle.end() :]
    while more := stream.read(PIECE_BYTES):
        piece, rest = _cut(rest + more)
        listing.add_annotations(annotations.decode(_as_list(piece)))
    if not (end := _END.search(rest, max(0, len(rest) - _SPACE))):
        raise _OtherLayoutError
    listing.add_annotations(annotations.decode(_as_list(rest[: end.start()])))
    return listing


def _cut(content: bytes) -> tuple[bytes, bytes]:
    """The content up to the last position between two entries, and after it."""
    last = content.rfind(b"{")
    while last > 0:
        if found := _BETWEEN.search(content, max(0, last - _SPACE), last + 1):
            return content[: found.start() + 1], content[found.end() - 1 :]
        last = content.rfind(b"{", 0, last)
    raise _OtherLayoutError


def _as_list(entries: bytes) -> bytes:
    return b"[" + without_nan(entries) + b"]"
