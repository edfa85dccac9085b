"""Decode JSON files into a given type, with one error for all invalid files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.first_bytes import (
    DOWNLOAD_AGAIN,
    HEAD_BYTES,
    UTF8_MARK,
    recognize_format,
)
from convnextpose_check.files.regular_files import open_regular

T = TypeVar("T")

DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

GET_ORIGINAL = "Replace it with the original file of the data set, unchanged"


def read_json(path: Path, type_: type[T]) -> T:
    """Decode a JSON file into ``type_``.

    Of equal keys in one object, the last counts. Raises ``ConvNeXtPoseCheckError``
    (``bad-annotations``) for a file that cannot be read, is truncated or has another structure.
    """
    with open_json(path) as stream:
        return decode_json(stream.read(), type_, path)


def decode_json(content: bytes | msgspec.Raw, type_: type[T], path: Path, position: str = "") -> T:
    """Decode JSON into ``type_``; ``position`` is appended to the error message."""
    try:
        return msgspec.json.decode(replace_nonfinite(bytes(content)), type=type_)
    except DECODE_ERRORS as error:
        problem = str(error).replace("got `null`", "got null, NaN or infinity")
        remedy = GET_ORIGINAL if isinstance(error, msgspec.ValidationError) else DOWNLOAD_AGAIN
        raise bad_annotations(path, f"{problem}{position}", remedy) from None


def replace_nonfinite(content: bytes) -> bytes:
    """Replace NaN and infinity, which Python writes but JSON does not allow, with null."""
    if b"N" in content:  # ten times as fast as searching for NaN
        content = content.replace(b"NaN", b"null")
    if b"I" in content:
        content = content.replace(b"-Infinity", b"null").replace(b"Infinity", b"null")
    return content


@contextmanager
def open_json(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file behind its byte order mark, if it has one.

    Raises ``bad-annotations`` if the file cannot be read or is of another format.
    """
    try:
        with open_regular(path) as stream:
            # Not with the stream, whose buffer would be copied when the rest is read.
            head = os.pread(stream.fileno(), HEAD_BYTES, 0)
            found = recognize_format(head)
            if found is not None and found.name != "JSON":
                problem = f"it is {found.description}"
                raise bad_annotations(path, problem, found.remedy or GET_ORIGINAL)
            stream.seek(len(UTF8_MARK) if head.startswith(UTF8_MARK) else 0)
            yield stream
    except OSError as error:
        problem, remedy = f"it cannot be read ({error.strerror})", "Check the path and permissions"
        raise bad_annotations(path, problem, remedy) from None


def is_json(path: Path) -> bool:
    """True unless the file cannot be read or its first bytes are of another format."""
    with suppress(ConvNeXtPoseCheckError), open_json(path):
        return True
    return False


def bad_annotations(path: Path, problem: str, remedy: str = GET_ORIGINAL) -> ConvNeXtPoseCheckError:
    """The error for an invalid file."""
    return ConvNeXtPoseCheckError(
        ErrorCode.BAD_ANNOTATIONS,
        f"{path} cannot be used: {problem}",
        remedy,
    )
