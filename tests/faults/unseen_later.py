"""More faults to test the diagnosis, written after its rules without reading them.

They were drawn from how people prepare data, fork, export and evaluate. Their first score, with the
rules as they were, is recorded in ``calibration.json``.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from convnextpose_check.evaluation import metrics, one_pass, predict
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.human36m.annotations import SubjectFiles
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ROOT
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.synthetic.reference import synthetic_catalogue
from tests.faults import change
from tests.faults.change import Entry
from tests.faults.unseen import UnseenFault


def store_small(image: Array) -> Array:
    small = cv2.resize(image, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, image.shape[1::-1]))


def equalize(image: Array) -> Array:
    luma = cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb)
    luma[:, :, 0] = cv2.equalizeHist(luma[:, :, 0])
    return np.asarray(cv2.cvtColor(luma, cv2.COLOR_YCrCb2BGR))


def pad(image: Array) -> Array:
    padded, small = np.zeros_like(image), cv2.resize(image, None, fx=0.95, fy=0.95)
    padded[: len(small), : small.shape[1]] = small
    return padded


def roll_camera_2(cameras: dict[str, Entry]) -> dict[str, Entry]:
    cos, sin = np.cos(np.radians(5)), np.sin(np.radians(5))
    roll = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    turned = {name: (roll @ cameras["2"][name]).tolist() for name in ("R", "t")}
    return cameras | {"2": cameras["2"] | turned}


def raise_pelvis(joints: Array) -> Array:
    joints[:, 0, 2] += 30
    return joints


def turn_walking(original: Any, files: SubjectFiles, image: Any) -> Array | None:
    joints: Array | None = original(files, image)
    if joints is None or (files.subject, image.action_idx) != (9, 14):
        return joints
    x, y, z = (joints - joints[0]).T
    return np.asarray(np.stack([-y, x, z], axis=1) + joints[0])


def mirror_depths(original: Any, network: Any, batch: Tensor) -> tuple[Tensor, Tensor]:
    cells_xyz, other = original(network, batch)
    other[:, :, 2] = network.architecture.depth_bins - 1 - other[:, :, 2]
    return cells_xyz, other


def enlarge_crop(crop: Array) -> Array:
    small = cv2.resize(crop, (48, 48), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (256, 256), interpolation=cv2.INTER_NEAREST))


def build_rounded(variant: str) -> ConvNeXtPose:
    """Factory for ``--network``: the output of each stage has 7 steps."""

    def rounded(_module: object, _input: object, output: Tensor) -> Tensor:
        step = output.abs().max() / 7
        return (output / step).round() * step

    network = ConvNeXtPose(synthetic_catalogue()[variant].architecture)
    for stage in network.backbone.stages:
        stage.register_forward_hook(rounded)
    return network


def prune(state: dict[str, Any]) -> None:
    for name, tensor in state.items():
        if tensor.dim() == 4:
            smallest = tensor.abs().float().flatten().quantile(0.2)
            state[name] = torch.where(tensor.abs() < smallest, 0, tensor)


def average_without_outliers(e: Evaluation) -> Any:
    samples_mm = e.errors_mm.mean(axis=1)
    return samples_mm[samples_mm < 40].mean()


def average_medians(e: Evaluation) -> Any:
    actions = np.array(e.actions)
    return np.mean([np.median(e.errors_mm[actions == action]) for action in {*e.actions}])


def use_depth_of_neck(
    original: Any, cells_xyz: Array, sample: Any, *given: Any
) -> tuple[Array, Array]:
    predicted, truth = original(cells_xyz, sample, *given)
    if sample.path.name.split("_ca_")[1].startswith("04"):
        predicted = predicted - (predicted[8] - predicted[ROOT]) * (0, 0, 1)
    return predicted, truth


LIMBS = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]

LATER = [
    # A notebook: images as they were extracted, converted and uploaded.
    UnseenFault("images stored at an eighth of the size", "images", "sharp|blur|resolution|detail",
                change.images(store_small)),
    UnseenFault("S11's images in the range of video, and underexposed", "images",
                "contrast|bright|range|dark",
                change.images(lambda image: (16 + image * (60 / 255)).astype(np.uint8), "s_11_*"),
                {"subject": "11"}),
    UnseenFault("S9's images at a JPEG quality of 6", "images", "JPEG|quality|compress",
                change.images(lambda image: image, "s_09_*", quality=6), {"subject": "9"}),
    UnseenFault("images sharpened", "images", "sharp|contrast",
                change.images(lambda image: np.asarray(
                    cv2.addWeighted(image, 2.5, cv2.GaussianBlur(image, (0, 0), 2), -1.5, 0)))),
    UnseenFault("camera 3's images with hues exchanged", "images", "color|channel|hue",
                change.images(lambda image: image[:, :, [1, 2, 0]].copy(), "*_ca_03"),
                {"camera": "3"}),
    UnseenFault("histograms of the images equalized", "images", "contrast|bright|histogram|range",
                change.images(equalize)),
    UnseenFault("images shrunk by a twentieth and padded", "images",
                "smaller|shrunk|scale|pixel|size|moved", change.images(pad)),
    UnseenFault("Phoning's images black", "images", "black|dark|empty|bright",
                change.images(np.zeros_like, "s_*_act_06_*"), {"action": "Phoning"}),
    # Another data set: its annotations, boxes and depths.
    UnseenFault("S9's focal lengths multiplied by 1.07", "annotations", "focal|across|scale",
                change.cameras(lambda camera: {"f": [1.07 * px for px in camera["f"]]}, 9),
                {"subject": "9"}),
    UnseenFault("camera 2 rolled by five degrees", "annotations", "turned|rotat|angle|roll",
                change.annotation_files("camera", roll_camera_2), {"camera": "2"}),
    UnseenFault("S11's joints retargeted to 93 % of the size", "annotations", "smaller|size",
                change.joints(lambda joints: joints[:, :1] + 0.93 * (joints - joints[:, :1]), 11),
                {"subject": "11"}),
    UnseenFault("S9's legs exchanged", "annotations", "left|right|R_Knee|exchanged",
                change.joints(lambda joints: joints[:, [0, 4, 5, 6, 1, 2, 3, *range(7, 17)]], 9),
                {"subject": "9"}),
    UnseenFault("S11's pelvis 30 mm higher", "annotations", "Pelvis|root",
                change.joints(raise_pelvis, 11), {"subject": "11"}),
    UnseenFault("S9's Walking turned by a quarter about the vertical", "metric",
                "turned|rotat|angle",
                change.function("joints_world_mm", turn_walking, SubjectFiles),
                {"subject": "9", "action": "Walking"}),
    UnseenFault("S11's boxes given by two corners", "boxes", "box|larger|size",
                change.boxes(lambda x, y, w, h: [x, y, x + w, y + h], 11), {"subject": "11"}),
    UnseenFault("RootNet's depths of another focal length", "depths", "depth",
                change.rootnet(lambda entry: {"root_cam": [
                    *entry["root_cam"][:2], 1.1 * entry["root_cam"][2]]}), boxes="rootnet"),
    # A fork: its own code between image and position.
    UnseenFault("positions stored as whole cells", "prediction", "round|whole|truncat|cell",
                change.positions(Tensor.floor)),
    UnseenFault("depths mirrored in the mirrored pass", "prediction", "depth",
                change.function("predict_passes", mirror_depths, predict)),
    UnseenFault("crops of 48 pixels enlarged to 256", "prediction",
                "resolution|blur|sharp|enlarged|size", change.crops(enlarge_crop)),
    UnseenFault("pixels not divided by their std", "prediction", "std|divided|scale|pixels",
                change.attribute(one_pass, "to_input", lambda pixels: pixels.float() - 0.45)),
    # Another export: other weights, other arithmetic.
    UnseenFault("temperature of the softmax doubled", "prediction", "temperature|softmax|heatmap",
                change.network_function("soft_argmax", lambda original, heatmaps, *given:
                                 original(heatmaps / 2, *given))),
    UnseenFault("own export with outputs rounded to 3 bits", "weights", "model of --network",
                change.network(f"{__name__}:build_rounded")),
    UnseenFault("a fifth of the weights pruned", "weights", "weights|tensors",
                change.weights(prune)),
    UnseenFault("variances of BatchNorm estimated again", "weights", "weights|tensors",
                change.weights(lambda state: state.update(
                    {name: 1.4 * state[name] for name in state if name.endswith("running_var")}))),
    # Another evaluation script.
    UnseenFault("result in centimeters", "metric", "centimet|unit|0\\.1|tenth|10",
                change.mean(lambda e: np.mean(e.errors_mm) / 10)),
    UnseenFault("samples above 40 mm dropped as outliers", "metric",
                "without|outlier|trim|largest|drop", change.mean(average_without_outliers)),
    UnseenFault("errors of the limbs' twelve joints", "metric", "joint|without",
                change.mean(lambda e: np.mean(e.errors_mm[:, LIMBS]))),
    UnseenFault("mean of the medians of actions", "metric", "median|action",
                change.mean(average_medians)),
    UnseenFault("errors in the image plane only", "metric", "depth|plane",
                change.poses(lambda predicted, truth: (predicted * (1, 1, 0), truth * (1, 1, 0)))),
    UnseenFault("absolute differences of coordinates added", "metric", "absolute|sum|L1|coordinate",
                change.distances(lambda xyz_mm: np.abs(xyz_mm).sum(axis=1))),
    UnseenFault("depths of camera 4's poses relative to the neck", "metric", "root|Neck",
                change.function("compared_poses_mm", use_depth_of_neck, metrics), {"camera": "4"}),
]  # fmt: skip
