"""Generates the miniature once and keeps it: a data set and four archives on disk."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import convnextpose_check
from convnextpose_check.miniature.archives import write_archive
from convnextpose_check.miniature.dataset import test_image_count, write_dataset
from convnextpose_check.progress import progress_bar
from convnextpose_check.variants import read_catalogue

SHAPING_SOURCES = ("geometry.py", "keymap.py", "network.py", "skeleton.py", "variants.json")


@dataclass(frozen=True)
class Miniature:
    """Where the generated files are."""

    folder: Path

    @property
    def dataset(self) -> Path:
        """The data set, in the authors' layout."""
        return self.folder / "Human36M"

    @property
    def checkpoints(self) -> Path:
        """The folder of the four archives."""
        return self.folder / "checkpoints"


def cached_miniature(cameras_file: Path, progress_stream: TextIO | None = None) -> Miniature:
    """The miniature in the user's cache, generated there if this version of it is not yet.

    It takes its place in one move, so that an interrupted or a second run never sees half of it.
    """
    folder = _cache_folder() / f"miniature-{_digest(cameras_file)[:16]}"
    if not folder.is_dir():
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
        try:
            _generate(Miniature(building), cameras_file, progress_stream)
            with suppress(OSError):  # another run was faster, and its files are the same
                building.rename(folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return Miniature(folder)


def _generate(miniature: Miniature, cameras_file: Path, stream: TextIO | None) -> None:
    miniature.checkpoints.mkdir()
    for variant in read_catalogue().variants:
        write_archive(variant, miniature.checkpoints / variant.checkpoint.file_name)
    with progress_bar(stream, "drawing the miniature", test_image_count()) as advance:
        write_dataset(miniature.dataset, json.loads(cameras_file.read_text()), advance)


def _cache_folder() -> Path:
    """The user's cache folder, or a temporary one where that cannot be written."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "convnextpose-check"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        folder = Path(tempfile.gettempdir()) / f"convnextpose-check-{os.getuid()}"
        folder.mkdir(exist_ok=True)
    return folder


def _digest(cameras_file: Path) -> str:
    """A sha256 over everything that shapes the generated files."""
    import cv2

    package = Path(convnextpose_check.__file__).parent
    sources = sorted((package / "miniature").glob("*.py"))
    sources += [package / name for name in SHAPING_SOURCES]
    digest = hashlib.sha256(f"jpeg by OpenCV {cv2.__version__}".encode())
    for file in [*sources, cameras_file]:
        digest.update(file.read_bytes())
    return digest.hexdigest()
