"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.opening import open_regular
from convnextpose_check.wording import replace_surrogates

PARTIAL = ".convnextpose-check.partial"
"""Ends the names of files that are being written, and of no one else's."""


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to, which takes its name only when complete.

    Raises ``ConvNeXtPoseCheckError`` (``cannot-write``) where the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=PARTIAL, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise cannot_write(path, error) from None
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from None
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file, whole or not at all; bytes of file names are escaped."""
    with written_whole(path) as temporary:
        temporary.write_text(replace_surrogates(text), encoding="utf-8")


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Give the file a second name; where the file system has no links, a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def remove_left_over(folder: Path, of: Iterable[str] = ()) -> None:
    """Remove what a killed run began in this folder itself, known by the name of ``written_whole``.

    ``of`` names the files that were begun; without it, any that may have been.
    """
    for name in of or ("*",):
        for left_over in folder.glob(f".{name}.????????{PARTIAL}"):
            with suppress(OSError):
                left_over.unlink()


def lock_file(path: Path) -> BinaryIO | None:
    """Take the lock that this file stands for, until it is closed or the process ends.

    What stands there already is neither followed nor changed. None where another has the lock.
    Raises ``ConvNeXtPoseCheckError`` (``cannot-write``).
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = open_regular(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    except OSError as error:
        if path.is_symlink() or error.errno == errno.EINVAL:
            raise ConvNeXtPoseCheckError(
                "cannot-write",
                f"{path} is a link or a special file: expected a plain file to lock",
                "Remove it, or name another folder with --results-dir",
            ) from None
        raise cannot_write(path, error) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    except OSError:
        pass  # a file system without locks: two runs may then undo each other's work
    return lock


def is_writable(folder: Path) -> bool:
    """Whether files can be made in the folder, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def cannot_write(path: Path, error: OSError) -> ConvNeXtPoseCheckError:
    """The error for a place that cannot be written, and what to do."""
    return ConvNeXtPoseCheckError(
        "cannot-write",
        f"cannot write {path}: {error.strerror or error}",
        "Name a folder that can be written, such as with --results-dir",
    )
