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
from tests.faults import change
from tests.faults.fault import Fault
from tests.faults.scene import Scene


def count_columns_from_one(original: Any, network: Network, crops: Tensor, *, flip: bool) -> Any:
    # The mirrored pass is one cell too far right, the mean of both passes half a cell.
    missing = crops.new_tensor((0.5 if flip else 0.0, 0.0, 0.0))
    return original(network, crops, flip=flip) + missing


def compare_unaligned_roots(
    cells_xyz: Array, sample: Any, grid_whd: Any, _protocol: int
) -> tuple[Array, Array]:
    predicted_mm = geometry.cells_to_camera(
        cells_xyz, grid_whd, sample.box_xywh_px, sample.root_depth_mm, sample.camera
    )
    return predicted_mm[:17], sample.joints_cam_mm[:17]


def keep_thorax(scene: Scene) -> None:
    for module in (metrics, measurements):
        scene.patch.setattr(module, "ANNOTATED_JOINTS", len(JOINTS))


def sum_in_half_precision(e: Evaluation) -> Any:
    # Add one value after another: np.sum would add pairwise, with less rounding.
    with np.errstate(over="ignore"):
        return np.cumsum(e.errors_mm, dtype=np.float16)[-1] / e.errors_mm.size


FAULTS = [
    Fault("left and right not swapped", "flip test",
          change.attribute(predict, "MIRRORED", tuple(range(len(JOINTS)))),
          words="mirrored pass are not exchanged"),
    Fault("x becomes W - x, without - 1", "flip test",
          change.function("predict", count_columns_from_one, predict), "check_flip_is_symmetric",
          words="x is shifted"),
    Fault("flip test left out", "flip test",
          change.function("predict", lambda original, *given, **_:
                          original(*given, flip=False), predict),
          words="only the plain pass"),
    Fault("shift of half a cell", "geometry",
          change.function("cells_to_camera", lambda original, cells_xyz, *given:
                          original(cells_xyz + np.float32(0.5), *given), metrics),
          words="shifted by 0.5 cells"),
    Fault("depth of 1.1 m before and behind the root", "geometry",
          change.attribute(geometry, "HALF_DEPTH_MM", 1100.0),
          words="depths are multiplied by 1.1"),
    Fault("roots not subtracted", "metrics",
          change.attribute(metrics, "compared_poses_mm", compare_unaligned_roots),
          words="roots are not subtracted"),
    Fault("thorax not dropped", "metrics", keep_thorax, words="Thorax"),
    Fault("aligned with scale", "metrics",
          change.attribute(metrics, "align_poses", partial(metrics.align_poses, scales=True)),
          setting={"variant_name": "XS", "protocol": 1}),
    Fault("aligned under protocol 2", "metrics",
          change.function("compared_poses_mm", lambda original, *given:
                          original(*given[:3], 1), metrics),
          words="aligned rigidly"),
    Fault("joints compared with their mirror images", "metrics",
          change.function("joint_errors_mm", lambda original, cells_xyz, *given:
                          original(cells_xyz[list(MIRRORED)], *given), metrics),
          words="left and right joints are exchanged"),
    Fault("the root joint left out", "mean", change.mean(lambda e: np.mean(e.errors_mm[:, 1:])),
          words="without Pelvis"),
    Fault("mean of actions, not of samples", "mean",
          change.mean(lambda e: np.mean(list(e.per_action_mm().values()))),
          setting={"variant_name": "XS"}),
    Fault("summed in half precision", "mean", change.mean(sum_in_half_precision)),
    Fault("root of the mean square", "mean",
          change.mean(lambda e: np.sqrt(np.mean(e.errors_mm**2))), words="root of the mean square"),
    Fault("median instead of mean", "mean", change.mean(lambda e: np.median(e.errors_mm)),
          words="median of all errors"),
]  # fmt: skip
