"""JSON files of a given form, with one error for those that do not have it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.regular_files import open_regular

T = TypeVar("T")

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_json(path: Path, form: type[T]) -> T:
    """Decode a JSON file into ``form``.

    Raises ``ConvNeXtPoseCheckError`` (``bad-annotations``) for a file that cannot be read, is cut
    off, has another form or, where ``form`` is a dictionary, repeats a key.
    """
    with open_json(path) as stream:
        content = replace_nan(stream.read())
    decoded = decode_json(content, form, path)
    # Each key has two quotation marks: if there are no more, msgspec has dropped no key.
    if isinstance(decoded, dict) and content.count(b'"') > 2 * _count_keys(decoded):
        _refuse_repeated_keys(content, path)
    return decoded


def decode_json(content: bytes | msgspec.Raw, form: type[T], path: Path, place: str = "") -> T:
    """Decode JSON into ``form``; an error ends with ``place``."""
    try:
        return msgspec.json.decode(content, type=form)
    except UNDECODABLE as error:
        raise bad_annotations(path, f"{error}{place}") from None


def _count_keys(value: object) -> int:
    return len(value) + sum(map(_count_keys, value.values())) if isinstance(value, dict) else 0


class _Pairs(list[tuple[str, object]]):
    """A JSON object, in which keys may be repeated."""


def _refuse_repeated_keys(content: bytes, path: Path) -> None:
    """Find a repeated key, which msgspec ignores; slow and seldom necessary."""
    try:  # numbers may be larger than Python reads
        found = json.loads(
            content, object_pairs_hook=_Pairs, parse_int=lambda _: None, parse_float=lambda _: None
        )
    except (ValueError, RecursionError) as error:
        raise bad_annotations(path, str(error)) from None
    places = [("", found)]
    while places:
        place, value = places.pop()
        if isinstance(value, _Pairs):
            for key, count in Counter(key for key, _ in value).items():
                if count > 1:
                    raise bad_annotations(path, f"the key {key!r} stands twice{place}")
            places += [(f"{place or ' in'} {key!r}", inner) for key, inner in value]
        elif isinstance(value, list):
            places += [(place, inner) for inner in value]


def replace_nan(content: bytes) -> bytes:
    """Replace NaN, which Python writes and JSON does not have, by null."""
    if b"N" not in content:  # ten times as fast as searching for NaN
        return content
    return content.replace(b"NaN", b"null")


@contextmanager
def open_json(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file to read; raises ``bad-annotations`` where that fails."""
    try:
        with open_regular(path) as stream:
            yield stream
    except OSError as error:
        raise bad_annotations(path, f"it cannot be read ({error.strerror})") from None


def bad_annotations(path: Path, problem: str) -> ConvNeXtPoseCheckError:
    """The error for an annotation file that differs from those of Human3.6M."""
    return ConvNeXtPoseCheckError(
        ErrorCode.BAD_ANNOTATIONS,
        f"the annotation file {path} cannot be used: {problem}",
        "Fetch the file again and compare its size with the source",
    )
