"""The evaluation cache returns identical results, and only for the same inputs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from convnextpose_check import environment
from convnextpose_check.evaluation import cache
from convnextpose_check.evaluation.cache import compute_cache_key, load_cached, save_cached
from convnextpose_check.evaluation.measurements import Measurements, ModelEntry
from convnextpose_check.evaluation.metrics import sample_errors_mm
from convnextpose_check.human36m.samples import Dataset, load_dataset
from convnextpose_check.variants import read_catalogue
from tests.support.datasets import FACTS
from tests.support.onnx_models import make_corner_model
from tests.support.runs import make_run

GRID_WHD = (32, 24, 16)
BATCH_SIZE = 4


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small package that replaces this one in cache keys."""
    folder = tmp_path / "package"
    (folder / "evaluation").mkdir(parents=True)
    for name in ("evaluation/metrics.py", "variants.json", "README.md"):
        (folder / name).write_text("content")
    monkeypatch.setattr(cache, "PACKAGE", folder)
    return folder


def compute_key(dataset: Dataset, sha256: str = "ab", **settings: object) -> str:
    return compute_cache_key(sha256, dataset, settings)


def test_cache_key_other_input_differs(
    dataset: Dataset, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tmp_path / "set", tmp_path / "copy")  # keeps modification times
    copy = load_dataset(tmp_path / "copy", FACTS)
    assert copy.digest == dataset.digest
    keys = [
        compute_key(dataset), compute_key(dataset, "cd"), compute_key(dataset, flip=True),
        compute_key(dataset, flip=False), compute_key(replace(dataset, digest="another")),
        compute_key(replace(dataset, protocol=1)), compute_key(replace(dataset, boxes="rootnet")),
        compute_key(copy),
    ]  # fmt: skip
    assert compute_key(dataset, flip=True, device="cpu") == compute_key(
        dataset, device="cpu", flip=True
    )
    (package / "README.md").write_text("changed")
    assert compute_key(dataset) == keys[0]

    for change in (
        lambda: (package / "evaluation" / "metrics.py").write_text("changed"),
        lambda: (package / "variants.json").write_text("changed"),
        lambda: (package / "new.py").touch(),
        lambda: (package / "new.py").rename(package / "renamed.py"),
    ):
        change()
        keys.append(compute_key(dataset))
    version = environment.package_version
    for library in ("torch", "numpy", "onnxruntime", "onnxruntime-gpu"):
        versions = {library: "0.0"}
        monkeypatch.setattr(
            cache, "package_version", lambda name, v=versions: v.get(name) or version(name)
        )
        keys.append(compute_key(dataset))
    monkeypatch.setattr(cache, "opencv_version", lambda: "4.0")
    keys.append(compute_key(dataset))

    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(("more_bytes", "later_ns"), [(1, 0), (0, 1)])
def test_cache_key_changed_image_differs(dataset: Dataset, more_bytes: int, later_ns: int) -> None:
    path = dataset.samples[5].path
    time_ns = path.stat().st_mtime_ns + later_ns
    path.write_bytes(path.read_bytes() + bytes(more_bytes))
    os.utime(path, ns=(time_ns, time_ns))

    assert compute_key(load_dataset(dataset.layout.root, FACTS)) != compute_key(dataset)


def test_cache_key_relevant_setting_differs(
    written_inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = json.loads((written_inputs / "own.json").read_text())
    paths = (written_inputs / "h36m", written_inputs / "models")

    def make_key(**options: str) -> str | None:
        settings = {"results_dir": str(tmp_path / "out"), "device": "cpu"} | options
        (tmp_path / "own.json").write_text(json.dumps(own))
        run = make_run(settings, read_catalogue(tmp_path / "own.json"), FACTS, *paths)
        return run.models["T"].cache_key(run.dataset, flip=run.settings.flip)

    settings: list[dict[str, str]] = [
        {}, {"no_flip": "1"}, {"protocol": "1"}, {"bbox": "rootnet"}, {"limit": "2"},
        {"network": str(tmp_path / "one.onnx")}, {"network": str(tmp_path / "two.onnx")},
    ]  # fmt: skip
    for name, batch_size in (("one", 1), ("two", 2)):
        (tmp_path / f"{name}.onnx").write_bytes(make_corner_model(batch_size))
    keys = [make_key(**each) for each in settings]
    monkeypatch.setattr("convnextpose_check.run.models.get_device_model", lambda _: "Another")
    keys.append(make_key())
    own["variants"][0]["architecture"]["backbone"] = "another"
    keys.append(make_key())

    assert None not in keys
    assert len(set(keys)) == len(settings) + 2
    assert make_key(network="somewhere:build") is None  # code may change between runs


@pytest.fixture
def entry(tmp_path: Path) -> ModelEntry:
    """A model that cannot be called, so that all results come from the cache."""
    network: Any = SimpleNamespace(architecture=SimpleNamespace(grid_whd=GRID_WHD))
    return ModelEntry(network, "key", tmp_path / "result" / "XS.npz")


def make_measurements(dataset: Dataset, done: int | None = None) -> Measurements:
    """Results of the first ``done`` samples; the third sample has no usable image."""
    results = Measurements.empty(len(dataset.samples), 2)
    rng = np.random.default_rng(0)
    results.done[:done] = True
    results.sha256[:] = rng.integers(0, 256, results.sha256.shape)
    results.cells_xyz[:] = rng.random(results.cells_xyz.shape)
    results.errors_mm[:] = sample_errors_mm(
        results.cells_xyz, dataset.samples, GRID_WHD, dataset.protocol
    )
    results.problems, results.warnings = {2: "it is no image"}, {1: "a warning"}
    return results


@pytest.mark.parametrize("protocol", [1, 2])
@pytest.mark.parametrize("done", [None, 4])
def test_load_cached_returns_saved_results_unchanged(
    dataset: Dataset, entry: ModelEntry, done: int | None, protocol: Any
) -> None:
    dataset = replace(dataset, protocol=protocol)
    results = make_measurements(dataset, done)
    save_cached(entry, results, dataset, BATCH_SIZE)

    loaded = load_cached(entry, dataset, BATCH_SIZE)

    assert loaded is not None
    assert loaded.resumed == results.done.sum() - 1  # one of them has no usable image
    results.resumed = loaded.resumed
    for name, value in vars(results).items():
        np.testing.assert_array_equal(getattr(loaded, name), value, name)


def test_load_cached_recomputes_errors_from_positions(dataset: Dataset, entry: ModelEntry) -> None:
    results = make_measurements(dataset)
    errors_mm = results.errors_mm.copy()
    results.errors_mm *= 0.5
    save_cached(entry, results, dataset, BATCH_SIZE)

    loaded = load_cached(entry, dataset, BATCH_SIZE)

    assert loaded is not None
    used = [0, 1, 3, 4, 5]
    np.testing.assert_array_equal(loaded.errors_mm[used], errors_mm[used])


def test_load_cached_other_key_or_batch_size_is_none(dataset: Dataset, entry: ModelEntry) -> None:
    """Finished results do not depend on the batch size."""
    save_cached(entry, make_measurements(dataset, 5), dataset, BATCH_SIZE)
    assert load_cached(entry, dataset, BATCH_SIZE) is not None
    assert load_cached(entry, dataset, BATCH_SIZE + 1) is None

    save_cached(entry, make_measurements(dataset), dataset, BATCH_SIZE)
    assert load_cached(entry, dataset, BATCH_SIZE + 1) is not None
    assert load_cached(replace(entry, key="another"), dataset, BATCH_SIZE) is None
    assert load_cached(replace(entry, key=None), dataset, BATCH_SIZE) is None


def test_save_cached_without_results_file_or_folder_ends(
    dataset: Dataset, entry: ModelEntry
) -> None:
    results, without_key = make_measurements(dataset), replace(entry, key=None)

    save_cached(replace(entry, cache_file=Path()), results, dataset, BATCH_SIZE)
    save_cached(entry, make_measurements(dataset, 0), dataset, BATCH_SIZE)
    assert not entry.cache_file.parent.exists()
    save_cached(without_key, results, dataset, BATCH_SIZE)
    assert np.load(entry.cache_file)["done"].all()
    assert load_cached(without_key, dataset, BATCH_SIZE) is None
    shutil.rmtree(entry.cache_file.parent)
    entry.cache_file.parent.write_text("a file in the place of the folder")
    save_cached(entry, results, dataset, BATCH_SIZE)


EDITS: list[tuple[str, Callable[[Any], Any]]] = [
    ("done", lambda done: done & (np.arange(6) != 5)),
    ("done", lambda done: done.view(np.uint8)),
    ("done", lambda _: np.array([SimpleNamespace()], dtype=object)),
    ("cells_xyz", lambda cells_xyz: cells_xyz + np.float32(0.01)),
    ("cells_xyz", lambda cells_xyz: cells_xyz.reshape(-1, 3, 18)),
    ("errors_mm", lambda errors_mm: errors_mm * 0.5),
    ("sha256", lambda sha256: sha256[::-1]),
    ("image_ids", lambda image_ids: image_ids + 1),
    ("fields_json", lambda text: np.array(str(text).replace("it is no image", "another"))),
    ("digest", lambda _: np.array("")),
]


def test_load_cached_edited_or_damaged_file_is_none(dataset: Dataset, entry: ModelEntry) -> None:
    assert load_cached(entry, dataset, BATCH_SIZE) is None
    save_cached(entry, make_measurements(dataset), dataset, BATCH_SIZE)
    content_bytes = entry.cache_file.read_bytes()
    with np.load(entry.cache_file) as arrays:
        content: dict[str, Any] = dict(arrays)
    np.savez(entry.cache_file, **content)
    assert load_cached(entry, dataset, BATCH_SIZE) is not None

    for name, edit in EDITS:
        np.savez(entry.cache_file, **(content | {name: edit(content[name])}))
        assert load_cached(entry, dataset, BATCH_SIZE) is None, name
    for part in (
        *(content_bytes[:end] for end in range(0, len(content_bytes), 397)),
        b"PK\x03\x04",
        b"\x93NUMPY",
    ):
        entry.cache_file.write_bytes(part)
        assert load_cached(entry, dataset, BATCH_SIZE) is None
