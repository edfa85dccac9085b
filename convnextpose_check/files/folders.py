"""Walk through folders that may contain half a million images."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode

SEQUENCE_FOLDER = re.compile(r"s_\d\d_act_\d\d_subact_\d\d_ca_\d\d")
"""Name of the image folder of one Human3.6M sequence."""

SYSTEM_FOLDERS = frozenset({"__MACOSX", "@eaDir"})
"""Folders in which macOS and Synology store files with the same names as the data."""

MAX_DEPTH = 8
MAX_FOLDERS = 50_000
"""Human3.6M has about a thousand, apart from its sequence folders, which are not entered."""

# Unlike pathlib's methods, these return False for a path that is too long or in a closed folder.
path_exists = os.path.exists
is_file = os.path.isfile


def file_state(path: Path) -> tuple[int, int] | None:
    """Size in bytes and modification time in ns of a regular file, else None."""
    try:
        status = os.stat(path)  # noqa: PTH116 - pathlib is slower
    except (OSError, ValueError):
        return None
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def walk(root: Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder below ``root`` with the sorted names of folders and files.

    Hidden, system and sequence folders are not entered, nor those that the caller removes from the
    list; a folder with several links is entered once. Raises ``ConvNeXtPoseCheckError``
    (``too-many-files``).
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
    """The error for a folder with too many entries to search."""
    return ConvNeXtPoseCheckError(
        ErrorCode.TOO_MANY_FILES,
        f"{root} contains more than {count:,} {what}",
        "Give a folder inside it, or the files themselves",
    )
