"""A network's answers become one error: the flip test, the means and what is left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from convnextpose_check.checks.error import check_evaluation_is_complete
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.evaluation.measurements import Evaluation, Measurements
from convnextpose_check.evaluation.metrics import joint_errors_mm
from convnextpose_check.evaluation.one_pass import Conditions, Entry, run_pass
from convnextpose_check.evaluation.plan import remaining_batches, shuffled
from convnextpose_check.evaluation.predict import predict
from convnextpose_check.human36m.crops import read_crop, to_input
from convnextpose_check.human36m.geometry import Array, camera_to_image
from convnextpose_check.human36m.samples import Dataset, Sample, load_dataset
from convnextpose_check.human36m.skeleton import FLIP_PAIRS, JOINTS
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

    from convnextpose_check.network.plain import ConvNeXtPose
else:
    torch = Deferred("torch")

SAMPLE_ERRORS_MM = (10.0, 20.0, 30.0, 40.0, 50.0, 60.0)
"""Of three samples of Directions, one of Discussion (the third) and two of WalkTogether."""


class Answering:
    """Stands for a network: it has its answers ready, and remembers what it was shown."""

    def __init__(self, architecture: Architecture, answers: Array) -> None:
        self.architecture = architecture
        self.answers: Iterator[Array] = iter(answers)
        self.shown: list[Tensor] = []

    def __call__(self, crops: Tensor) -> Tensor:
        self.shown.append(crops)
        answers = [next(self.answers) for _ in crops]
        return torch.from_numpy(np.stack(answers).astype(np.float32))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Handmade().write(tmp_path / "set")


@pytest.fixture
def dataset(root: Path) -> Dataset:
    return load_dataset(root, FACTS)


@pytest.fixture(scope="module")
def network(tiny: Architecture) -> ConvNeXtPose:
    return build_network(tiny, seeded_state(tiny, 1), torch.device("cpu"))


def as_asked(given: Array, without: int | None = None) -> Array:
    """The answers to the samples in the order in which a network is asked for them."""
    return np.array([given[place] for place in shuffled(len(given)) if place != without])


def run(network: Network, dataset: Dataset, **options: Any) -> Evaluation:
    settings = {"flip": False, "batch_size": 4, "workers": 2} | options
    return evaluation_of(network, dataset, torch.device("cpu"), **settings)


def cells(sample: Sample, joints_mm: Array, grid_whd: tuple[int, int, int]) -> Array:
    """Cells that stand for these camera millimetres."""
    columns, rows, bins = grid_whd
    pixels = camera_to_image(joints_mm.astype(np.float64), sample.camera)
    x, y, w, h = sample.box_xywh_px
    depth_mm = joints_mm[:, 2] - sample.root_depth_mm
    return np.stack(
        [
            (pixels[:, 0] - x) / w * columns,
            (pixels[:, 1] - y) / h * rows,
            (depth_mm / 1000 + 1) / 2 * bins,
        ],
        axis=1,
    )


def answers(dataset: Dataset, grid_whd: tuple[int, int, int]) -> Array:
    """Every joint but the pelvis too far by what gives each sample its error."""
    given = []
    for sample, error_mm in zip(dataset.samples, SAMPLE_ERRORS_MM, strict=True):
        joints_mm = sample.joints_cam_mm.astype(np.float64)
        joints_mm[1:, 2] += error_mm * 17 / 16
        given.append(cells(sample, joints_mm, grid_whd))
    return np.array(given)


def test_total_is_the_mean_over_samples_not_over_actions(
    tiny: Architecture, dataset: Dataset
) -> None:
    evaluation = run(Answering(tiny, as_asked(answers(dataset, tiny.grid_whd))), dataset)
    assert evaluation.complete
    assert check_evaluation_is_complete(evaluation, dataset) == 6
    assert evaluation.error_mm == pytest.approx(35.0, abs=0.01)
    by_action = evaluation.per_action_mm()
    expected = {"Directions": 70 / 3, "Discussion": 30.0, "WalkTogether": 55.0}
    assert by_action == pytest.approx(expected, abs=0.01)
    assert np.mean(list(by_action.values())) > 36


def test_error_of_each_joint_is_its_mean_over_samples(tiny: Architecture, dataset: Dataset) -> None:
    by_joint = run(
        Answering(tiny, as_asked(answers(dataset, tiny.grid_whd))), dataset
    ).per_joint_mm()
    assert list(by_joint) == list(JOINTS[:17])
    assert by_joint.pop("Pelvis") == 0
    assert list(by_joint.values()) == pytest.approx([35.0 * 17 / 16] * 16, abs=0.01)


def test_errors_are_in_the_order_of_the_samples(tiny: Architecture, dataset: Dataset) -> None:
    evaluation = run(Answering(tiny, as_asked(answers(dataset, tiny.grid_whd))), dataset)
    assert evaluation.image_ids == tuple(sample.image_id for sample in dataset.samples)
    assert evaluation.errors_mm.dtype == np.float64
    np.testing.assert_allclose(evaluation.errors_mm.mean(axis=1), SAMPLE_ERRORS_MM, atol=0.01)


def test_errors_keep_every_digit_up_to_the_means(tiny: Architecture, dataset: Dataset) -> None:
    evaluation = run(Answering(tiny, as_asked(answers(dataset, tiny.grid_whd))), dataset)
    expected_mm = np.array(
        [
            joint_errors_mm(cells_xyz, sample, tiny.grid_whd, 2)
            for cells_xyz, sample in zip(evaluation.cells_xyz, dataset.samples, strict=True)
        ]
    )
    np.testing.assert_array_equal(evaluation.errors_mm, expected_mm)

    errors_mm = 50 + np.arange(6 * 17).reshape(6, 17) / 1024  # half precision has 1/32 here
    kept = replace(evaluation, errors_mm=errors_mm)
    assert kept.error_mm == 50 + 50.5 / 1024
    assert kept.per_joint_mm()["Pelvis"] == 50 + 42.5 / 1024
    assert kept.per_action_mm()["Discussion"] == 50 + 42 / 1024


@pytest.mark.parametrize(("protocol", "error_mm"), [(1, 0.0), (2, 200.0)])
def test_protocol_1_measures_after_alignment(
    tiny: Architecture, root: Path, protocol: Protocol, error_mm: float
) -> None:
    """The predicted body is the true one turned by half a circle about its pelvis."""
    dataset = load_dataset(root, FACTS, protocol)
    given = []
    for sample in dataset.samples:
        joints_mm = sample.joints_cam_mm.astype(np.float64)
        joints_mm[:, [0, 2]] = 2 * joints_mm[0, [0, 2]] - joints_mm[:, [0, 2]]
        given.append(cells(sample, joints_mm, tiny.grid_whd))
    evaluation = run(Answering(tiny, as_asked(np.array(given))), dataset)
    assert evaluation.protocol == protocol
    if protocol == 1:
        assert evaluation.error_mm == pytest.approx(error_mm, abs=0.02)
    else:
        assert evaluation.error_mm > error_mm


def test_flip_test_by_hand(tiny: Architecture) -> None:
    """Columns 0 to 31: x of the mirrored pass becomes 31 - x, and right becomes left."""
    plain, mirrored = np.zeros((2, 18, 3))
    plain[1], mirrored[4] = (10, 20, 3), (17, 22, 5)
    plain[4], mirrored[1] = (25, 21, 4), (8, 19, 4)
    plain[9], mirrored[9] = (16, 2, 1), (15, 4, 2)
    plain[16], mirrored[13] = (3, 3, 3), (30, 5, 5)
    network = Answering(tiny, np.stack([plain, mirrored]))
    crops = torch.arange(3 * 256 * 256, dtype=torch.float32).view(1, 3, 256, 256)
    obtained = predict(network, crops, flip=True)[0]
    assert obtained[1].tolist() == [(10 + 14) / 2, 21, 4]
    assert obtained[4].tolist() == [(25 + 23) / 2, 20, 4]
    assert obtained[9].tolist() == [16, 3, 1.5]
    assert obtained[16].tolist() == [(3 + 1) / 2, 4, 4]
    (shown,) = network.shown
    assert torch.equal(shown[:1], crops)
    assert shown[1, 1, 7, 3] == crops[0, 1, 7, 252]
    assert torch.equal(shown[1:].flip(3), crops)


def test_without_flip_the_network_is_asked_once(tiny: Architecture) -> None:
    answer = np.random.default_rng(0).uniform(0, 31, (1, 18, 3))
    network = Answering(tiny, answer)
    obtained = predict(network, torch.zeros(1, 3, 256, 256), flip=False)
    np.testing.assert_array_equal(obtained, answer.astype(np.float32))
    assert len(network.shown) == 1


@pytest.fixture
def crops(dataset: Dataset) -> Tensor:
    pixels = [read_crop(sample).pixels_rgb for sample in dataset.samples[:2]]
    return to_input(torch.from_numpy(np.stack([p for p in pixels if p is not None])))


def test_flip_test_of_a_network_is_the_mean_of_both_passes(
    network: ConvNeXtPose, crops: Tensor
) -> None:
    plain = predict(network, crops, flip=False).numpy()
    swapped = predict(network, torch.from_numpy(crops.numpy()[..., ::-1].copy()), flip=False)
    mirrored = swapped.numpy().copy()
    mirrored[:, :, 0] = 32 - mirrored[:, :, 0] - 1
    for right, left in FLIP_PAIRS:
        mirrored[:, [right, left]] = mirrored[:, [left, right]]
    obtained = predict(network, crops, flip=True).numpy()
    np.testing.assert_allclose(obtained, (plain + mirrored) / 2, atol=1e-5)
    assert np.abs(obtained - plain).max() > 0.05


def test_flip_test_answers_a_mirrored_crop_with_the_mirrored_pose(
    network: ConvNeXtPose, crops: Tensor
) -> None:
    plain = predict(network, crops, flip=True).numpy()
    mirrored = predict(network, crops.flip(3), flip=True).numpy()
    np.testing.assert_allclose(mirrored[:, 10, 0], 31 - plain[:, 10, 0], atol=1e-4)
    np.testing.assert_allclose(mirrored[:, 1, 1:], plain[:, 4, 1:], atol=1e-4)


def test_unreadable_image_is_left_out_counted_and_named(
    tiny: Architecture, root: Path, dataset: Dataset
) -> None:
    broken = dataset.samples[3]
    given = answers(dataset, tiny.grid_whd)
    broken.path.write_bytes(b"<!DOCTYPE html>")
    dataset = load_dataset(root, FACTS)
    assert dataset.is_complete()
    evaluation = run(Answering(tiny, as_asked(given, without=3)), dataset)
    assert evaluation.errors_mm.shape == (5, 17)
    assert broken.image_id not in evaluation.image_ids
    assert evaluation.error_mm == pytest.approx((10 + 20 + 30 + 50 + 60) / 5, abs=0.01)
    assert evaluation.per_action_mm() == pytest.approx(
        {"Directions": 15.0, "Discussion": 30.0, "WalkTogether": 55.0}, abs=0.01
    )
    expected = np.delete(given, 3, axis=0).astype(np.float32)
    np.testing.assert_array_equal(evaluation.cells_xyz, expected)
    assert [e.file_name for e in evaluation.unreadable] == [broken.path.name]
    assert not evaluation.complete
    with pytest.raises(CheckFailedError) as caught:
        check_evaluation_is_complete(evaluation, dataset)
    assert "5 samples were measured: expected 6" in str(caught.value)
    assert f"1 images cannot be used ({broken.path.name}: " in str(caught.value)


def test_limited_set_is_never_completely_evaluated(network: ConvNeXtPose, root: Path) -> None:
    dataset = load_dataset(root, FACTS, limit=5)
    evaluation = run(network, dataset)
    with pytest.raises(CheckFailedError, match="5 samples were measured: expected 6"):
        check_evaluation_is_complete(evaluation, dataset)


def test_action_without_samples_has_no_error(network: ConvNeXtPose, root: Path) -> None:
    evaluation = run(network, load_dataset(root, FACTS, limit=1))
    assert list(evaluation.per_action_mm()) == ["Directions"]


def test_set_without_a_readable_image_is_refused(network: ConvNeXtPose, dataset: Dataset) -> None:
    for sample in dataset.samples:
        sample.path.write_bytes(b"")
    with pytest.raises(ConvNeXtPoseCheckError, match=r"none of the 6 images.*is no JPEG") as caught:
        run(network, dataset)
    assert caught.value.code == "no-data"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_answer_that_is_not_finite_is_refused(
    tiny: Architecture, dataset: Dataset, value: float
) -> None:
    given = answers(dataset, tiny.grid_whd)
    given[4, 17, 2] = value
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        run(Answering(tiny, as_asked(given)), dataset)
    assert caught.value.code == "not-finite"
    assert dataset.samples[4].path.name in str(caught.value)


@pytest.fixture
def one_by_one(network: ConvNeXtPose, dataset: Dataset) -> Evaluation:
    return run(network, dataset, flip=True, batch_size=1, workers=1)


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 4), (4, 1), (5, 2), (64, 3)])
def test_batch_size_and_workers_do_not_matter(
    network: ConvNeXtPose,
    dataset: Dataset,
    one_by_one: Evaluation,
    batch_size: int,
    workers: int,
) -> None:
    evaluation = run(network, dataset, flip=True, batch_size=batch_size, workers=workers)
    np.testing.assert_allclose(evaluation.errors_mm, one_by_one.errors_mm, atol=1e-3)
    assert evaluation.images_sha256 == one_by_one.images_sha256
    assert evaluation.image_ids == one_by_one.image_ids


def test_flip_changes_the_error(
    network: ConvNeXtPose, dataset: Dataset, one_by_one: Evaluation
) -> None:
    assert abs(run(network, dataset, flip=False).error_mm - one_by_one.error_mm) > 0.1


@pytest.mark.parametrize("batch_size", [1, 4, 6, 9])
def test_progress_adds_up_to_all_samples(
    network: ConvNeXtPose, dataset: Dataset, batch_size: int
) -> None:
    dataset.samples[2].path.write_bytes(b"")
    counts: list[int] = []
    measured = {"A": Measurements.empty(6, batch_size)}
    conditions = Conditions(torch.device("cpu"), False, batch_size, workers=2)
    batches = remaining_batches(measured.values(), batch_size)
    run_pass(
        {"A": Entry(network)}, measured, dataset, conditions, batches, on_progress=counts.append
    )
    assert sum(counts) == 6
    assert max(counts) <= batch_size


def test_images_are_hashed_in_order(network: ConvNeXtPose, dataset: Dataset) -> None:
    before = run(network, dataset).images_sha256
    backwards = replace(dataset, samples=dataset.samples[::-1])
    assert run(network, backwards).images_sha256 != before
    path = dataset.samples[0].path
    path.write_bytes(path.read_bytes() + b"\n")
    assert run(network, dataset).images_sha256 != before
