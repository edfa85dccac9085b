"""Search folders for files that may be checkpoints, by their first bytes if not by their names."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from convnextpose_check.checkpoints.unpack import CHECKPOINT_SUFFIXES
from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.files.first_bytes import HEAD_BYTES, recognize_format
from convnextpose_check.files.folders import (
    describe_too_deep,
    is_file,
    path_exists,
    too_many_files,
    walk,
)
from convnextpose_check.files.regular_files import open_regular

MAX_CANDIDATES = 1_000
"""Limit for the files to load; four checkpoints are published."""
MAX_OPENED = 1_000
"""Limit for the files whose first bytes are read: those with neither kind of suffix below."""

UNFINISHED_SUFFIXES = (".crdownload", ".part", ".partial", ".download", ".opdownload", ".tmp")
"""Suffixes of unfinished downloads: of browsers, gdown, wget and curl."""

OTHER_SUFFIXES = frozenset(
    ".jpg .jpeg .png .gif .bmp .webp .tif .tiff .svg .mp4 .avi .mov .pdf .json .jsonl .txt .csv"
    " .tsv .md .rst .html .htm .xml .yaml .yml .toml .ini .cfg .log .py .pyc .ipynb .sh .js .css"
    " .npy .npz .mat .cdf .h5 .hdf5 .pkl .parquet .onnx .data .pt2 .tflite .sha256 .md5".split()
)
"""Suffixes of files that are not opened: a data set may have a hundred thousand images."""

POSSIBLE_FORMATS = frozenset({
    "zip", "gzip", "bzip2", "xz", "zstd", "7z", "rar", "tar", "old torch", "safetensors",
    "git-lfs pointer", "web page", "part",
})  # fmt: skip
"""Formats of a checkpoint, or of a failed attempt to get one, which loading then explains."""


class FoundFiles(NamedTuple):
    """Files and unpacked folders that may be checkpoints, and the reasons for skipping others."""

    candidates: tuple[Path, ...]
    skipped: tuple[str, ...]


def search_paths(paths: Sequence[Path]) -> FoundFiles:
    """Search files and folders.

    Raises ``ConvNeXtPoseCheckError``: ``checkpoint-not-found`` for a path that does not exist,
    ``too-many-files``.
    """
    found: dict[Path, None] = {}
    skipped: list[str] = []
    for root in paths:
        if not path_exists(root):
            raise ConvNeXtPoseCheckError(
                ErrorCode.CHECKPOINT_NOT_FOUND, f"{root} does not exist", "Check the path"
            )
        for path in _find_candidates(root, skipped):
            found[path] = None
            if len(found) > MAX_CANDIDATES:
                raise too_many_files(MAX_CANDIDATES, "files that may be checkpoints", root)
    return FoundFiles(tuple(found), tuple(skipped))


def _find_candidates(root: Path, skipped: list[str]) -> Iterator[Path]:
    """Yield the candidates below ``root``; append reasons for others to ``skipped``."""
    if is_file(root) or is_file(root / "data.pkl"):
        yield root
        return
    too_deep: list[Path] = []
    unopened = opened = 0
    for folder, folders, files in walk(root, too_deep):
        if "data.pkl" in files:
            yield folder
            folders.clear()
            continue
        if folder.name == "data" and files and all(map(str.isdecimal, files)):
            skipped.append(f"{folder.parent} is an unpacked checkpoint without data.pkl")
            continue
        for name in files:
            suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - pathlib is slower
            if name.startswith(".") or suffix in OTHER_SUFFIXES:
                continue
            path = folder / name
            if suffix in UNFINISHED_SUFFIXES:
                skipped.append(f"{path} is an unfinished download")
            elif suffix in CHECKPOINT_SUFFIXES:
                yield path
            elif opened == MAX_OPENED:
                unopened += 1
            else:
                opened += 1
                if _may_be_checkpoint(path):
                    yield path
    if too_deep:
        skipped.append(describe_too_deep(too_deep))
    if unopened:
        skipped.append(
            f"{unopened:,} files in {root} were not opened: the limit for files without a"
            f" checkpoint's suffix is {MAX_OPENED:,}"
        )


def _may_be_checkpoint(path: Path) -> bool:
    """True for a possible format, and for the authors' name, whose file loading explains."""
    if "convnextpose" in path.name.lower():
        return True
    try:
        with open_regular(path) as stream:
            found = recognize_format(stream.read(HEAD_BYTES), path.name)
    except OSError:
        return False
    return found is not None and found.name in POSSIBLE_FORMATS
