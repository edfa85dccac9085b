"""Decode JSON files into a given type, with one error for all invalid files."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
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

    Raises ``ConvNeXtPoseCheckError`` (``bad-annotations``) for a file that cannot be read, is
    truncated, has another structure or, where a dictionary is expected, repeats a key.
    """
    with open_json(path) as stream:
        content = stream.read()
    decoded = decode_json(content, type_, path)
    # msgspec drops repeated keys. Each key has two quotation marks: if there are more, search.
    if isinstance(decoded, dict) and content.count(b'"') > 2 * _count_keys(decoded):
        _refuse_repeated_keys(content, path)
    return decoded


def decode_json(content: bytes | msgspec.Raw, type_: type[T], path: Path, position: str = "") -> T:
    """Decode JSON into ``type_``; ``position`` is appended to the error message."""
    try:
        return msgspec.json.decode(replace_nonfinite(bytes(content)), type=type_)
    except DECODE_ERRORS as error:
        problem = str(error).replace("got `null`", "got null, NaN or infinity")
        is_other_data = isinstance(error, msgspec.ValidationError)
        remedy = GET_ORIGINAL if is_other_data else DOWNLOAD_AGAIN
        raise bad_annotations(path, f"{problem}{position}", remedy) from None


def _count_keys(value: object) -> int:
    return len(value) + sum(map(_count_keys, value.values())) if isinstance(value, dict) else 0


def _refuse_repeated_keys(content: bytes, path: Path) -> None:
    """Raise for a repeated key; Python's json, which finds it, is slow and rarely necessary."""

    def check_keys(pairs: list[tuple[str, object]]) -> None:
        for key, count in Counter(key for key, _ in pairs).most_common(1):
            if count > 1:
                raise bad_annotations(path, f"the key {key!r} occurs twice in one object")

    try:  # numbers are skipped: they may have more digits than Python converts
        json.loads(
            content,
            object_pairs_hook=check_keys,
            parse_int=lambda _: None,
            parse_float=lambda _: None,
        )
    except (ValueError, RecursionError) as error:
        raise bad_annotations(path, str(error)) from None


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
    """True unless the file is of another format or cannot be read; only its start is read."""
    try:
        with open_json(path):
            return True
    except ConvNeXtPoseCheckError:
        return False


def bad_annotations(path: Path, problem: str, remedy: str = GET_ORIGINAL) -> ConvNeXtPoseCheckError:
    """The error for an invalid file."""
    return ConvNeXtPoseCheckError(
        ErrorCode.BAD_ANNOTATIONS,
        f"{path} cannot be used: {problem}",
        remedy,
    )
