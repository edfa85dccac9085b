"""The evaluation cache for ``--resume``: one file of results for each model.

A file is used only if it has the model's cache key, a sha256 over everything that results depend
on. Errors are recomputed from the cached positions. The positions themselves cannot be verified
without running the model, so the results file states how many samples came from the cache.
"""

import hashlib
import io
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from convnextpose_check.environment import OPENCV_PACKAGES, opencv_version, package_version
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.measurements import Measurements, ModelEntry
from convnextpose_check.evaluation.metrics import sample_errors_mm
from convnextpose_check.files.regular_files import write_atomically
from convnextpose_check.human36m.samples import Dataset

PACKAGE = Path(__file__).parents[1]
ARRAYS = ("done", "sha256", "cells_xyz", "errors_mm")
JSON_FIELDS = ("problems", "warnings", "batch_size")


def compute_cache_key(checkpoint_sha256: str, dataset: Dataset, settings: dict[str, object]) -> str:
    """A sha256 over checkpoint, data set, settings, versions and this package.

    For images it covers path, size and modification time, since reading them takes too long.
    """
    packages = ("torch", "numpy", "onnxruntime", "onnxruntime-gpu", *OPENCV_PACKAGES)
    parts = {
        "checkpoint": checkpoint_sha256,
        "dataset": [dataset.digest, dataset.protocol, dataset.boxes],
        "images": [f"{sample.path} {sample.state}" for sample in dataset.samples],
        "settings": settings,
        "versions": [*map(package_version, packages), opencv_version()],
        "sources": [
            (str(path.relative_to(PACKAGE)), hashlib.sha256(path.read_bytes()).hexdigest())
            for path in sorted(PACKAGE.rglob("*"))
            if path.suffix in (".py", ".json")
        ],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def save_cached(
    entry: ModelEntry, measured: Measurements, dataset: Dataset, batch_size: int
) -> None:
    """Save the results to the cache file; those without a key are only for ``diagnose``."""
    if not entry.cache_file.name or not measured.done.any():
        return
    fields = {name: getattr(measured, name) for name in JSON_FIELDS}
    fields_json = json.dumps({"key": entry.key, "run_batch_size": batch_size} | fields)
    image_ids = np.array([sample.image_id for sample in dataset.samples])
    arrays = {name: getattr(measured, name) for name in ARRAYS} | {"image_ids": image_ids}
    digest = _compute_digest(fields_json, arrays)
    with (
        suppress(ConvNeXtPoseCheckError),  # without a cache, a resumed run only takes longer
        write_atomically(entry.cache_file) as temporary,
        temporary.open("wb") as stream,
    ):
        np.savez(stream, **arrays, fields_json=fields_json, digest=digest)


def load_cached(entry: ModelEntry, dataset: Dataset, batch_size: int) -> Measurements | None:
    """Load the results, or None if the file is missing, damaged or of another key.

    Partial results require the same ``batch_size``: the last digits of a prediction may depend on
    the other images in the batch.
    """
    try:
        with np.load(io.BytesIO(entry.cache_file.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in (*ARRAYS, "image_ids")}
            fields_json, digest = str(file["fields_json"]), str(file["digest"])
    except Exception:  # noqa: BLE001 - NumPy raises several unrelated types
        return None
    if digest != _compute_digest(fields_json, arrays):
        return None
    fields = json.loads(fields_json)
    is_usable = arrays["done"].all() or fields["run_batch_size"] == batch_size
    if entry.key is None or fields["key"] != entry.key or not is_usable:
        return None
    for name in ("problems", "warnings"):  # JSON has no integer keys
        fields[name] = {int(index): reason for index, reason in fields[name].items()}
    values = arrays | fields
    measured = Measurements(**{name: values[name] for name in (*ARRAYS, *JSON_FIELDS)})
    used = np.flatnonzero(measured.used)
    samples = [dataset.samples[index] for index in used]
    measured.errors_mm[used] = sample_errors_mm(
        measured.cells_xyz[used], samples, entry.network.architecture.grid_whd, dataset.protocol
    )
    measured.resumed = len(used)
    return measured


def _compute_digest(fields_json: str, arrays: Mapping[str, Any]) -> str:
    """A sha256 over the file's contents, to detect damage and edits."""
    digest = hashlib.sha256(fields_json.encode())
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
