"""Read regular files without blocking; write files completely or not at all; lock folders."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode

PARTIAL = ".convnextpose-check.partial"
"""Suffix of the folders of files that are being written, which nothing else uses."""


def open_regular(path: Path, flags: int = os.O_RDONLY) -> BinaryIO:
    """Open a regular file with flags of ``os.open``, without waiting for the writer of a pipe.

    Raises ``OSError``.
    """
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is no regular file")
    return os.fdopen(handle, "r+b" if flags & os.O_RDWR else "rb")


def size_of(stream: BinaryIO) -> int:
    """Size in bytes of the open file, even if its path has been replaced."""
    return os.fstat(stream.fileno()).st_size


def read_exactly(stream: BinaryIO, size: int, path: Path) -> bytes:
    """Read the open file, which must still have the size that was checked."""
    stream.seek(0)
    content = stream.read(size + 1)
    if len(content) != size:
        raise ConvNeXtPoseCheckError(
            ErrorCode.UNREADABLE,
            f"{path} changed its size while it was read",
            "Wait until it is written, and run again",
        )
    return content


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, and rename it to ``path`` at the end of the block.

    Raises ``ConvNeXtPoseCheckError`` (``cannot-write``) for an ``OSError``, also of the block.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(PARTIAL, f".{path.name}.", path.parent) as folder:
            temporary = Path(folder, path.name)
            yield temporary
            with temporary.open("rb") as stream:
                os.fsync(stream.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from None


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file.

    Bytes of file names that the locale cannot decode are read as UTF-8, or else escaped.
    """
    decoded = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    with write_atomically(path) as temporary:
        temporary.write_text(decoded, encoding="utf-8")


def remove_partial_files(folder: Path, below: Path | str = "") -> None:
    """Remove the partial files of a killed run from ``below``, a pattern of folders in ``folder``.

    The folders inside them are left alone. Version 0.2 wrote files where now there are folders.
    """
    for left_over in folder.glob(str(Path(below, f".*.????????{PARTIAL}"))):
        shutil.rmtree(left_over, ignore_errors=True)
        with suppress(OSError):
            left_over.unlink(missing_ok=True)


def lock_file(path: Path) -> BinaryIO:
    """Lock a file until the returned one is closed or the process ends.

    The file may exist, and is not changed. filelock is not used because most of its releases
    truncate the file. Raises ``ConvNeXtPoseCheckError``: ``in-use`` if another run has the lock,
    ``cannot-write`` if the file cannot be made, or is a link or a special file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    except OSError as error:
        raise cannot_write(path, error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise ConvNeXtPoseCheckError(
            ErrorCode.IN_USE,
            f"another run is writing to {path.parent}",
            "Wait until it has ended, or name another folder",
        ) from None
    except OSError:
        pass  # a file system without locks: two runs may overwrite each other's files
    return lock


def cannot_write(path: Path, error: OSError) -> ConvNeXtPoseCheckError:
    """The error for a file that cannot be written."""
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = (
        "Free disk space, or name a folder on another disk" if is_full else "Name another folder"
    )
    return ConvNeXtPoseCheckError(
        ErrorCode.CANNOT_WRITE,
        f"cannot write {path}: {error.strerror or error}",
        f"{remedy}, such as with --results-dir",
    )
