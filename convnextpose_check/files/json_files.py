"""JSON files that must have a form, and one error for those that have not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, TypeVar

import msgspec
import numpy as np

from convnextpose_check.errors import ConvNeXtPoseCheckError

T = TypeVar("T")

_PIECE_BYTES = 2**18

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_json(path: Path, form: type[T]) -> T:
    """Decode a JSON file into ``form``.

    Raises ``ConvNeXtPoseCheckError`` (``bad-annotations``) for a file that cannot be read, is cut
    off, has another form or, where ``form`` is a dictionary, has a key twice, saying at which
    place.
    """
    with opened(path) as stream:
        content = without_nan(stream.read())
    decoded = decode(content, form, path)
    # Each key stands in two quotation marks: where there are no more, nothing was left out.
    if isinstance(decoded, dict) and _count_quotes(content) > 2 * _count_keys(decoded):
        _refuse_repeated_keys(content, path)
    return decoded


def decode(content: bytes | msgspec.Raw, form: type[T], path: Path, place: str = "") -> T:
    """Decode JSON into ``form``; an error names the file and, after its own words, the place."""
    try:
        return msgspec.json.decode(content, type=form)
    except UNDECODABLE as error:
        raise bad_annotations(path, f"{error}{place}") from None


def _count_quotes(content: bytes) -> int:
    """Ten times as fast as ``count``, in little memory."""
    pieces = np.array_split(np.frombuffer(content, np.uint8), len(content) // _PIECE_BYTES + 1)
    return sum(int(np.count_nonzero(piece == ord('"'))) for piece in pieces)


def _count_keys(value: object) -> int:
    if not isinstance(value, dict):
        return 0
    return len(value) + sum(map(_count_keys, value.values()))


class _Repeating(dict[str, object]):
    """An object with a key that stands twice in the file."""

    repeated: str


def _refuse_repeated_keys(content: bytes, path: Path) -> None:
    """Slow, and seldom necessary: msgspec does not tell of a key that stands twice."""
    try:
        found = json.loads(
            content, object_pairs_hook=_with_repeated, parse_int=_nothing, parse_float=_nothing
        )
    except (ValueError, RecursionError) as error:
        raise bad_annotations(path, str(error)) from None
    places = [("", found)]
    while places:
        place, value = places.pop()
        if isinstance(value, _Repeating):
            raise bad_annotations(path, f"the key {value.repeated!r} stands twice{place}")
        if isinstance(value, dict):
            places += [(f"{place or ' in'} {key!r}", inner) for key, inner in value.items()]
        elif isinstance(value, list):
            places += [(place, inner) for inner in value]


def _with_repeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    repeating = _Repeating(plain)
    counted = Counter(key for key, _ in pairs)
    repeating.repeated = counted.most_common(1)[0][0]
    return repeating


def _nothing(_: str) -> None:
    """Numbers are of no interest here, and may be larger than Python reads."""


def without_nan(content: bytes) -> bytes:
    """Python writes what is not a number as NaN, which JSON does not know."""
    if b"N" not in content:  # a single byte is looked for ten times as fast
        return content
    return content.replace(b"NaN", b"null")


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file to read; ``bad-annotations`` where that fails."""
    try:
        if not S_ISREG(path.stat().st_mode):  # reading a pipe would wait for its writer
            raise bad_annotations(path, "it is no regular file")
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise bad_annotations(path, f"it cannot be read ({error.strerror})") from None


def bad_annotations(path: Path, problem: str) -> ConvNeXtPoseCheckError:
    """The error for an annotation file that is not as Human3.6M's are."""
    return ConvNeXtPoseCheckError(
        "bad-annotations",
        f"the annotation file {path} cannot be used: {problem}",
        "Fetch the file again and compare its size with the source",
    )
