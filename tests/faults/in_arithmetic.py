"""Faults of the arithmetic: from the network's predictions to the mean in millimeters."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from convnextpose_check.evaluation import measurements, metrics, predict
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.human36m import geometry
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import JOINTS, MIRRORED
from convnextpose_check.network import Network
from tests.faults.fault import fault
from tests.faults.scene import Scene


@fault("left and right not swapped", "flip test", "check_error_is_within")
def pairs_not_swapped(scene: Scene) -> None:
    scene.patch.setattr(predict, "MIRRORED", tuple(range(len(JOINTS))))


@fault("x becomes W - x, without - 1", "flip test", "check_flip_is_symmetric")
def columns_not_counted_from_0(scene: Scene) -> None:
    original = predict.predict

    def shifted(network: Network, crops: Tensor, *, flip: bool) -> Tensor:
        # The mirrored pass is one cell too far right, the mean of both passes half a cell.
        missing = crops.new_tensor((0.5 if flip else 0.0, 0.0, 0.0))
        return original(network, crops, flip=flip) + missing

    scene.patch.setattr(predict, "predict", shifted)


@fault("flip test left out", "flip test", "check_error_is_within")
def flip_left_out(scene: Scene) -> None:
    original = predict.predict

    def plain(network: Network, crops: Tensor, *, flip: bool) -> Tensor:
        del flip
        return original(network, crops, flip=False)

    scene.patch.setattr(predict, "predict", plain)


@fault("shift of half a cell", "geometry", "check_error_is_within")
def half_a_cell(scene: Scene) -> None:
    cells_to_camera = geometry.cells_to_camera

    def shifted(cells_xyz: Array, *given: Any) -> Array:
        return cells_to_camera(cells_xyz + np.float32(0.5), *given)

    scene.patch.setattr(metrics, "cells_to_camera", shifted)


@fault("depth of 1.1 m before and behind the root", "geometry", "check_error_is_within")
def deeper(scene: Scene) -> None:
    scene.patch.setattr(geometry, "HALF_DEPTH_MM", 1100.0)


@fault("roots not subtracted", "metrics", "check_error_is_within")
def roots_not_subtracted(scene: Scene) -> None:
    def as_they_are(cells_xyz: Array, sample: Any, grid_whd: Any, _: int) -> tuple[Array, Array]:
        predicted_mm = geometry.cells_to_camera(
            cells_xyz, grid_whd, sample.box_xywh_px, sample.root_depth_mm, sample.camera
        )
        return predicted_mm[:17], sample.joints_cam_mm[:17]

    scene.patch.setattr(metrics, "compared_poses_mm", as_they_are)


@fault("thorax not dropped", "metrics", "check_error_is_within")
def thorax_not_dropped(scene: Scene) -> None:
    for module in (metrics, measurements):
        scene.patch.setattr(module, "ANNOTATED_JOINTS", len(JOINTS))


@fault("aligned with scale", "metrics", "check_error_is_within", variant_name="XS", protocol=1)
def aligned_with_scale(scene: Scene) -> None:
    scene.patch.setattr(metrics, "align_poses", partial(metrics.align_poses, scales=True))


@fault("aligned under protocol 2", "metrics", "check_error_is_within")
def aligned_under_protocol_2(scene: Scene) -> None:
    compared_poses_mm = metrics.compared_poses_mm

    def aligned(cells_xyz: Array, sample: Any, grid_whd: Any, _: int) -> tuple[Array, Array]:
        return compared_poses_mm(cells_xyz, sample, grid_whd, 1)

    scene.patch.setattr(metrics, "compared_poses_mm", aligned)


@fault("joints compared with their mirror images", "metrics", "check_error_is_within")
def joints_mirrored(scene: Scene) -> None:
    joint_errors_mm = metrics.joint_errors_mm
    scene.patch.setattr(
        "convnextpose_check.evaluation.metrics.joint_errors_mm",
        lambda cells, *given: joint_errors_mm(cells[list(MIRRORED)], *given),
    )


@fault("the root joint left out", "mean", "check_error_is_within")
def root_left_out(scene: Scene) -> None:
    _set_mean(scene, lambda e: np.mean(e.errors_mm[:, 1:]))


@fault("mean of actions, not of samples", "mean", "check_error_is_within", variant_name="XS")
def mean_of_actions(scene: Scene) -> None:
    _set_mean(scene, lambda e: np.mean(list(e.per_action_mm().values())))


@fault("summed in half precision", "mean", "check_error_is_within")
def summed_in_half(scene: Scene) -> None:
    def in_half(e: Evaluation) -> Any:
        # Add one value after another: np.sum would add pairwise, with less rounding.
        with np.errstate(over="ignore"):
            return np.cumsum(e.errors_mm, dtype=np.float16)[-1] / e.errors_mm.size

    _set_mean(scene, in_half)


@fault("root of the mean square", "mean", "check_error_is_within")
def root_mean_square(scene: Scene) -> None:
    _set_mean(scene, lambda e: np.sqrt(np.mean(e.errors_mm**2)))


@fault("median instead of mean", "mean", "check_error_is_within")
def median(scene: Scene) -> None:
    _set_mean(scene, lambda e: np.median(e.errors_mm))


def _set_mean(scene: Scene, mean: Any) -> None:
    scene.patch.setattr(Evaluation, "error_mm", property(lambda e: float(mean(e))))
