"""Predictions and their errors: flip test, out of memory, and unusable images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.measurements import Evaluation, ModelEntry
from convnextpose_check.evaluation.metrics import joint_errors_mm
from convnextpose_check.evaluation.one_pass import evaluate, shuffle_indices
from convnextpose_check.evaluation.predict import Predictor, predict
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset, load_dataset
from convnextpose_check.variants import Architecture, Protocol
from tests.support.datasets import FACTS
from tests.support.passes import make_conditions


class FixedPredictions:
    """Returns fixed predictions and records its inputs."""

    def __init__(self, architecture: Architecture, predictions: Array) -> None:
        self.architecture = architecture
        self.predictions: Iterator[Array] = iter(predictions)
        self.inputs: list[Tensor] = []

    def __call__(self, crops: Tensor) -> Tensor:
        self.inputs.append(crops)
        predictions = [next(self.predictions) for _ in crops]
        return torch.from_numpy(np.stack(predictions).astype(np.float32))


@pytest.mark.parametrize("protocol", [1, 2])
def test_evaluate_computes_errors(tiny: Architecture, dataset: Dataset, protocol: Protocol) -> None:
    dataset = load_dataset(dataset.layout.root, FACTS, protocol)
    count = len(dataset.samples)
    cells_xyz = np.random.default_rng(0).uniform(0, 32, (count, 18, 3)).astype(np.float32)
    dataset.samples[1].path.write_bytes(b"<!DOCTYPE html>")
    order = [index for index in shuffle_indices(count) if index != 1]

    entries = {"": ModelEntry(FixedPredictions(tiny, cells_xyz[order]))}
    evaluation = evaluate(entries, dataset, make_conditions(flip=False, batch_size=4))[""]

    assert isinstance(evaluation, Evaluation)
    used = [0, *range(2, count)]
    samples = [dataset.samples[index] for index in used]
    assert evaluation.protocol == protocol
    assert evaluation.image_ids == tuple(sample.image_id for sample in samples)
    assert [each.file_name for each in evaluation.unreadable] == [dataset.samples[1].path.name]
    np.testing.assert_array_equal(evaluation.cells_xyz, cells_xyz[used])
    expected_mm = [
        joint_errors_mm(cells, sample, tiny.grid_whd, protocol)
        for cells, sample in zip(cells_xyz[used], samples, strict=True)
    ]
    assert evaluation.errors_mm.dtype == np.float64
    np.testing.assert_array_equal(evaluation.errors_mm, np.array(expected_mm))


def test_predict_flip_averages_mirrored_pass(tiny: Architecture) -> None:
    """In 32 columns, x of the mirrored pass becomes 31 - x, and right becomes left."""
    plain, mirrored = np.zeros((2, 18, 3))
    plain[1], mirrored[4] = (10, 20, 3), (17, 22, 5)
    plain[4], mirrored[1] = (25, 21, 4), (8, 19, 4)
    plain[9], mirrored[9] = (16, 2, 1), (15, 4, 2)
    plain[16], mirrored[13] = (3, 3, 3), (30, 5, 5)
    network = FixedPredictions(tiny, np.stack([plain, mirrored]))
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


class SmallMemory:
    """Predicts the first pixel of each crop, for at most ``capacity`` crops at once."""

    def __init__(self, architecture: Architecture, capacity: int) -> None:
        self.architecture = architecture
        self.capacity = capacity
        self.sizes: list[int] = []
        self.tf32: list[bool] = []

    def __call__(self, crops: Tensor) -> Tensor:
        if len(crops) > self.capacity:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.sizes.append(len(crops))
        self.tf32.append(torch.backends.cuda.matmul.allow_tf32)
        return crops[:, 0, 0, 0].view(-1, 1, 1).expand(-1, 18, 3).clone()


@pytest.mark.parametrize(("capacity", "sizes"), [(16, [8]), (5, [4, 4]), (1, [1] * 8)])
def test_predictor_halves_batch_size(tiny: Architecture, capacity: int, sizes: list[int]) -> None:
    notes: list[str] = []
    network = SmallMemory(tiny, capacity)
    predictor = Predictor(network, flip=False, batch_size=8, write_line=notes.append)
    crops = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 4, 4)

    for _ in range(2):
        torch.backends.cuda.matmul.allow_tf32 = True  # as other code may do
        assert predictor(crops)[:, 0, 0].tolist() == list(range(8))

    assert network.sizes == sizes * 2
    assert not any(network.tf32)
    assert predictor.batch_size == sizes[0]
    expected = {16: [], 5: [4], 1: [4, 2, 1]}[capacity]
    assert notes == [f"out of memory on cpu: retrying with {size} images" for size in expected]
    network.capacity = 0
    with pytest.raises(ConvNeXtPoseCheckError, match=r"single image.*--device cpu") as caught:
        predictor(crops)
    assert caught.value.code == "out-of-memory"
