"""What was measured of a data set becomes one evaluation."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.measurements import Measurements
from convnextpose_check.human36m.crops import Crop
from convnextpose_check.human36m.samples import Dataset, load_dataset
from tests.support.datasets import FACTS, Handmade


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return load_dataset(Handmade().write(tmp_path / "set"), FACTS)


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def measured(dataset: Dataset, numbers: range, batch_size: int = 4) -> Measurements:
    """A tally of these samples; each has its number plus 1 for an error, and in its cells."""
    tally = Measurements.empty(len(dataset.samples), batch_size)
    for number in numbers:
        tally.read(number, Crop(dataset.samples[number], None, sha256_of(f"image {number}")))
        tally.cells_xyz[number] = tally.errors_mm[number] = number + 1
    return tally


def test_empty_tally_lacks_everything_and_has_the_documented_form() -> None:
    tally = Measurements.empty(5, 3)

    assert {n: (a.shape, a.dtype) for n, a in vars(tally).items() if isinstance(a, np.ndarray)} == {
        "done": ((5,), np.bool_),
        "sha256": ((5, 32), np.uint8),
        "cells_xyz": ((5, 18, 3), np.float32),
        "errors_mm": ((5, 17), np.float64),
    }
    assert not tally.done.any()
    assert tally.batch_size == 3
    assert (tally.problems, tally.seconds, tally.reading_seconds) == ({}, 0.0, 0.0)


def test_speed_without_a_measured_time_is_zero(dataset: Dataset) -> None:
    tally = measured(dataset, range(len(dataset.samples)))
    assert tally.seconds == 0

    assert tally.evaluation(dataset).images_per_second == 0
    tally.seconds = 2.0
    assert tally.evaluation(dataset).images_per_second == len(dataset.samples) / 2


@pytest.mark.parametrize(
    ("place", "lacks"),
    [(range(2, 5), False), (range(1, 3), True), (range(4, 6), True), (range(4, 5), False)],
)
def test_batch_is_lacking_until_every_sample_of_it_is_done(
    dataset: Dataset, place: range, lacks: bool
) -> None:
    assert measured(dataset, range(2, 5)).lacks(place) is lacks


def test_sample_is_read_with_its_hash_and_its_problem(dataset: Dataset) -> None:
    tally = Measurements.empty(6, 1)

    tally.read(2, Crop(dataset.samples[2], None, sha256_of("a"), "it is cut off"))
    tally.read(3, Crop(dataset.samples[3], None, sha256_of("b")))

    assert tally.done.tolist() == [False, False, True, True, False, False]
    assert tally.sha256[2].tobytes().hex() == sha256_of("a")
    assert tally.sha256[3].tobytes().hex() == sha256_of("b")
    assert tally.problems == {2: "it is cut off"}


def test_evaluation_is_of_the_samples_that_could_be_used(dataset: Dataset) -> None:
    tally = measured(dataset, range(6))
    tally.problems = {4: "cut off", 1: "no image"}
    tally.seconds, tally.reading_seconds = 3.0, 4.0
    tally.sha256[5] = tally.sha256[3] = tally.sha256[0]
    tally.sha256[4] = tally.sha256[2]

    evaluation = tally.evaluation(dataset)

    used = [dataset.samples[n] for n in (0, 2, 3, 5)]
    assert evaluation.image_ids == tuple(sample.image_id for sample in used)
    assert evaluation.file_names == tuple(sample.path.name for sample in used)
    assert evaluation.actions == tuple(sample.action for sample in used)
    assert evaluation.errors_mm[:, 0].tolist() == [1, 3, 4, 6]
    assert evaluation.cells_xyz[:, 0, 0].tolist() == [1, 3, 4, 6]
    assert [(e.image_id, e.file_name, e.reason) for e in evaluation.unreadable] == [
        (dataset.samples[1].image_id, dataset.samples[1].path.name, "no image"),
        (dataset.samples[4].image_id, dataset.samples[4].path.name, "cut off"),
    ]
    assert evaluation.protocol == 2
    assert not evaluation.complete
    assert evaluation.images_sha256 == hashlib.sha256(tally.sha256.tobytes()).hexdigest()
    assert (evaluation.seconds, evaluation.reading_seconds, evaluation.batch_size) == (3.0, 4.0, 4)
    first = dataset.samples[0].path.name
    assert evaluation.alike == tuple((dataset.samples[n].path.name, first) for n in (3, 5))


def test_mean_error_mm_covers_measured_usable_samples(dataset: Dataset) -> None:
    tally = measured(dataset, range(0))
    assert tally.mean_error_mm() is None

    tally = measured(dataset, range(3))
    tally.problems = {2: "cut off"}

    assert tally.mean_error_mm() == (1 + 2) / 2


@pytest.mark.parametrize("limited", [False, True])
def test_evaluation_is_complete_where_data_set_and_images_are(
    tmp_path: Path, limited: bool
) -> None:
    root = Handmade().write(tmp_path / "set")
    dataset = load_dataset(root, FACTS, limit=5 if limited else None)

    evaluation = measured(dataset, range(len(dataset.samples))).evaluation(dataset)

    assert evaluation.complete is not limited


def test_without_a_usable_image_there_is_no_evaluation(dataset: Dataset) -> None:
    tally = measured(dataset, range(6))
    tally.problems = {n: f"reason {n}" for n in reversed(range(6))}

    with pytest.raises(
        ConvNeXtPoseCheckError, match=r"none of the 6 .* because reason 0"
    ) as caught:
        tally.evaluation(dataset)

    assert caught.value.code == "no-data"
    assert str(dataset.layout.root) in caught.value.problem
