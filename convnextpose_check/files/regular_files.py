"""Read regular files without blocking, write files atomically, lock folders."""

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode

PARTIAL = ".convnextpose-check.partial"
"""Suffix of the temporary folders in which files are written."""


def open_regular(path: Path, flags: int = os.O_RDONLY) -> BinaryIO:
    """Open a regular file with flags of ``os.open``, without blocking on a pipe.

    Raises ``OSError``, also for anything but a regular file.
    """
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "not a regular file")
    return os.fdopen(handle, "r+b" if flags & os.O_RDWR else "rb")


def size_of(stream: BinaryIO) -> int:
    """Size in bytes of the open file, even if its path has been replaced."""
    return os.fstat(stream.fileno()).st_size


def read_exactly(stream: BinaryIO, size: int, path: Path) -> bytes:
    """Read the open file from its start.

    Raises ``ConvNeXtPoseCheckError`` (``unreadable``) if it no longer has ``size`` bytes.
    """
    stream.seek(0)
    content = stream.read(size + 1)
    if len(content) != size:
        raise ConvNeXtPoseCheckError(
            ErrorCode.UNREADABLE,
            f"the size of {path} changed while it was read",
            "Wait until the file is complete and run again",
        )
    return content


@contextmanager
def write_atomically(path: Path, option: str = "--results-dir") -> Iterator[Path]:
    """Yield a temporary path, and rename it to ``path`` at the end of the block.

    Raises ``ConvNeXtPoseCheckError`` (``cannot-write``) for any ``OSError``, including the block's.
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
        raise cannot_write(path, error, option) from None


def write_text(path: Path, text: str, errors: str = "backslashreplace") -> None:
    """Write a UTF-8 text file atomically.

    Bytes of file names that the locale could not decode are read as UTF-8, or else escaped or
    replaced: ``errors`` is that of ``bytes.decode``.
    """
    decoded = text.encode("utf-8", "surrogateescape").decode("utf-8", errors)
    with write_atomically(path) as temporary:
        temporary.write_text(decoded, encoding="utf-8")


def remove_partial_files(folder: Path, below: Path | str = "") -> None:
    """Remove temporary files of killed runs from ``folder / below``, a glob pattern.

    Deeper folders are not searched.
    """
    for partial in folder.glob(str(Path(below, f".*.????????{PARTIAL}"))):
        shutil.rmtree(partial, ignore_errors=True)


def lock_file(path: Path, option: str = "--results-dir") -> BinaryIO:
    """Lock a file until the returned stream is closed or the process ends.

    It is created if missing. Most releases of filelock truncate an existing file; this does not.
    Raises ``ConvNeXtPoseCheckError``: ``in-use`` if another run has the lock, ``cannot-write`` if
    the file cannot be created, or is a link or a special file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    except OSError as error:
        raise cannot_write(path, error, option) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise ConvNeXtPoseCheckError(
            ErrorCode.IN_USE,
            f"another run is writing to {path.parent}",
            "Wait until that run has finished, or pass another folder"
            + (f" with {option}" if option else ""),
        ) from None
    except OSError:
        pass  # the file system has no locks, so two runs can overwrite each other's files
    return lock


def cannot_write(
    path: Path, error: OSError, option: str = "--results-dir"
) -> ConvNeXtPoseCheckError:
    """The error for an unwritable file; ``option``, if any, selects another folder."""
    is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return ConvNeXtPoseCheckError(
        ErrorCode.CANNOT_WRITE,
        f"cannot write {path}: {error.strerror or error}",
        ("Free disk space" if is_full else "Check the permissions")
        + ", or pass another folder"
        + (f" with {option}" if option else ""),
    )
