"""Predictions of a model become one error: flip test, memory, means and unusable images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from convnextpose_check.checks.error import check_evaluation_is_complete
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.metrics import joint_errors_mm
from convnextpose_check.evaluation.one_pass import shuffled
from convnextpose_check.evaluation.predict import Predictor, predict
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset, load_dataset
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.network import Network
from convnextpose_check.network.layout import build_network
from convnextpose_check.variants import Architecture, Protocol
from tests.support.datasets import FACTS, Handmade
from tests.support.runs import evaluation_of


class Answering:
    """A model with prepared predictions, which records its inputs."""

    def __init__(self, architecture: Architecture, predictions: Array) -> None:
        self.architecture = architecture
        self.predictions: Iterator[Array] = iter(predictions)
        self.inputs: list[Tensor] = []

    def __call__(self, crops: Tensor) -> Tensor:
        self.inputs.append(crops)
        predictions = [next(self.predictions) for _ in crops]
        return torch.from_numpy(np.stack(predictions).astype(np.float32))


class SmallMemory:
    """Predicts the first pixel of each crop, for at most ``room`` crops at once."""

    def __init__(self, architecture: Architecture, room: int) -> None:
        self.architecture = architecture
        self.room = room
        self.sizes: list[int] = []
        self.tf32: list[bool] = []

    def __call__(self, crops: Tensor) -> Tensor:
        if len(crops) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.sizes.append(len(crops))
        self.tf32.append(torch.backends.cuda.matmul.allow_tf32)
        return crops[:, 0, 0, 0].view(-1, 1, 1).expand(-1, 18, 3).clone()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Handmade().write(tmp_path / "set")


@pytest.fixture
def dataset(root: Path) -> Dataset:
    return load_dataset(root, FACTS)


@pytest.fixture(scope="module")
def network(tiny: Architecture) -> Network:
    return build_network(tiny, seeded_state(tiny, 1), torch.device("cpu"))


def run(network: Network, dataset: Dataset, **options: Any) -> Evaluation:
    settings = {"flip": False, "batch_size": 4, "workers": 2} | options
    return evaluation_of(network, dataset, torch.device("cpu"), **settings)


@pytest.fixture
def cells_xyz(dataset: Dataset) -> Array:
    rng = np.random.default_rng(0)
    return rng.uniform(0, 32, (len(dataset.samples), 18, 3)).astype(np.float32)


def answering(tiny: Architecture, cells_xyz: Array, without: int | None = None) -> Answering:
    """A model with these predictions, in the order of evaluation."""
    order = [index for index in shuffled(len(cells_xyz)) if index != without]
    return Answering(tiny, cells_xyz[order])


@pytest.mark.parametrize("protocol", [1, 2])
def test_errors_are_those_of_the_predictions_under_either_protocol(
    tiny: Architecture, root: Path, cells_xyz: Array, protocol: Protocol
) -> None:
    dataset = load_dataset(root, FACTS, protocol)

    evaluation = run(answering(tiny, cells_xyz[-len(dataset.samples) :]), dataset)

    assert evaluation.protocol == protocol
    assert evaluation.image_ids == tuple(sample.image_id for sample in dataset.samples)
    np.testing.assert_array_equal(evaluation.cells_xyz, cells_xyz[-len(dataset.samples) :])
    expected_mm = [
        joint_errors_mm(cells, sample, tiny.grid_whd, protocol)
        for cells, sample in zip(evaluation.cells_xyz, dataset.samples, strict=True)
    ]
    assert evaluation.errors_mm.dtype == np.float64
    np.testing.assert_array_equal(evaluation.errors_mm, np.array(expected_mm))


def test_flip_test_by_hand(tiny: Architecture) -> None:
    """Columns 0 to 31: x of the mirrored pass becomes 31 - x, and right becomes left."""
    plain, mirrored = np.zeros((2, 18, 3))
    plain[1], mirrored[4] = (10, 20, 3), (17, 22, 5)
    plain[4], mirrored[1] = (25, 21, 4), (8, 19, 4)
    plain[9], mirrored[9] = (16, 2, 1), (15, 4, 2)
    plain[16], mirrored[13] = (3, 3, 3), (30, 5, 5)
    network = Answering(tiny, np.stack([plain, mirrored]))
    crops = torch.arange(3 * 256 * 256, dtype=torch.float32).view(1, 3, 256, 256)

    cells_xyz = predict(network, crops, flip=True)[0]

    assert cells_xyz[1].tolist() == [(10 + 14) / 2, 21, 4]
    assert cells_xyz[4].tolist() == [(25 + 23) / 2, 20, 4]
    assert cells_xyz[9].tolist() == [16, 3, 1.5]
    assert cells_xyz[16].tolist() == [(3 + 1) / 2, 4, 4]
    (both,) = network.inputs
    assert torch.equal(both[:1], crops)
    assert both[1, 1, 7, 3] == crops[0, 1, 7, 252]
    assert torch.equal(both[1:].flip(3), crops)


def test_unusable_image_is_left_out_counted_and_named(
    tiny: Architecture, root: Path, dataset: Dataset, cells_xyz: Array
) -> None:
    whole = run(answering(tiny, cells_xyz), dataset)
    assert check_evaluation_is_complete(whole, dataset) == 6
    broken = dataset.samples[3]
    broken.path.write_bytes(b"<!DOCTYPE html>")
    dataset = load_dataset(root, FACTS)
    assert dataset.is_complete()

    evaluation = run(answering(tiny, cells_xyz, without=3), dataset)

    assert broken.image_id not in evaluation.image_ids
    for name in ("errors_mm", "cells_xyz"):
        rest = np.delete(getattr(whole, name), 3, axis=0)
        np.testing.assert_array_equal(getattr(evaluation, name), rest)
    assert [each.file_name for each in evaluation.unreadable] == [broken.path.name]
    with pytest.raises(CheckFailedError) as caught:
        check_evaluation_is_complete(evaluation, dataset)
    assert "5 samples were measured: expected 6" in str(caught.value)
    assert f"1 images cannot be used ({broken.path.name}: " in str(caught.value)


def test_data_set_without_usable_image_is_refused(network: Network, dataset: Dataset) -> None:
    for sample in dataset.samples:
        sample.path.write_bytes(b"")

    with pytest.raises(
        ConvNeXtPoseCheckError, match=r"none of the 6 images.*is not a JPEG"
    ) as caught:
        run(network, dataset)
    assert caught.value.code == "data-not-found"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_prediction_that_is_not_finite_is_refused(
    tiny: Architecture, dataset: Dataset, cells_xyz: Array, value: float
) -> None:
    cells_xyz[4, 17, 2] = value

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        run(answering(tiny, cells_xyz), dataset)

    assert caught.value.code == "bad-weights"
    assert dataset.samples[4].path.name in str(caught.value)


def test_batch_size_and_workers_do_not_change_results(network: Network, dataset: Dataset) -> None:
    one_by_one = run(network, dataset, flip=True, batch_size=1, workers=1)

    for batch_size, workers in ((1, 4), (4, 1), (5, 2), (64, 3)):
        evaluation = run(network, dataset, flip=True, batch_size=batch_size, workers=workers)
        np.testing.assert_allclose(evaluation.errors_mm, one_by_one.errors_mm, atol=1e-3)
        assert evaluation.images_sha256 == one_by_one.images_sha256
        assert evaluation.image_ids == one_by_one.image_ids


@pytest.mark.parametrize(("room", "sizes"), [(16, [8]), (5, [4, 4]), (1, [1] * 8)])
def test_batch_that_does_not_fit_is_halved_and_stays_smaller(
    tiny: Architecture, room: int, sizes: list[int]
) -> None:
    notes: list[str] = []
    network = SmallMemory(tiny, room)
    predictor = Predictor(network, flip=False, batch_size=8, on_note=notes.append)
    crops = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 4, 4)

    for _ in range(2):
        assert predictor(crops)[:, 0, 0].tolist() == list(range(8))

    assert network.sizes == sizes * 2
    assert predictor.batch_size == sizes[0]
    expected = {16: [], 5: [4], 1: [4, 2, 1]}[room]
    assert notes == [f"out of memory on cpu: going on with {size} images" for size in expected]


def test_single_image_that_does_not_fit_is_refused(tiny: Architecture) -> None:
    predictor = Predictor(SmallMemory(tiny, 0), flip=False, batch_size=2, on_note=lambda _: None)

    with pytest.raises(ConvNeXtPoseCheckError, match=r"single image.*--device cpu") as caught:
        predictor(torch.zeros(2, 3, 4, 4))

    assert caught.value.code == "out-of-memory"
    assert "allocate" not in str(caught.value)


def test_predictor_switches_tf32_off_before_each_batch(tiny: Architecture) -> None:
    network = SmallMemory(tiny, 8)
    torch.backends.cuda.matmul.allow_tf32 = True  # as other code may do

    Predictor(network, False, 8, lambda _: None)(torch.zeros(2, 3, 4, 4))

    assert network.tf32 == [False]
