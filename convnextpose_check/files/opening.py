"""Open what a stranger may have put there: plain files only, at once, and no more than allowed."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from convnextpose_check.errors import ConvNeXtPoseCheckError


def open_regular(path: Path, flags: int = os.O_RDONLY, mode: int = 0o644) -> BinaryIO:
    """Open a regular file, never waiting for the other end of a pipe, and never truncating.

    ``flags`` and ``mode`` are those of ``os.open``. Raises ``OSError``.
    """
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        return os.fdopen(handle, "r+b" if flags & os.O_RDWR else "rb")
    except BaseException:
        os.close(handle)
        raise


def size_of(stream: BinaryIO) -> int:
    """Bytes of the open file, whatever its path stands for by now."""
    return os.fstat(stream.fileno()).st_size


def read_whole(stream: BinaryIO, size: int, path: Path) -> bytes:
    """All bytes of the open file, which had this size when it was held against a bound.

    Raises ``ConvNeXtPoseCheckError`` (``unreadable``) where it has grown or shrunk since.
    """
    stream.seek(0)
    content = stream.read(size + 1)
    if len(content) != size:
        raise ConvNeXtPoseCheckError(
            "unreadable",
            f"{path} changed its size while it was read",
            "Wait until it is written, and run again",
        )
    return content
