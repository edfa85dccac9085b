"""Metrics that papers report beside MPJPE, for information: no verdict depends on them."""

from collections.abc import Mapping, Sequence

import numpy as np

from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.metrics import align_poses, root_relative_poses_mm
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.human36m.skeleton import ACTIONS, ANNOTATED_JOINTS
from convnextpose_check.results.schema import FieldMetric, FieldMetricValues

THRESHOLDS_MM = np.linspace(0, 150, 31)
"""Thresholds of AUC; PCK uses the last one."""

FIELD_METRICS = {
    "mpjpe": FieldMetric(
        "MPJPE", "mm", "Mean distance between predicted and true joints, both relative to the"
        " pelvis. All rows count 17 joints: the pelvis, with error 0, but not the thorax.",
    ),
    "pa_mpjpe": FieldMetric(
        "PA-MPJPE", "mm", "MPJPE after the 17 joints of each pose are rotated, moved and scaled"
        " onto the ground truth (Procrustes). Most papers mean this by PA-MPJPE.",
    ),
    "rigid_pa_mpjpe": FieldMetric(
        "PA-MPJPE, rigid", "mm", "MPJPE after each pose, with the thorax as an 18th joint, is"
        " rotated and moved onto the ground truth, but not scaled. The authors of ConvNeXtPose use"
        " it for protocol 1.",
    ),
    "n_mpjpe": FieldMetric(
        "N-MPJPE", "mm", "MPJPE after each pose is scaled about the pelvis by the factor that fits"
        " the ground truth best (least squares).",
    ),
    "pck_150mm": FieldMetric(
        "PCK@150 mm", "%", "Share of the joints whose distance, as for MPJPE, is below 150 mm.",
    ),
    "auc": FieldMetric(
        "AUC", "%", "Mean of PCK at 31 thresholds, evenly spaced from 0 to 150 mm.",
    ),
}  # fmt: skip
"""Definitions by key of ``measure_joints``; lengths in mm, shares in percent."""


def compute_field_metrics(
    evaluation: Evaluation, dataset: Dataset, grid_whd: tuple[int, int, int]
) -> dict[str, FieldMetricValues]:
    """Compute each metric from the positions of an evaluation.

    The run's own metric is taken from the evaluation's errors, so that both are equal.
    """
    samples = {sample.path.name: sample for sample in dataset.samples}
    pairs_mm = [
        root_relative_poses_mm(cells_xyz, samples[name], grid_whd)
        for cells_xyz, name in zip(
            evaluation.cells_xyz.astype(np.float64), evaluation.file_names, strict=True
        )
    ]
    predicted_mm, truth_mm = np.array(pairs_mm, dtype=np.float64).swapaxes(0, 1)
    measured = {1: "rigid_pa_mpjpe", 2: "mpjpe"}[evaluation.protocol]
    joints = measure_joints(predicted_mm, truth_mm) | {measured: evaluation.errors_mm}
    return average_metrics(joints, evaluation.actions)


def measure_joints(predicted_mm: Array, truth_mm: Array) -> dict[str, Array]:
    """Values (N, 17) by metric, of poses (N, 18, 3) relative to the root.

    The mean of a metric's values is the metric.
    """
    predicted, truth = predicted_mm[:, :ANNOTATED_JOINTS], truth_mm[:, :ANNOTATED_JOINTS]
    products_mm2 = (predicted * truth).sum(axis=(1, 2))
    squares_mm2 = np.maximum((predicted**2).sum(axis=(1, 2)), 1e-9)  # a network may predict a point
    compared = {
        "mpjpe": predicted,
        "pa_mpjpe": align_poses(predicted, truth, scales=True),
        "rigid_pa_mpjpe": align_poses(predicted_mm, truth_mm)[:, :ANNOTATED_JOINTS],
        "n_mpjpe": predicted * (products_mm2 / squares_mm2)[:, None, None],
    }
    values = {name: np.linalg.norm(pose - truth, axis=2) for name, pose in compared.items()}
    is_below = values["mpjpe"][..., None] < THRESHOLDS_MM
    return values | {"pck_150mm": 100.0 * is_below[..., -1], "auc": 100 * is_below.mean(axis=2)}


def average_metrics(
    joints: Mapping[str, Array], actions: Sequence[str]
) -> dict[str, FieldMetricValues]:
    """Average values (N, 17) of each metric over the samples, each action, and the actions."""
    masks = {a: np.array(actions) == a for a in ACTIONS.values() if a in actions}
    averages = {}
    for name, values in joints.items():
        per_action = {action: float(values[mask].mean()) for action, mask in masks.items()}
        mean_over_actions = float(np.mean(list(per_action.values())))
        averages[name] = FieldMetricValues(float(values.mean()), mean_over_actions, per_action)
    return averages
