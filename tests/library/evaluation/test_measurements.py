"""Measurements of samples are combined into one evaluation."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from msgspec import structs

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.measurements import Measurements
from convnextpose_check.human36m.crops import Crop
from convnextpose_check.human36m.samples import Dataset, Exclusion
from convnextpose_check.human36m.skeleton import JOINTS


def hash_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def make_measurements(dataset: Dataset) -> Measurements:
    """Measurements in which errors and cells equal the index plus 1."""
    results = Measurements.empty(len(dataset.samples), 4)
    for index, sample in enumerate(dataset.samples):
        results.record_image(index, Crop(sample, None, hash_text(f"image {index}")))
        results.cells_xyz[index] = results.errors_mm[index] = index + 1
    return results


def test_measurements_record_hash_problem_and_warning(dataset: Dataset) -> None:
    results = Measurements.empty(6, 1)

    with pytest.raises(AttributeError):  # the stand-in has no attribute problem
        results.record_image(0, SimpleNamespace(sha256=hash_text("a")))  # type: ignore[arg-type]
    assert not results.done.any(), "an interrupt may come between any two lines"
    results.record_image(
        2, Crop(dataset.samples[2], None, hash_text("a"), "it is cut off", "a warning")
    )
    results.record_image(3, Crop(dataset.samples[3], None, hash_text("b"), None, "a warning"))

    assert results.done.tolist() == [False, False, True, True, False, False]
    assert [results.sha256[n].tobytes().hex() for n in (2, 3)] == [hash_text("a"), hash_text("b")]
    assert (results.problems, results.warnings) == ({2: "it is cut off"}, {3: "a warning"})


def test_evaluation_excludes_unusable_samples(dataset: Dataset) -> None:
    results = make_measurements(dataset)
    results.problems = {4: "cut off", 1: "no image"}
    results.warnings = {3: "extraneous bytes"}
    results.resumed = 3
    results.sha256[5] = results.sha256[3] = results.sha256[0]
    results.sha256[4] = results.sha256[2]

    evaluation = results.to_evaluation(dataset)

    def exclusion(index: int, reason: str) -> Exclusion:
        sample = dataset.samples[index]
        return Exclusion(sample.image_id, sample.path.name, reason)

    used = [dataset.samples[n] for n in (0, 2, 3, 5)]
    names = [sample.path.name for sample in used]
    assert evaluation.image_ids == tuple(sample.image_id for sample in used)
    assert evaluation.file_names == tuple(names)
    assert evaluation.actions == tuple(sample.action for sample in used)
    assert evaluation.errors_mm[:, 0].tolist() == [1, 3, 4, 6]
    assert evaluation.cells_xyz[:, 0, 0].tolist() == [1, 3, 4, 6]
    assert evaluation.error_mm == (1 + 3 + 4 + 6) / 4
    assert evaluation.unreadable == (exclusion(1, "no image"), exclusion(4, "cut off"))
    assert evaluation.damaged == (exclusion(3, "extraneous bytes"),)
    assert (evaluation.protocol, evaluation.complete) == (2, False)
    assert evaluation.images_sha256 == hashlib.sha256(results.sha256.tobytes()).hexdigest()
    assert (evaluation.batch_size, evaluation.resumed) == (4, 3)
    copies = sorted([*evaluation.cross_sequence_copies, *evaluation.same_sequence_copies])
    assert copies == sorted([(names[2], names[0]), (names[3], names[0])])


def test_evaluation_means_are_over_samples_in_full_precision(dataset: Dataset) -> None:
    evaluation = make_measurements(dataset).to_evaluation(dataset)
    assert evaluation.complete
    limited = replace(dataset, limited=True)
    assert not make_measurements(dataset).to_evaluation(limited).complete
    counts = dataset.facts.per_action | {"WalkTogether": 1}
    smaller = replace(dataset, facts=structs.replace(dataset.facts, samples=5, per_action=counts))
    with_surplus = make_measurements(dataset).to_evaluation(smaller)
    assert (with_surplus.complete, with_surplus.surplus, evaluation.surplus) == (False, 1, 0)
    assert evaluation.error_mm == 3.5
    assert evaluation.per_action_mm() == {
        "Directions": (1 + 2 + 4) / 3, "Discussion": 3, "WalkTogether": 5.5,
    }  # fmt: skip
    errors_mm = 50 + np.arange(6 * 17).reshape(6, 17) / 1024  # half precision has 1/32 here

    exact = replace(evaluation, errors_mm=errors_mm)

    assert exact.error_mm == 50 + 50.5 / 1024
    assert list(exact.per_joint_mm()) == list(JOINTS[:17])
    assert list(exact.per_joint_mm().values()) == [50 + (42.5 + n) / 1024 for n in range(17)]
    assert exact.per_action_mm()["Discussion"] == 50 + 42 / 1024


def test_evaluation_without_usable_image_raises_data_not_found(dataset: Dataset) -> None:
    results = make_measurements(dataset)
    results.problems = {n: f"reason {n}" for n in reversed(range(6))}

    problem = f"data-not-found.*none of the 6 .*{dataset.layout.root} .* because reason 0"
    with pytest.raises(ConvNeXtPoseCheckError, match=problem):
        results.to_evaluation(dataset)
