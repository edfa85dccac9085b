"""Files and folders that are nearly what is looked for: misnamed, or still packed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from convnextpose_check.files.folders import SEQUENCE_FOLDER, walk

PACKED_SUFFIXES = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar")

_DOWNLOADED_AGAIN = re.compile(r" ?\(\d+\)")
_PACKED_PART = re.compile(r"(annotations?|images?|s(0?9|11)(_act.*)?|s_(09|11)_act.*)\b.*")


def look_alikes(root: Path, wanted: Iterable[str]) -> list[str]:
    """A sentence on each thing below ``root`` that could be an annotation file or images.

    ``wanted`` are the names of annotation files that were not found. A folder that is not there is
    looked for beside itself, under a name in other letters.
    """
    if not root.is_dir():
        return [f"there is {path}, in other letters" for path in _in_other_letters(root)]
    by_lower = {name.lower(): name for name in wanted}
    found = []
    for folder, folders, files in walk(root):
        for name in folders:
            plain = _plain(name)
            if SEQUENCE_FOLDER.fullmatch(plain) and plain != name:
                found.append(f"the folder {folder / name} should be named {plain}")
                folders.remove(name)
        for name in files:
            plain = _plain(name)
            stem = re.sub(r"(\.\w+)$", "", plain)
            if meant := by_lower.get(plain):
                found.append(f"{folder / name} should be named {meant}")
            elif plain.endswith(PACKED_SUFFIXES) and (
                stem in by_lower or _PACKED_PART.fullmatch(plain)
            ):
                found.append(f"{folder / name} is still packed")
    return found


def _plain(name: str) -> str:
    """The name in small letters, without the (1) of a second download."""
    return _DOWNLOADED_AGAIN.sub("", name).lower()


def _in_other_letters(path: Path) -> list[Path]:
    try:
        beside = sorted(path.parent.iterdir())
    except OSError:
        return []
    return [other for other in beside if other.name.lower() == path.name.lower()]
