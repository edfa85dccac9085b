"""Open untrusted paths: regular files only, without blocking."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode


def open_regular(path: Path, flags: int = os.O_RDONLY) -> BinaryIO:
    """Open a regular file with flags of ``os.open``, without waiting for the writer of a pipe.

    Raises ``OSError``.
    """
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        return os.fdopen(handle, "r+b" if flags & os.O_RDWR else "rb")
    except BaseException:
        os.close(handle)
        raise


def size_of(stream: BinaryIO) -> int:
    """Size in bytes of the open file, even if its path has been replaced."""
    return os.fstat(stream.fileno()).st_size


def read_whole(stream: BinaryIO, size: int, path: Path) -> bytes:
    """Read the open file, which must still have the size that was checked.

    Raises ``ConvNeXtPoseCheckError`` (``unreadable``).
    """
    stream.seek(0)
    content = stream.read(size + 1)
    if len(content) != size:
        raise ConvNeXtPoseCheckError(
            ErrorCode.UNREADABLE,
            f"{path} changed its size while it was read",
            "Wait until it is written, and run again",
        )
    return content
