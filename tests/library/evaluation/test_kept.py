"""What was measured comes back bit by bit, and only for the very same inputs."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from convnextpose_check import environment
from convnextpose_check.evaluation import kept as resume
from convnextpose_check.evaluation.evaluate import evaluate
from convnextpose_check.evaluation.failures import NetworkFailedError
from convnextpose_check.evaluation.kept import (
    evaluation_key,
    keep,
    kept,
    sources_digest,
)
from convnextpose_check.evaluation.measurements import Measurements
from convnextpose_check.evaluation.metrics import sample_errors_mm
from convnextpose_check.evaluation.one_pass import Entry
from convnextpose_check.human36m.samples import Dataset, load_dataset
from convnextpose_check.run.run import Run
from convnextpose_check.variants import Architecture, Protocol, read_catalogue
from tests.support.datasets import FACTS, Handmade
from tests.support.full_size import write_own_model
from tests.support.onnx_models import onnx_model
from tests.support.passes import conditions
from tests.support.runs import run_of

GRID_WHD = (32, 24, 16)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return load_dataset(Handmade().write(tmp_path / "set"), FACTS)


def key_of(dataset: Dataset, sha256: str = "ab", **settings: object) -> str:
    return evaluation_key(sha256, dataset, settings)


def test_same_inputs_have_the_same_key(dataset: Dataset) -> None:
    assert key_of(dataset, flip=True, device="cpu") == key_of(dataset, device="cpu", flip=True)


def test_key_holds_the_checkpoint(dataset: Dataset) -> None:
    assert key_of(dataset, "ab") != key_of(dataset, "cd")


def test_key_holds_the_settings(dataset: Dataset) -> None:
    keys = {key_of(dataset), key_of(dataset, flip=True), key_of(dataset, flip=False)}

    assert len(keys) == 3


@pytest.mark.parametrize("changes", [{"digest": "another"}, {"protocol": 1}, {"boxes": "rootnet"}])
def test_key_holds_the_annotations(dataset: Dataset, changes: dict[str, Any]) -> None:
    assert key_of(replace(dataset, **changes)) != key_of(dataset)


def grown(path: Path) -> None:
    time = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes() + b"\0")
    os.utime(path, ns=(time, time))


def touched(path: Path) -> None:
    time = path.stat().st_mtime_ns
    os.utime(path, ns=(time + 1, time + 1))


@pytest.mark.parametrize("change", [grown, touched, Path.unlink])
@pytest.mark.parametrize("number", [0, 5])
def test_key_holds_the_state_of_every_image(
    dataset: Dataset, number: int, change: Callable[[Path], None]
) -> None:
    before = key_of(dataset)
    change(dataset.samples[number].path)

    assert key_of(load_dataset(dataset.layout.root, FACTS)) != before


def test_state_of_an_image_is_asked_once(
    tmp_path: Path, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network mount takes its time for each question, and there are 8,695 images."""
    asked: Counter[str] = Counter()
    stat = os.stat

    def counted(path: Any, **options: Any) -> os.stat_result:
        asked[Path(path).name] += 1
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", counted)
    again = load_dataset(tmp_path / "set", FACTS)
    assert key_of(again, "ab") != key_of(again, "cd")

    images = {sample.path.name for sample in dataset.samples}
    assert {name: count for name, count in asked.items() if name in images} == dict.fromkeys(
        images, 1
    )


def test_key_holds_where_the_images_are(dataset: Dataset, tmp_path: Path) -> None:
    """Names and times may be the same elsewhere."""
    shutil.copytree(tmp_path / "set", tmp_path / "copy")  # with the times
    elsewhere = load_dataset(tmp_path / "copy", FACTS)

    assert elsewhere.digest == dataset.digest
    assert key_of(elsewhere) != key_of(dataset)


@pytest.mark.parametrize(
    "package", ["torch", "triton", "numpy", "onnxruntime", "onnxruntime-gpu", "opencv"]
)
def test_key_holds_the_versions(
    dataset: Dataset, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = key_of(dataset)
    version = environment.package_version
    if package == "opencv":
        monkeypatch.setattr(resume, "opencv_version", lambda: "4.0")
    else:
        monkeypatch.setattr(
            resume, "package_version", lambda name: "0.0" if name == package else version(name)
        )

    assert key_of(dataset) != before


@pytest.mark.parametrize("name", ["metrics.py", "human36m.json", "miniature/weights.py"])
def test_key_holds_the_code_and_the_figures_of_this_package(
    dataset: Dataset, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    shutil.copytree(resume.PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    before = key_of(dataset)
    monkeypatch.setattr(resume, "PACKAGE", package)
    assert key_of(dataset) == before

    with (package / name).open("a") as source:
        source.write(" ")

    assert key_of(dataset) != before


def test_digest_of_sources_tells_which_file_holds_what(tmp_path: Path) -> None:
    def digest(**contents: str) -> str:
        folder = tmp_path / "".join(contents)
        folder.mkdir()
        for name, content in contents.items():
            (folder / f"{name}.py").write_text(content)
        return sources_digest(folder)

    assert len({digest(a="x"), digest(b="x"), digest(a="x", b=""), digest(a="", c="x")}) == 4


def trial_in(folder: Path, results: Path, **given: str) -> Run:
    catalogue = read_catalogue(folder / "own.json")
    return run_of(
        {"results_dir": str(results), "device": "cpu"} | given,
        catalogue,
        FACTS,
        folder / "set",
        folder,
    )


def test_every_setting_that_shapes_the_numbers_is_in_the_key(
    dataset: Dataset, tiny: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del dataset  # it is written
    own = write_own_model(tiny, tmp_path)
    (tmp_path / "own.json").write_text(json.dumps(own))
    for name in ("one", "two", "three"):
        (tmp_path / f"{name}.onnx").write_bytes(onnx_model(producer=name, weights="weights.data"))
    (tmp_path / "weights.data").write_bytes(b"weights")

    def key(**given: str) -> str | None:
        return trial_in(tmp_path, tmp_path / "out", **given).cache_key("T")

    ways: list[dict[str, str]] = [
        {}, {"no_flip": "1"}, {"protocol": "1"}, {"bbox": "rootnet"},
        {"limit": "2"}, {"network": str(tmp_path / "one.onnx")},
        {"network": str(tmp_path / "two.onnx")},
    ]  # fmt: skip
    keys = [key(**way) for way in ways]
    keys.append(key(network=str(tmp_path / "three.onnx")))
    (tmp_path / "weights.data").write_bytes(b"WEIGHTS")
    keys.append(key(network=str(tmp_path / "three.onnx")))
    other = trial_in(tmp_path, tmp_path / "out")
    other.models["T"].evaluated.kernel = lambda volumes, _: volumes  # type: ignore[attr-defined]
    keys.append(other.cache_key("T"))
    monkeypatch.setattr("convnextpose_check.run.models.card_name", lambda _: "Another")
    keys.append(key())
    own["variants"][0]["architecture"]["backbone"] = "another"
    (tmp_path / "own.json").write_text(json.dumps(own))
    keys.append(key())

    assert None not in keys
    assert len(set(keys)) == len(ways) + 5
    assert key(network="somewhere:build") is None  # code is never known to be the same


SIZE = 4
"""Images in a batch of the run."""


def measured(dataset: Dataset, done: int | None = None) -> Measurements:
    """What might have been measured of the first samples, one of which is no image."""
    samples = len(dataset.samples)
    tally = Measurements.empty(samples, 4)
    chance = np.random.default_rng(0)
    tally.done[:done] = True
    tally.sha256[:] = chance.integers(0, 256, tally.sha256.shape)
    tally.cells_xyz[:] = chance.random(tally.cells_xyz.shape)
    tally.errors_mm[:] = sample_errors_mm(
        tally.cells_xyz, dataset.samples, GRID_WHD, dataset.protocol
    )
    tally.problems[2] = "it is no image"
    tally.seconds, tally.reading_seconds = 1.25, 0.5
    return tally


@pytest.mark.parametrize("done", [None, 4])
def test_what_was_measured_comes_back_as_it_was(
    dataset: Dataset, tmp_path: Path, done: int | None
) -> None:
    tally, path = measured(dataset, done), tmp_path / "result" / "XS.npz"
    assert keep(tally, dataset, GRID_WHD, "key", path, SIZE) == tally.done.sum()

    found = kept("key", dataset, GRID_WHD, path, SIZE)

    assert found is not None
    assert found.resumed == tally.done.sum() - 1  # one of them is no image
    tally.resumed = found.resumed
    for name, value in vars(tally).items():
        np.testing.assert_array_equal(getattr(found, name), value, name)


@pytest.mark.parametrize("protocol", [1, 2])
def test_kept_errors_are_those_of_the_positions_under_either_protocol(
    dataset: Dataset, tmp_path: Path, protocol: Protocol
) -> None:
    dataset, path = replace(dataset, protocol=protocol), tmp_path / "XS.npz"
    tally = measured(dataset)
    keep(tally, dataset, GRID_WHD, "key", path, SIZE)

    found = kept("key", dataset, GRID_WHD, path, SIZE)

    assert found is not None
    np.testing.assert_array_equal(found.errors_mm, tally.errors_mm)
    assert kept("key", replace(dataset, protocol=3 - protocol), GRID_WHD, path, SIZE) is None  # type: ignore[arg-type]
    assert kept("key", dataset, (64, 24, 16), path, SIZE) is None


def test_edited_file_is_replaced_by_a_smaller_part(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "XS.npz"
    keep(measured(dataset, 5), dataset, GRID_WHD, "key", path, SIZE)
    rewritten(path, smaller_errors)

    assert keep(measured(dataset, 3), dataset, GRID_WHD, "key", path, SIZE) == 3

    found = kept("key", dataset, GRID_WHD, path, SIZE)
    assert found is not None
    assert found.done.sum() == 3


def test_another_key_finds_nothing(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "XS.npz"
    keep(measured(dataset), dataset, GRID_WHD, "key", path, SIZE)

    assert kept("another", dataset, GRID_WHD, path, SIZE) is None


def test_what_was_kept_of_more_samples_is_not_replaced_by_less(
    dataset: Dataset, tmp_path: Path
) -> None:
    """A run that was begun without --resume by mistake, and ended at once, costs nothing."""
    path = tmp_path / "XS.npz"
    keep(measured(dataset, 5), dataset, GRID_WHD, "key", path, SIZE)

    assert keep(measured(dataset, 3), dataset, GRID_WHD, "key", path, SIZE) == 5
    found = kept("key", dataset, GRID_WHD, path, SIZE)
    assert found is not None
    assert found.done.sum() == 5
    assert keep(measured(dataset, 3), dataset, GRID_WHD, "another", path, SIZE) == 3


def test_least_tally_that_can_be_measured_comes_back(dataset: Dataset, tmp_path: Path) -> None:
    """One image at a time, no waiting measured, and the first and the last sample without use."""
    path = tmp_path / "XS.npz"
    tally = replace(measured(dataset), batch_size=1, reading_seconds=0.0)
    tally.problems = {0: "no image", 5: "no image"}
    tally.errors_mm[[0, 5]] = tally.cells_xyz[[0, 5]] = np.nan
    keep(tally, dataset, GRID_WHD, "key", path, SIZE)

    found = kept("key", dataset, GRID_WHD, path, SIZE)

    assert found is not None
    assert found.problems == tally.problems


def test_part_without_a_usable_image_took_no_time(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "XS.npz"
    tally = Measurements.empty(len(dataset.samples), 1)
    tally.done[:2] = True
    tally.problems = {0: "no image", 1: "no image"}
    keep(tally, dataset, GRID_WHD, "key", path, SIZE)

    found = kept("key", dataset, GRID_WHD, path, SIZE)

    assert found is not None
    assert found.resumed == 0


def test_kept_file_is_never_unpickled(dataset: Dataset, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "executed"),)

    path = tmp_path / "XS.npz"
    keep(measured(dataset), dataset, GRID_WHD, "key", path, SIZE)
    rewritten(path, lambda content: content.update(image_ids=np.array([Hostile()], dtype=object)))

    assert kept("key", dataset, GRID_WHD, path, SIZE) is None
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        *((name, value) for name in ("seconds", "reading_seconds") for value in (np.inf, -1.0)),
        ("seconds", np.nan),
        ("seconds", 0.0),
    ],
)
def test_tally_with_an_impossible_time_is_measured_again(
    dataset: Dataset, tmp_path: Path, name: str, seconds: float
) -> None:
    path = tmp_path / "XS.npz"
    tally = measured(dataset)
    setattr(tally, name, seconds)
    keep(tally, dataset, GRID_WHD, "key", path, SIZE)

    assert kept("key", dataset, GRID_WHD, path, SIZE) is None


def rewritten(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the arrays of a kept file; ``about`` is a dictionary meanwhile."""
    with np.load(path) as arrays:
        content: dict[str, Any] = dict(arrays)
    content["about"] = json.loads(str(content["about"]))
    change(content)
    content["about"] = np.array(json.dumps(content["about"]))
    buffer = io.BytesIO()
    np.savez(buffer, **content)
    path.write_bytes(buffer.getvalue())


def one_sample(content: dict[str, Any]) -> None:
    for name in ("done", "sha256", "cells_xyz", "errors_mm", "image_ids"):
        content[name] = content[name][:1]
    content["about"] |= {"problems": {}}


def other_images(content: dict[str, Any]) -> None:
    content["image_ids"] = content["image_ids"] + 1


def other_order(content: dict[str, Any]) -> None:
    content["image_ids"] = content["image_ids"][::-1]


def complete(content: dict[str, Any]) -> None:
    content["about"]["complete"] = True


def half(content: dict[str, Any]) -> None:
    content["errors_mm"] = content["errors_mm"].astype(np.float16)


def not_finite(content: dict[str, Any]) -> None:
    content["errors_mm"][3, 4] = np.nan


def problem_of_none(content: dict[str, Any]) -> None:
    content["about"]["problems"]["6"] = "it is no image"


def problem_of_one_that_was_not_read(content: dict[str, Any]) -> None:
    content["done"][2] = False


def smaller_error(content: dict[str, Any]) -> None:
    content["errors_mm"][3, 4] -= 0.01


def smaller_errors(content: dict[str, Any]) -> None:
    content["errors_mm"] *= 0.5


def other_position(content: dict[str, Any]) -> None:
    content["cells_xyz"][0, 1, 2] += 0.01


def no_time(content: dict[str, Any]) -> None:
    content["about"]["seconds"] = float("nan")


@pytest.mark.parametrize(
    "change",
    [
        one_sample,
        other_images,
        other_order,
        complete,
        half,
        not_finite,
        problem_of_none,
        problem_of_one_that_was_not_read,
        smaller_error,
        smaller_errors,
        other_position,
        no_time,
    ],
)
def test_file_that_does_not_fit_the_data_set_is_measured_again(
    dataset: Dataset, tmp_path: Path, change: Callable[[dict[str, Any]], None]
) -> None:
    path = tmp_path / "XS.npz"
    keep(measured(dataset), dataset, GRID_WHD, "key", path, SIZE)
    rewritten(path, lambda _content: None)
    assert kept("key", dataset, GRID_WHD, path, SIZE) is not None

    rewritten(path, change)

    assert kept("key", dataset, GRID_WHD, path, SIZE) is None


def test_file_that_holds_a_part_is_never_taken_for_the_whole(
    dataset: Dataset, tmp_path: Path
) -> None:
    """Whether it is complete is asked of the data set and of what was measured."""
    path = tmp_path / "XS.npz"
    keep(measured(dataset, 4), dataset, GRID_WHD, "key", path, SIZE)
    architecture = SimpleNamespace(grid_whd=GRID_WHD)
    network: Any = SimpleNamespace(architecture=architecture)  # it cannot be called
    entry = Entry(network, "key", path)
    failed = evaluate({"XS": entry}, dataset, conditions(), resume=True)["XS"]
    assert isinstance(failed, NetworkFailedError)  # but was

    keep(measured(dataset), dataset, GRID_WHD, "key", path, SIZE)

    found = evaluate({"XS": entry}, dataset, conditions(), resume=True)["XS"]
    assert not isinstance(found, Exception)
    assert len(found.image_ids) == 5
    assert [exclusion.reason for exclusion in found.unreadable] == ["it is no image"]
    assert not found.complete
    assert found.resumed == 5


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04", b"\x93NUMPY"])
def test_file_that_is_none_is_measured_again(
    content: bytes | None, dataset: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / "XS.npz"
    if content is not None:
        path.write_bytes(content)

    assert kept("key", dataset, GRID_WHD, path, SIZE) is None


def test_cut_off_file_is_measured_again(dataset: Dataset, tmp_path: Path) -> None:
    path = tmp_path / "XS.npz"
    keep(measured(dataset), dataset, GRID_WHD, "key", path, SIZE)
    whole = path.read_bytes()

    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        assert kept("key", dataset, GRID_WHD, path, SIZE) is None


def test_kept_partial_results_of_another_batch_size_are_of_no_use(
    dataset: Dataset, tmp_path: Path
) -> None:
    path = tmp_path / "XS.npz"

    keep(measured(dataset, 5), dataset, GRID_WHD, "key", path, SIZE)
    assert kept("key", dataset, GRID_WHD, path, SIZE) is not None
    assert kept("key", dataset, GRID_WHD, path, SIZE + 1) is None

    keep(measured(dataset), dataset, GRID_WHD, "key", path, SIZE)
    assert kept("key", dataset, GRID_WHD, path, SIZE + 1) is not None
