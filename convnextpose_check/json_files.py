"""JSON files that must have a form, and one error for those that have not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, TypeVar

import msgspec

from convnextpose_check.errors import ConvNeXtPoseCheckError

T = TypeVar("T")

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_json(path: Path, form: type[T]) -> T:
    """Decode a JSON file into ``form``.

    Raises ``ConvNeXtPoseCheckError`` (``bad-annotations``) for a file that cannot be read, is cut
    off or has another form, saying at which place.
    """
    with opened(path) as stream:
        return decode(without_nan(stream.read()), form, path)


def decode(content: bytes | msgspec.Raw, form: type[T], path: Path, place: str = "") -> T:
    """Decode JSON into ``form``; an error names the file and, after its own words, the place."""
    try:
        return msgspec.json.decode(content, type=form)
    except UNDECODABLE as error:
        raise bad_annotations(path, f"{error}{place}") from None


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
