"""Files and folders that are probably a missing part of Human3.6M: misnamed, or still packed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from convnextpose_check.files.folders import SEQUENCE_FOLDER, is_there, walk

PACKED_SUFFIXES = (".zip", ".tar", ".tgz", ".gz", ".7z", ".rar")
RENAME = (
    "Rename or unpack it; where that is not possible, as in /kaggle/input, make a folder of links"
    " (ln -s) with the right names and give that with --h36m-root"
)

_COPY_NUMBER = re.compile(r" ?\(\d+\)")
_PACKED_PART = re.compile(r"(annotations?|images?|s(0?9|11)(_act.*)?|s_(09|11)_act.*)\b.*")


def look_alikes(root: Path, names: Iterable[str]) -> list[str]:
    """A sentence on each thing below ``root`` that could be a missing annotation file or images.

    ``names`` are the names of annotation files. If ``root`` does not exist, returns the folders
    beside it whose names differ from it in upper and lower case only.
    """
    if not is_there(root):
        try:
            beside = sorted(root.parent.iterdir())
        except OSError:
            return []
        return [f"there is {path}" for path in beside if path.name.lower() == root.name.lower()]
    there = {name for _, _, files in walk(root) for name in files}
    missing = {name.lower(): name for name in names if name not in there}
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
            if meant := missing.get(plain):
                found.append(f"{folder / name} should be named {meant}")
            elif plain.endswith(PACKED_SUFFIXES) and (
                stem in missing or _PACKED_PART.fullmatch(plain)
            ):
                found.append(f"{folder / name} is still packed")
    return found


def _plain(name: str) -> str:
    """The name in lower case, without the (1) of a second download."""
    return _COPY_NUMBER.sub("", name).lower()
