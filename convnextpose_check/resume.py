"""Keep finished evaluations, so that a run that was cut short need not begin again.

An evaluation is kept under a key of everything that it depends on: a checkpoint, image or setting
that changed gives another key, and what was kept is then not taken for it.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

import convnextpose_check
from convnextpose_check.environment import opencv_version, package_version
from convnextpose_check.evaluation import Evaluation
from convnextpose_check.files import written_whole
from convnextpose_check.geometry import Array
from convnextpose_check.human36m import Dataset, Exclusion
from convnextpose_check.tally import Tally

T = TypeVar("T")


def evaluation_key(checkpoint_sha256: str, dataset: Dataset, settings: dict[str, object]) -> str:
    """A sha256 over checkpoint, annotations, image files, settings and versions.

    Image files count by path, size and time of change: reading them again is what resuming saves.
    """
    digest = hashlib.sha256()
    parts = {
        "checkpoint": checkpoint_sha256,
        "dataset": [dataset.digest, dataset.protocol, dataset.boxes],
        "complete": dataset.is_complete(),
        "settings": settings,
        "versions": [
            convnextpose_check.__version__,
            package_version("torch"),
            package_version("numpy"),
            opencv_version(),
        ],
    }
    digest.update(json.dumps(parts, sort_keys=True).encode())
    for sample in dataset.samples:
        try:
            status = sample.path.stat()
        except OSError:
            continue  # it is missed when it is read, and the evaluation is then not complete
        digest.update(f"{sample.path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def keep_evaluation(evaluation: Evaluation, key: str, path: Path) -> None:
    """Write the evaluation under its key, whole or not at all."""
    about = {
        "key": key,
        "protocol": evaluation.protocol,
        "complete": evaluation.complete,
        "images_sha256": evaluation.images_sha256,
        "seconds": evaluation.seconds,
        "batch_size": evaluation.batch_size,
        "reading_seconds": evaluation.reading_seconds,
        "precision": evaluation.precision,
        "moved_mm": evaluation.moved_mm,
        "compared": evaluation.compared,
        "alike": evaluation.alike,
        "unreadable": [[e.image_id, e.file_name, e.reason] for e in evaluation.unreadable],
    }
    _write(
        path,
        about,
        errors_mm=evaluation.errors_mm,
        cells_xyz=evaluation.cells_xyz,
        image_ids=np.array(evaluation.image_ids),
        file_names=np.array(evaluation.file_names),
        actions=np.array(evaluation.actions),
    )


def kept_evaluation(key: str, path: Path) -> Evaluation | None:
    """The evaluation kept under this key, None if there is none or it is not readable."""

    def rebuilt(about: dict[str, Any], arrays: Mapping[str, Array]) -> Evaluation:
        unreadable = tuple(Exclusion(*entry) for entry in about.pop("unreadable"))
        alike = tuple((copy, first) for copy, first in about.pop("alike"))
        return Evaluation(
            errors_mm=arrays["errors_mm"],
            cells_xyz=arrays["cells_xyz"],
            image_ids=tuple(map(int, arrays["image_ids"])),
            file_names=tuple(map(str, arrays["file_names"])),
            actions=tuple(map(str, arrays["actions"])),
            unreadable=unreadable,
            alike=alike,
            **about,
        )

    return _kept(key, path, rebuilt)


def keep_tally(tally: Tally, key: str, path: Path) -> None:
    """Write an evaluation that is not finished, under the key that it will have."""
    about = {
        "key": key,
        "batch_size": tally.batch_size,
        "problems": tally.problems,
        "seconds": tally.seconds,
        "reading_seconds": tally.reading_seconds,
    }
    _write(path, about, **{name: getattr(tally, name) for name in _TALLY_ARRAYS})


def kept_tally(key: str, path: Path) -> Tally | None:
    """The unfinished evaluation that was kept under this key, None if there is none."""

    def rebuilt(about: dict[str, Any], arrays: Mapping[str, Array]) -> Tally:
        problems = {int(number): text for number, text in about.pop("problems").items()}
        parts: dict[str, Any] = {name: arrays[name] for name in _TALLY_ARRAYS}
        return Tally(**parts, **about, problems=problems)

    return _kept(key, path, rebuilt)


_TALLY_ARRAYS = ("done", "sha256", "cells_xyz", "errors_mm", "exact_mm")


def _kept(
    key: str, path: Path, rebuilt: Callable[[dict[str, Any], Mapping[str, Array]], T]
) -> T | None:
    """What was kept under this key, None if there is none or it is not readable."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            about = json.loads(str(arrays["about"]))
            return rebuilt(about, arrays) if about.pop("key") == key else None
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is measured again
        return None


def _write(path: Path, about: Mapping[str, object], **arrays: Array) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays, about=np.array(json.dumps(about)))  # type: ignore[arg-type]  # its own flag is a keyword too
    with written_whole(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
