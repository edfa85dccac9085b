"""Generates the synthetic data set and its five archives once, and caches them."""

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
from convnextpose_check.progress import progress_bar
from convnextpose_check.synthetic.archives import generated_epoch, write_archive
from convnextpose_check.synthetic.dataset import test_image_count, write_dataset
from convnextpose_check.synthetic.reference import (
    reference_file,
    reference_state,
    synthetic_catalogue,
)
from convnextpose_check.synthetic.weights import seeded_state
from convnextpose_check.variants import REFERENCE

CAMERAS_FILE = "h36m_cameras.json"
SOURCE_DEPENDENCIES = (
    "checkpoints/training_record.py",
    "human36m/geometry.py",
    "human36m/skeleton.py",
    "network/keymap.py",
    "network/reference.py",
    "variants.json",
    "variants.py",
)
"""Files outside this package that change the generated files."""


@dataclass(frozen=True)
class SyntheticData:
    """The folder of the generated files."""

    folder: Path

    @property
    def dataset(self) -> Path:
        """The data set in Human3.6M's layout."""
        return self.folder / "Human36M"

    @property
    def checkpoints(self) -> Path:
        """The archives of the trained reference model and of four seeded models."""
        return self.folder / "checkpoints"


def cached_synthetic_data(fixtures: Path, progress_stream: TextIO | None = None) -> SyntheticData:
    """Return the synthetic data set from the user's cache; generate it if it is missing.

    ``fixtures`` is the folder with the cameras and the reference model. The data set is generated
    in a temporary folder and then renamed, so that no run reads an incomplete one.
    """
    folder = _cache_folder() / f"synthetic-{_source_digest(fixtures)[:16]}"
    if not folder.is_dir():
        building = Path(tempfile.mkdtemp(prefix=".building-", dir=folder.parent))
        try:
            _generate(SyntheticData(building), fixtures, progress_stream)
            with suppress(OSError):  # a concurrent run was faster; its files are the same
                building.rename(folder)
        finally:
            shutil.rmtree(building, ignore_errors=True)
    return SyntheticData(folder)


def _generate(synthetic: SyntheticData, fixtures: Path, stream: TextIO | None) -> None:
    synthetic.checkpoints.mkdir()
    for variant in synthetic_catalogue().variants:
        if variant.name == REFERENCE:
            weights = reference_state(fixtures)
        else:
            weights = seeded_state(variant.architecture, seed=generated_epoch(variant))
        write_archive(variant, weights, synthetic.checkpoints / variant.checkpoint.file_name)
    cameras = json.loads((fixtures / CAMERAS_FILE).read_text(encoding="utf-8"))
    with progress_bar(stream, "drawing the synthetic data set", test_image_count()) as advance:
        write_dataset(synthetic.dataset, cameras, advance)


def _cache_folder() -> Path:
    """The user's cache folder, or a temporary folder if it is not writable."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "convnextpose-check"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        folder = Path(tempfile.gettempdir()) / f"convnextpose-check-{os.getuid()}"
        folder.mkdir(exist_ok=True)
    return folder


def _source_digest(fixtures: Path) -> str:
    """The sha256 of all sources of the generated files."""
    import cv2

    package = Path(convnextpose_check.__file__).parent
    sources = sorted((package / "synthetic").glob("*.py"))
    sources += sorted((package / "synthetic").glob("*.json"))
    sources += [package / name for name in SOURCE_DEPENDENCIES]
    digest = hashlib.sha256(f"jpeg by OpenCV {cv2.__version__}".encode())
    for file in [*sources, fixtures / CAMERAS_FILE, reference_file(fixtures)]:
        digest.update(file.read_bytes())
    return digest.hexdigest()
