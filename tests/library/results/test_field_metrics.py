"""The metrics of the field equal those of public implementations; averages and edge cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convnextpose_check.evaluation.metrics import root_relative_poses_mm, sample_errors_mm
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import load_dataset
from convnextpose_check.results.field_metrics import (
    FIELD_METRICS,
    average_metrics,
    compute_field_metrics,
    measure_joints,
)
from convnextpose_check.synthetic.build import SyntheticData
from convnextpose_check.synthetic.record import read_record
from convnextpose_check.variants import Protocol
from tests.support.runs import make_evaluation
from tests.support.sample_tables import GRID_WHD, make_predictions

RECORDED: dict[str, Any] = json.loads(
    Path(__file__).with_name("field_metrics.json").read_text(encoding="utf-8")
)


def make_poses() -> tuple[Array, Array, tuple[str, ...]]:
    """Random predictions and poses (240, 18, 3) in mm, with errors of 1 to 400 mm, and actions.

    Some fit their pose best when mirrored, which no metric may do.
    """
    rng = np.random.default_rng(29)
    truth_mm = (rng.random((240, 18, 3)) - 0.5) * 1200
    noise_mm = (rng.random((240, 18, 3)) - 0.5) * np.linspace(2, 800, 240)[:, None, None]
    sizes = 0.8 + 0.4 * rng.random((240, 1, 1))
    predicted_mm = truth_mm * sizes + noise_mm
    predicted_mm[::7, :, 0] *= -1
    actions = [("Eating", "Directions", "Eating", "Walking")[n % 4] for n in range(240)]
    return predicted_mm - predicted_mm[:, :1], truth_mm - truth_mm[:, :1], tuple(actions)


def test_metrics_random_poses_equal_public_implementations() -> None:
    predicted_mm, truth_mm, actions = make_poses()

    averages = average_metrics(measure_joints(predicted_mm, truth_mm), actions)

    assert averages.keys() == FIELD_METRICS.keys() == RECORDED["values"].keys()
    for name, recorded in RECORDED["values"].items():
        assert averages[name].mean == pytest.approx(recorded["mean"], rel=1e-6)
        assert averages[name].per_action == pytest.approx(recorded["per_action"], rel=1e-6)
        assert list(averages[name].per_action) == ["Directions", "Eating", "Walking"]
        actions_mean = np.mean(list(recorded["per_action"].values()))
        assert averages[name].mean_over_actions == pytest.approx(actions_mean, rel=1e-6)
    for name, mean_mm in RECORDED["video_pose_3d"].items():
        assert averages[name].mean == pytest.approx(mean_mm, rel=1e-6)


def test_measure_joints_predicted_point_is_finite() -> None:
    """A network without output predicts the same position for all joints."""
    _, truth_mm, _ = make_poses()

    values = measure_joints(np.zeros_like(truth_mm), truth_mm)

    np.testing.assert_allclose(values["n_mpjpe"], np.linalg.norm(truth_mm[:, :17], axis=2))
    assert all(np.isfinite(each).all() for each in values.values())


@pytest.mark.parametrize(("protocol", "key"), [(1, "rigid_pa_mpjpe"), (2, "mpjpe")])
def test_compute_field_metrics_agrees_with_evaluation(
    synthetic: SyntheticData, fixtures: Path, protocol: Protocol, key: str
) -> None:
    dataset = load_dataset(synthetic.dataset, read_record(fixtures).dataset, protocol, "gt", 9)
    cells_xyz = make_predictions(dataset)[:7]
    cells_xyz[::2, :, 0] = GRID_WHD[0] - cells_xyz[::2, :, 0]  # mirrored
    samples = dataset.samples[:7]
    evaluation = make_evaluation(
        protocol=protocol,
        errors_mm=sample_errors_mm(cells_xyz, samples, GRID_WHD, protocol),
        cells_xyz=cells_xyz,
        file_names=tuple(sample.path.name for sample in samples),
        actions=tuple(sample.action for sample in samples),
    )

    metrics = compute_field_metrics(evaluation, dataset, GRID_WHD)

    assert metrics[key].mean == evaluation.error_mm
    assert metrics[key].per_action == evaluation.per_action_mm()
    predicted_mm, truth_mm = np.swapaxes(
        [
            root_relative_poses_mm(cells, sample, GRID_WHD)
            for cells, sample in zip(cells_xyz, samples, strict=True)
        ],
        0,
        1,
    )
    measured_mm = measure_joints(predicted_mm, truth_mm)[key]
    np.testing.assert_allclose(measured_mm, evaluation.errors_mm, atol=1e-2)
