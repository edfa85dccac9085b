"""Saved results come back bit by bit, and only for the same inputs."""

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
from convnextpose_check.run.run import Run
from convnextpose_check.variants import read_catalogue
from tests.support.datasets import FACTS
from tests.support.onnx_models import make_onnx_model
from tests.support.runs import make_run

GRID_WHD = (32, 24, 16)
BATCH_SIZE = 4


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small package in place of this one, whose files are all part of a key."""
    folder = tmp_path / "package"
    (folder / "evaluation").mkdir(parents=True)
    for name in ("evaluation/metrics.py", "variants.json", "README.md"):
        (folder / name).write_text("content")
    monkeypatch.setattr(cache, "PACKAGE", folder)
    return folder


def key_of(dataset: Dataset, sha256: str = "ab", **settings: object) -> str:
    return compute_cache_key(sha256, dataset, settings)


def test_key_depends_on_checkpoint_data_set_and_settings(dataset: Dataset, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "set", tmp_path / "copy")  # with the times
    copy = load_dataset(tmp_path / "copy", FACTS)
    assert copy.digest == dataset.digest
    keys = [
        key_of(dataset), key_of(dataset, "cd"), key_of(dataset, flip=True),
        key_of(dataset, flip=False), key_of(replace(dataset, digest="another")),
        key_of(replace(dataset, protocol=1)), key_of(replace(dataset, boxes="rootnet")),
        key_of(copy),
    ]  # fmt: skip

    assert len(set(keys)) == len(keys)
    assert key_of(dataset, flip=True, device="cpu") == key_of(dataset, device="cpu", flip=True)


@pytest.mark.parametrize(("more_bytes", "later_ns"), [(1, 0), (0, 1)])
def test_key_depends_on_size_and_time_of_every_image(
    dataset: Dataset, more_bytes: int, later_ns: int
) -> None:
    keys = [key_of(dataset)]
    for index in (0, 5):
        path = dataset.samples[index].path
        time_ns = path.stat().st_mtime_ns + later_ns
        path.write_bytes(path.read_bytes() + bytes(more_bytes))
        os.utime(path, ns=(time_ns, time_ns))
        keys.append(key_of(load_dataset(dataset.layout.root, FACTS)))

    assert len(set(keys)) == 3


def test_key_depends_on_versions(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [key_of(dataset)]
    version = environment.package_version
    for package in ("torch", "triton", "numpy", "onnxruntime", "onnxruntime-gpu"):
        versions = {package: "0.0"}
        monkeypatch.setattr(
            cache, "package_version", lambda name, v=versions: v.get(name) or version(name)
        )
        keys.append(key_of(dataset))
    monkeypatch.setattr(cache, "opencv_version", lambda: "4.0")
    keys.append(key_of(dataset))

    assert len(set(keys)) == 7


def test_key_depends_on_sources_of_this_package(dataset: Dataset, package: Path) -> None:
    keys = [key_of(dataset)]
    (package / "README.md").write_text("changed")
    assert key_of(dataset) == keys[0]
    for change in (
        lambda: (package / "evaluation" / "metrics.py").write_text("changed"),
        lambda: (package / "variants.json").write_text("changed"),
        lambda: (package / "new.py").touch(),
        lambda: (package / "new.py").rename(package / "renamed.py"),
    ):
        change()
        keys.append(key_of(dataset))

    assert len(set(keys)) == 5


def test_key_depends_on_every_setting_that_affects_results(
    written_inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = json.loads((written_inputs / "own.json").read_text())
    places = (written_inputs / "h36m", written_inputs / "models")

    def run(**given: str) -> Run:
        settings = {"results_dir": str(tmp_path / "out"), "device": "cpu"} | given
        (tmp_path / "own.json").write_text(json.dumps(own))
        return make_run(settings, read_catalogue(tmp_path / "own.json"), FACTS, *places)

    def key_in(run: Run) -> str | None:
        return run.models["T"].cache_key(run.dataset, flip=run.settings.flip)

    def key(**given: str) -> str | None:
        return key_in(run(**given))

    settings: list[dict[str, str]] = [
        {}, {"no_flip": "1"}, {"protocol": "1"}, {"bbox": "rootnet"}, {"limit": "2"},
        {"network": str(tmp_path / "one.onnx")}, {"network": str(tmp_path / "two.onnx")},
    ]  # fmt: skip
    (tmp_path / "weights.data").write_bytes(b"weights")
    for name in ("one", "two"):
        (tmp_path / f"{name}.onnx").write_bytes(
            make_onnx_model(producer=name, weights="weights.data")
        )
    keys = [key(**each) for each in settings]
    (tmp_path / "weights.data").write_bytes(b"WEIGHTS")
    keys.append(key(network=str(tmp_path / "two.onnx")))
    other = run()
    other.models["T"].evaluated.kernel = lambda volumes, _: volumes  # type: ignore[attr-defined]
    keys.append(key_in(other))
    monkeypatch.setattr("convnextpose_check.run.models.get_device_model", lambda _: "Another")
    keys.append(key())
    own["variants"][0]["architecture"]["backbone"] = "another"
    keys.append(key())

    assert None not in keys
    assert len(set(keys)) == len(settings) + 4
    assert key(network="somewhere:build") is None  # code may change between runs


@pytest.fixture
def entry(tmp_path: Path) -> ModelEntry:
    """A model that cannot be called, so that every result is from the cache."""
    network: Any = SimpleNamespace(architecture=SimpleNamespace(grid_whd=GRID_WHD))
    return ModelEntry(network, "key", tmp_path / "result" / "XS.npz")


def measured(dataset: Dataset, done: int | None = None) -> Measurements:
    """Results of the first samples, the third of which has no usable image."""
    results = Measurements.empty(len(dataset.samples), 2)
    rng = np.random.default_rng(0)
    results.done[:done] = True
    results.sha256[:] = rng.integers(0, 256, results.sha256.shape)
    results.cells_xyz[:] = rng.random(results.cells_xyz.shape)
    results.errors_mm[:] = sample_errors_mm(
        results.cells_xyz, dataset.samples, GRID_WHD, dataset.protocol
    )
    results.problems, results.warnings = {2: "it is no image"}, {1: "a warning"}
    results.seconds, results.reading_seconds = 1.25, 0.5
    return results


@pytest.mark.parametrize("protocol", [1, 2])
@pytest.mark.parametrize("done", [None, 4])
def test_saved_results_come_back_unchanged(
    dataset: Dataset, entry: ModelEntry, done: int | None, protocol: Any
) -> None:
    dataset = replace(dataset, protocol=protocol)
    results = measured(dataset, done)
    assert save_cached(entry, results, dataset, BATCH_SIZE) == results.done.sum()

    found = load_cached(entry, dataset, BATCH_SIZE)

    assert found is not None
    assert found.resumed == results.done.sum() - 1  # one of them has no usable image
    results.resumed = found.resumed
    for name, value in vars(results).items():
        np.testing.assert_array_equal(getattr(found, name), value, name)


def test_errors_are_computed_again_from_the_positions(dataset: Dataset, entry: ModelEntry) -> None:
    results = measured(dataset)
    errors_mm = results.errors_mm.copy()
    results.errors_mm *= 0.5
    save_cached(entry, results, dataset, BATCH_SIZE)

    found = load_cached(entry, dataset, BATCH_SIZE)

    assert found is not None
    used = [0, 1, 3, 4, 5]
    np.testing.assert_array_equal(found.errors_mm[used], errors_mm[used])


def test_results_of_another_key_or_batch_size_are_measured_again(
    dataset: Dataset, entry: ModelEntry
) -> None:
    """Finished results do not depend on the batch size."""
    save_cached(entry, measured(dataset, 5), dataset, BATCH_SIZE)
    assert load_cached(entry, dataset, BATCH_SIZE) is not None
    assert load_cached(entry, dataset, BATCH_SIZE + 1) is None

    save_cached(entry, measured(dataset), dataset, BATCH_SIZE)
    assert load_cached(entry, dataset, BATCH_SIZE + 1) is not None
    assert load_cached(replace(entry, key="another"), dataset, BATCH_SIZE) is None
    assert load_cached(replace(entry, key=None), dataset, BATCH_SIZE) is None


def test_finished_results_without_key_are_saved_but_cannot_be_resumed(
    dataset: Dataset, entry: ModelEntry
) -> None:
    without_key = replace(entry, key=None)

    assert save_cached(without_key, measured(dataset), dataset, BATCH_SIZE) == 0

    assert np.load(entry.cache_file)["done"].all()
    assert load_cached(without_key, dataset, BATCH_SIZE) is None
    assert load_cached(entry, dataset, BATCH_SIZE) is None


def test_save_without_key_sample_or_folder_saves_nothing(
    dataset: Dataset, entry: ModelEntry
) -> None:
    results = measured(dataset)

    assert save_cached(replace(entry, key=None), measured(dataset, 5), dataset, BATCH_SIZE) == 0
    assert save_cached(replace(entry, cache_file=Path()), results, dataset, BATCH_SIZE) == 0
    assert save_cached(entry, measured(dataset, 0), dataset, BATCH_SIZE) == 0
    assert not entry.cache_file.parent.exists()
    entry.cache_file.parent.write_text("a file in the place of the folder")
    assert save_cached(entry, results, dataset, BATCH_SIZE) == 0


def edited_about(**changes: object) -> Callable[[Any], Any]:
    return lambda about: np.array(json.dumps(json.loads(str(about)) | changes))


EDITS: list[tuple[str, Callable[[Any], Any]]] = [
    ("done", lambda done: done & (np.arange(6) != 5)),
    ("done", lambda done: done.view(np.uint8)),
    ("done", lambda _: np.array([SimpleNamespace()], dtype=object)),
    ("cells_xyz", lambda cells_xyz: cells_xyz + np.float32(0.01)),
    ("cells_xyz", lambda cells_xyz: cells_xyz.reshape(-1, 3, 18)),
    ("errors_mm", lambda errors_mm: errors_mm * 0.5),
    ("sha256", lambda sha256: sha256[::-1]),
    ("image_ids", lambda image_ids: image_ids + 1),
    ("about", edited_about(seconds=0.0)),
    ("about", edited_about(problems={})),
    ("digest", lambda _: np.array("")),
]


def test_edited_damaged_or_missing_file_is_measured_again(
    dataset: Dataset, entry: ModelEntry
) -> None:
    assert load_cached(entry, dataset, BATCH_SIZE) is None
    save_cached(entry, measured(dataset), dataset, BATCH_SIZE)
    whole = entry.cache_file.read_bytes()
    with np.load(entry.cache_file) as arrays:
        content: dict[str, Any] = dict(arrays)
    np.savez(entry.cache_file, **content)
    assert load_cached(entry, dataset, BATCH_SIZE) is not None

    for name, edit in EDITS:
        np.savez(entry.cache_file, **(content | {name: edit(content[name])}))
        assert load_cached(entry, dataset, BATCH_SIZE) is None, name
    for part in (*(whole[:end] for end in range(0, len(whole), 397)), b"PK\x03\x04", b"\x93NUMPY"):
        entry.cache_file.write_bytes(part)
        assert load_cached(entry, dataset, BATCH_SIZE) is None
