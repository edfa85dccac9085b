"""Predictions of a model become one error: flip test, memory, means and unusable images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from convnextpose_check.checks.error import check_evaluation_is_complete
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.metrics import joint_errors_mm
from convnextpose_check.evaluation.one_pass import shuffled
from convnextpose_check.evaluation.predict import Predictor, predict
from convnextpose_check.human36m.geometry import Array, camera_to_image
from convnextpose_check.human36m.samples import Dataset, load_dataset
from convnextpose_check.human36m.skeleton import JOINTS
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.network import Network
from convnextpose_check.network.layout import build_network
from convnextpose_check.variants import Architecture, Protocol
from tests.support.datasets import FACTS, Handmade
from tests.support.deferred import Deferred
from tests.support.runs import evaluation_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = Deferred("torch")

SAMPLE_ERRORS_MM = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
"""Of three samples of Directions, one of Discussion (the third) and two of WalkTogether."""


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
def cells_xyz(tiny: Architecture, dataset: Dataset) -> Array:
    """Predictions with ``SAMPLE_ERRORS_MM``: every joint but the pelvis is too far away."""
    cells_xyz = []
    for sample, error_mm in zip(dataset.samples, SAMPLE_ERRORS_MM, strict=True):
        joints_mm = sample.joints_cam_mm.astype(np.float64)
        joints_mm[1:, 2] += error_mm * 17 / 16
        x, y, w, h = sample.box_xywh_px
        pixels = camera_to_image(joints_mm, sample.camera)
        depth = ((joints_mm[:, 2] - sample.root_depth_mm) / 1000 + 1) / 2
        fractions = np.stack([(pixels[:, 0] - x) / w, (pixels[:, 1] - y) / h, depth], axis=1)
        cells_xyz.append(fractions * np.array(tiny.grid_whd))
    return np.array(cells_xyz, dtype=np.float32)


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
    expected_mm = [
        joint_errors_mm(cells, sample, tiny.grid_whd, protocol)
        for cells, sample in zip(evaluation.cells_xyz, dataset.samples, strict=True)
    ]
    assert evaluation.errors_mm.dtype == np.float64
    np.testing.assert_array_equal(evaluation.errors_mm, np.array(expected_mm))


def test_means_of_known_errors(tiny: Architecture, dataset: Dataset, cells_xyz: Array) -> None:
    evaluation = run(answering(tiny, cells_xyz), dataset)

    assert check_evaluation_is_complete(evaluation, dataset) == 6
    np.testing.assert_array_equal(evaluation.cells_xyz, cells_xyz)
    np.testing.assert_allclose(evaluation.errors_mm.mean(axis=1), SAMPLE_ERRORS_MM, atol=0.01)
    assert evaluation.error_mm == pytest.approx(35.0, abs=0.01)
    assert evaluation.per_action_mm() == pytest.approx(
        {"Directions": 70 / 3, "Discussion": 30.0, "WalkTogether": 55.0}, abs=0.01
    )
    by_joint = evaluation.per_joint_mm()
    assert list(by_joint) == list(JOINTS[:17])
    assert list(by_joint.values()) == pytest.approx([0.0] + [35.0 * 17 / 16] * 16, abs=0.01)


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
    broken = dataset.samples[3]
    broken.path.write_bytes(b"<!DOCTYPE html>")
    dataset = load_dataset(root, FACTS)
    assert dataset.is_complete()

    evaluation = run(answering(tiny, cells_xyz, without=3), dataset)

    assert evaluation.errors_mm.shape == (5, 17)
    assert broken.image_id not in evaluation.image_ids
    assert evaluation.error_mm == pytest.approx((10 + 20 + 30 + 50 + 60) / 5, abs=0.01)
    np.testing.assert_array_equal(evaluation.cells_xyz, np.delete(cells_xyz, 3, axis=0))
    assert [each.file_name for each in evaluation.unreadable] == [broken.path.name]
    with pytest.raises(CheckFailedError) as caught:
        check_evaluation_is_complete(evaluation, dataset)
    assert "5 samples were measured: expected 6" in str(caught.value)
    assert f"1 images cannot be used ({broken.path.name}: " in str(caught.value)


def test_data_set_without_usable_image_is_refused(network: Network, dataset: Dataset) -> None:
    for sample in dataset.samples:
        sample.path.write_bytes(b"")

    with pytest.raises(ConvNeXtPoseCheckError, match=r"none of the 6 images.*is no JPEG") as caught:
        run(network, dataset)
    assert caught.value.code == "no-data"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_prediction_that_is_not_finite_is_refused(
    tiny: Architecture, dataset: Dataset, cells_xyz: Array, value: float
) -> None:
    cells_xyz[4, 17, 2] = value

    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        run(answering(tiny, cells_xyz), dataset)

    assert caught.value.code == "not-finite"
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
