"""Keep what was measured, so that a run that was cut short need not begin again.

It is kept under a key of everything that it depends on: a checkpoint, image, setting or line of
this package that changed gives another key, and what was kept is then not taken for it. Kept are
measurements alone. Whether they are complete, and of which samples, is asked of the data set.
Errors are computed again from the kept positions. Positions and the contents of images cannot be
verified without running the network: results count the samples that were not measured again.
"""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

import convnextpose_check
from convnextpose_check.environment import opencv_version, package_version
from convnextpose_check.evaluation.measurements import Measurements
from convnextpose_check.evaluation.metrics import sample_errors_mm
from convnextpose_check.files.whole import written_whole
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset

PACKAGE = Path(convnextpose_check.__file__).parent
SHAPING_SUFFIXES = {".py", ".json"}
PACKAGES = ("torch", "triton", "numpy", "onnxruntime", "onnxruntime-gpu")

ERRORS_ALIKE_MM = 1e-6
"""Errors computed again from the same positions differ by less, also on another processor."""

Grid = tuple[int, int, int]


def evaluation_key(checkpoint_sha256: str, dataset: Dataset, settings: dict[str, object]) -> str:
    """A sha256 over checkpoint, annotations, image files, settings, versions and this package.

    Image files count by path, size and time of change as they were found: reading them again is
    what resuming saves.
    """
    digest = hashlib.sha256()
    parts = {
        "checkpoint": checkpoint_sha256,
        "dataset": [dataset.digest, dataset.protocol, dataset.boxes],
        "settings": settings,
        "versions": [*map(package_version, PACKAGES), opencv_version()],
        "sources": sources_digest(PACKAGE),
    }
    digest.update(json.dumps(parts, sort_keys=True).encode())
    for sample in dataset.samples:
        digest.update(f"{sample.path} {sample.state}\n".encode())
    return digest.hexdigest()


def sources_digest(package: Path) -> str:
    """A sha256 over all code and figures of a package, with their names.

    All of it, since what shapes the numbers cannot be told from what does not without an error.
    """
    digest = hashlib.sha256()
    files = (path for path in package.rglob("*") if path.suffix in SHAPING_SUFFIXES)
    for path in sorted(files):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(package).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def keep(
    measured: Measurements,
    dataset: Dataset,
    grid_whd: Grid,
    key: str,
    path: Path,
    batch_size: int,
) -> int:
    """Write what was measured under its key, whole or not at all; returns how many samples stand.

    ``batch_size`` is that of the run. Where the file has more samples of use under the same key,
    from a run before this one, it is left as it is. Raises ``ConvNeXtPoseCheckError``
    (``cannot-write``).
    """
    samples = int(measured.done.sum())
    earlier = _read(key, dataset, path, batch_size)
    if earlier is not None and earlier.done.sum() > samples:  # seldom: errors take a second
        earlier = _with_errors_of_positions(earlier, dataset, grid_whd)
        if earlier is not None:
            return int(earlier.done.sum())
    about = {
        "key": key,
        "run_batch_size": batch_size,
        "batch_size": measured.batch_size,
        "problems": measured.problems,
        "warnings": measured.warnings,
        "seconds": measured.seconds,
        "reading_seconds": measured.reading_seconds,
    }
    arrays: dict[str, Any] = {name: getattr(measured, name) for name in _ARRAYS}
    buffer = io.BytesIO()
    np.savez(buffer, **arrays, image_ids=_ids(dataset), about=np.array(json.dumps(about)))
    with written_whole(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
    return samples


def kept(
    key: str, dataset: Dataset, grid_whd: Grid, path: Path, batch_size: int
) -> Measurements | None:
    """What was measured of this data set under this key, None if there is nothing of use.

    Of use are finished measurements, and partial ones of a run with the same ``batch_size``:
    answers may depend, in their last digits, on the other images of the batch. A file whose errors
    are not those of its positions, in cells of ``grid_whd``, is of no use.
    """
    found = _read(key, dataset, path, batch_size)
    if found is not None:
        found = _with_errors_of_positions(found, dataset, grid_whd)
    if found is not None:
        found.resumed = int(found.used.sum())
    return found


def _with_errors_of_positions(
    measured: Measurements, dataset: Dataset, grid_whd: Grid
) -> Measurements | None:
    """The measurements with errors computed again, None if those that were kept differ."""
    numbers = np.flatnonzero(measured.used)
    samples = [dataset.samples[number] for number in numbers]
    errors_mm = sample_errors_mm(measured.cells_xyz[numbers], samples, grid_whd, dataset.protocol)
    difference_mm = np.abs(errors_mm - measured.errors_mm[numbers])
    if not (difference_mm <= ERRORS_ALIKE_MM).all():
        return None
    measured.errors_mm[numbers] = errors_mm
    return measured


def _read(key: str, dataset: Dataset, path: Path, batch_size: int) -> Measurements | None:
    """The file's measurements if they are of use and sound; errors are not verified."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            if about.pop("key") != key or not np.array_equal(arrays["image_ids"], _ids(dataset)):
                return None
            run_batch_size = about.pop("run_batch_size")
            problems, warnings = (_by_number(about.pop(name)) for name in ("problems", "warnings"))
            parts: dict[str, Any] = {name: arrays[name] for name in _ARRAYS}
            measured = Measurements(**parts, **about, problems=problems, warnings=warnings)
            is_of_use = measured.done.all() or run_batch_size == batch_size
            return measured if is_of_use and _is_sound(measured, len(dataset.samples)) else None
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is measured again
        return None


def _by_number(texts: dict[str, object]) -> dict[int, str]:
    """Texts by the number of their sample, which JSON holds as a text as well."""
    return {int(number): str(text) for number, text in texts.items()}


_ARRAYS = ("done", "sha256", "cells_xyz", "errors_mm")


def _ids(dataset: Dataset) -> Array:
    return np.array([sample.image_id for sample in dataset.samples], dtype=np.int64)


def _is_sound(measured: Measurements, samples: int) -> bool:
    """Whether it is one of so many samples, and could have been measured."""
    empty = Measurements.empty(samples, 1)
    for name in _ARRAYS:
        array, expected = getattr(measured, name), getattr(empty, name)
        if (array.shape, array.dtype) != (expected.shape, expected.dtype):
            return False
    numbers = [*measured.problems, *measured.warnings]
    if not all(0 <= number < samples and measured.done[number] for number in numbers):
        return False
    used = measured.used
    return (
        bool(np.isfinite(measured.cells_xyz[used]).all())
        and bool(np.isfinite(measured.errors_mm[used]).all())
        and measured.batch_size >= 1
        and 0 <= measured.seconds < np.inf
        and (measured.seconds > 0 or not used.any())
        and 0 <= measured.reading_seconds < np.inf
    )
