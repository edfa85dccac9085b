"""The annotation file that lists all images of a subject: read in pieces, little is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec

from convnextpose_check.files.json_files import UNDECODABLE, decode, opened, without_nan

PIECE_BYTES = 2**18
"""Entries are decoded in pieces of this size; their objects then stay in the processor's cache."""

Integer = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Number = Annotated[float, msgspec.Meta(ge=-1e9, le=1e9)]
"""JSON's numbers have no bounds; within these nothing overflows later."""

_WholeNumber = Annotated[int, msgspec.Meta(ge=-(10**9), le=10**9)]
_Length = _WholeNumber | Number


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

    image_id: Integer
    bbox: tuple[_Length, _Length, _Length, _Length]


class Listing(msgspec.Struct):
    """Images and their annotations, in the file's order."""

    images: list[Image]
    annotations: list[Annotation]


def read_listing(path: Path, is_selected: Callable[[Image], bool]) -> Listing:
    """Read the selected images and their annotations; every entry must have the right form.

    A file laid out like the published ones, one list after the other, is decoded in pieces. Any
    other is decoded as a whole, which takes more memory and has the same result; so is one with
    an error, to name its position. Raises ``ConvNeXtPoseCheckError`` (``bad-annotations``).
    """
    with opened(path) as stream:
        try:
            return _select(_read_pieces(stream), is_selected)
        except (*UNDECODABLE, _OtherLayoutError):
            stream.seek(0)
            whole = decode(without_nan(stream.read()), Listing, path)
    return _select([whole], is_selected)


def _select(pieces: Iterable[Listing], is_selected: Callable[[Image], bool]) -> Listing:
    """The selected images and their annotations; all images come before the first annotation."""
    images: list[Image] = []
    annotations: list[Annotation] = []
    ids: set[int] = set()
    for piece in pieces:
        selected = list(filter(is_selected, piece.images))
        images += selected
        ids.update(image.id for image in selected)
        annotations += [entry for entry in piece.annotations if entry.image_id in ids]
    return Listing(images, annotations)


class _OtherLayoutError(Exception):
    """The file is not laid out like the published ones."""


_START = re.compile(rb'\s*\{\s*"images"\s*:\s*\[')
_MIDDLE = re.compile(rb'\]\s*,\s*"annotations"\s*:\s*\[')
_END = re.compile(rb"\]\s*\}\s*\Z")
_BETWEEN = re.compile(rb"\}\s*,\s*\{")


def _read_pieces(stream: BinaryIO) -> Iterator[Listing]:
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
    while not (middle := _MIDDLE.search(rest)):
        piece, rest = _cut(rest)
        yield Listing(images.decode(_as_list(piece)), [])
        if not (more := stream.read(PIECE_BYTES)):
            raise _OtherLayoutError
        rest += more
    yield Listing(images.decode(_as_list(rest[: middle.start()])), [])
    rest = rest[middle.end() :]
    while more := stream.read(PIECE_BYTES):
        piece, rest = _cut(rest + more)
        yield Listing([], annotations.decode(_as_list(piece)))
    if not (end := _END.search(rest)):
        raise _OtherLayoutError
    yield Listing([], annotations.decode(_as_list(rest[: end.start()])))


def _cut(content: bytes) -> tuple[bytes, bytes]:
    """The content up to the last position between two entries, and after it."""
    found = None
    for found in _BETWEEN.finditer(content):  # noqa: B007 - the last one
        pass
    if found is None:
        raise _OtherLayoutError
    return content[: found.start() + 1], content[found.end() - 1 :]


def _as_list(entries: bytes) -> bytes:
    return b"[" + without_nan(entries) + b"]"
