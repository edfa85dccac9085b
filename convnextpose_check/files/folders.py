"""Walk through folders that may contain half a million images."""

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.text import format_count

SEQUENCE_FOLDER = re.compile(r"s_\d\d_act_\d\d_subact_\d\d_ca_\d\d")
"""Name of the image folder of one Human3.6M sequence."""

SYSTEM_FILES = frozenset({
    "__macosx", ".ds_store", ".ipynb_checkpoints", "@eadir", "#recycle", "$recycle.bin",
    "system volume information", "lost+found", "thumbs.db", "desktop.ini",
})  # fmt: skip
"""Names, in lower case, of files and folders that systems create. Some contain copies of data."""

MAX_DEPTH = 12
"""Kaggle unpacks models 6 folders deep: models/OWNER/NAME/FRAMEWORK/VARIATION/VERSION."""
MAX_FOLDERS = 50_000
"""Human3.6M has about a thousand, apart from its sequence folders, which are not entered."""

# Unlike pathlib's methods, these return False for a path that is too long or not accessible.
path_exists = os.path.exists
is_file = os.path.isfile


def file_state(path: Path) -> tuple[int, int] | None:
    """Size in bytes and modification time in ns of a regular file, else None."""
    try:
        status = os.stat(path)  # noqa: PTH116 - pathlib is slower
    except (OSError, ValueError):
        return None
    return (status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None


def is_system_file(name: str) -> bool:
    """True for the name of a file or folder that a system creates beside the user's files."""
    return name.startswith("._") or name.lower() in SYSTEM_FILES


def walk(
    root: Path, too_deep: list[Path] | None = None
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Yield each folder below ``root`` with the sorted names of folders and files.

    System files are omitted. Hidden and sequence folders are not entered, nor those that the caller
    removes from the list; a folder with several links is entered once. Folders deeper than
    ``MAX_DEPTH`` are appended to ``too_deep``. Raises ``ConvNeXtPoseCheckError``
    (``too-many-files``).
    """
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        depth = len(Path(folder).relative_to(root).parts)
        if real in seen or depth > MAX_DEPTH:
            if real not in seen and too_deep is not None:
                too_deep.append(Path(folder))
            folders.clear()
            continue
        seen.add(real)
        if len(seen) > MAX_FOLDERS:
            raise too_many_files(MAX_FOLDERS, "folders", root)
        files = sorted(name for name in files if not is_system_file(name))
        names = sorted(n for n in folders if not n.startswith(".") and not is_system_file(n))
        yield Path(folder), names, files
        folders[:] = [name for name in names if not SEQUENCE_FOLDER.fullmatch(name)]


def describe_too_deep(folders: list[Path]) -> str:
    """Name the folders that ``walk`` did not enter because of their depth; at least one."""
    return f"{format_count(len(folders), 'folder')} too deep to search, such as {folders[0]}"


def too_many_files(count: int, kind: str, root: Path) -> ConvNeXtPoseCheckError:
    """The error for a folder with too many entries (files or folders) to search."""
    return ConvNeXtPoseCheckError(
        ErrorCode.TOO_MANY_FILES,
        f"{root} contains more than {count:,} {kind}",
        "Pass a folder inside it, or the files themselves",
    )
