"""Search folders that may hold half a million images."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode

SEQUENCE_FOLDER = re.compile(r"s_\d\d_act_\d\d_subact_\d\d_ca_\d\d")
"""Name of the folder that holds the images of one Human3.6M sequence."""

SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir"})
"""Folders of macOS and Synology with files of the same names as the data. Others are hidden."""

MAX_DEPTH = 8
MAX_FOLDERS = 50_000
"""Human3.6M has some thousand besides those of its sequences, which are not entered."""

# Unlike pathlib's methods, these return False for a name that is too long or may not be searched.
path_exists = os.path.exists
is_file = os.path.isfile


def file_state(path: Path) -> tuple[int, int] | None:
    """Size and modification time of a regular file; None if there is none that can be read."""
    try:
        status = os.stat(path)  # noqa: PTH116 - pathlib is slower
    except (OSError, ValueError):
        return None
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Every folder below ``root`` in sorted order, with the names of its folders and files.

    Not entered: sequence folders, those that the caller removes from the list, links a second time,
    hidden and system folders. Raises ``ConvNeXtPoseCheckError`` (``too-many-files``).
    """
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        depth = len(Path(folder).relative_to(root).parts)
        if real in seen or depth > MAX_DEPTH:
            folders.clear()
            continue
        seen.add(real)
        if len(seen) > MAX_FOLDERS:
            raise too_many_files(MAX_FOLDERS, "folders", root)
        names = sorted(n for n in folders if n not in SYSTEM_FOLDERS and not n.startswith("."))
        yield Path(folder), names, sorted(name for name in files if not name.startswith("._"))
        folders[:] = [name for name in names if not SEQUENCE_FOLDER.fullmatch(name)]


def too_many_files(count: int, what: str, root: Path) -> ConvNeXtPoseCheckError:
    """The error for a folder that holds more than is searched."""
    return ConvNeXtPoseCheckError(
        ErrorCode.TOO_MANY_FILES,
        f"there are more than {count:,} {what} below {root}",
        "Name the folder inside it that is meant, or the files",
    )
