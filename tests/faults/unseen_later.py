"""More faults to test the diagnosis, written after its rules without reading them.

They were drawn from how people prepare data, fork, export and evaluate. Their first score, with the
rules as they were, is recorded in ``calibration.json``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from convnextpose_check.evaluation import metrics, one_pass, predict
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.human36m import crops
from convnextpose_check.human36m.annotations import SubjectFiles
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import ROOT
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.synthetic.reference import synthetic_catalogue
from tests.faults.scene import Scene
from tests.faults.unseen import (
    UnseenFault,
    change_images,
    change_joints,
    change_poses,
    change_positions,
    unseen,
)

LATER: list[UnseenFault] = []
later = partial(unseen, faults=LATER)

# A notebook: images as they were extracted, converted and uploaded.


@later("images stored at an eighth of the size", "images", "sharp|blur|resolution|detail")
def images_stored_small(scene: Scene) -> None:
    def resize(image: Array) -> Array:
        import cv2

        small = cv2.resize(image, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, image.shape[1::-1]))

    change_images(scene, "*", resize)


@later(
    "S11's images in the range of video, and underexposed",
    "images",
    "contrast|bright|range|dark",
    subject="11",
)
def images_in_video_range(scene: Scene) -> None:
    change_images(scene, "s_11_*", lambda image: (16 + image * (60 / 255)).astype(np.uint8))


@later("S9's images at a JPEG quality of 6", "images", "JPEG|quality|compress", subject="9")
def images_compressed(scene: Scene) -> None:
    change_images(scene, "s_09_*", lambda image: image, quality=6)


@later("images sharpened", "images", "sharp|contrast")
def images_sharpened(scene: Scene) -> None:
    def sharpen(image: Array) -> Array:
        import cv2

        return np.asarray(cv2.addWeighted(image, 2.5, cv2.GaussianBlur(image, (0, 0), 2), -1.5, 0))

    change_images(scene, "*", sharpen)


@later("camera 3's images with hues exchanged", "images", "color|channel|hue", camera="3")
def hues_exchanged(scene: Scene) -> None:
    change_images(scene, "*_ca_03", lambda image: image[:, :, [1, 2, 0]].copy())


@later("histograms of the images equalized", "images", "contrast|bright|histogram|range")
def histograms_equalized(scene: Scene) -> None:
    def equalize(image: Array) -> Array:
        import cv2

        luma = cv2.cvtColor(image, cv2.COLOR_BGR2YCrCb)
        luma[:, :, 0] = cv2.equalizeHist(luma[:, :, 0])
        return np.asarray(cv2.cvtColor(luma, cv2.COLOR_YCrCb2BGR))

    change_images(scene, "*", equalize)


@later("images shrunk by a twentieth and padded", "images", "smaller|shrunk|scale|pixel|size|moved")
def images_padded(scene: Scene) -> None:
    def pad(image: Array) -> Array:
        import cv2

        padded, small = np.zeros_like(image), cv2.resize(image, None, fx=0.95, fy=0.95)
        padded[: len(small), : small.shape[1]] = small
        return padded

    change_images(scene, "*", pad)


@later("Phoning's images black", "images", "black|dark|empty|bright", action="Phoning")
def images_black(scene: Scene) -> None:
    change_images(scene, "s_*_act_06_*", np.zeros_like)


# Another data set: its annotations, boxes and depths.


@later("S9's focal lengths multiplied by 1.07", "annotations", "focal|across|scale", subject="9")
def focal_lengths_of_another_size(scene: Scene) -> None:
    def multiply(cameras: Any) -> Any:
        for camera in cameras.values():
            camera["f"] = [1.07 * value for value in camera["f"]]
        return cameras

    scene.set_json("annotations/Human36M_subject9_camera.json", multiply)


@later("camera 2 rolled by five degrees", "annotations", "turned|rotat|angle|roll", camera="2")
def camera_rolled(scene: Scene) -> None:
    cos, sin = np.cos(np.radians(5)), np.sin(np.radians(5))
    roll = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])

    def turn(cameras: Any) -> Any:
        for name in ("R", "t"):
            cameras["2"][name] = (roll @ cameras["2"][name]).tolist()
        return cameras

    for subject in (9, 11):
        scene.set_json(f"annotations/Human36M_subject{subject}_camera.json", turn)


@later("S11's joints retargeted to 93 % of the size", "annotations", "smaller|size", subject="11")
def joints_retargeted(scene: Scene) -> None:
    change_joints(scene, 11, lambda joints: joints[:, :1] + 0.93 * (joints - joints[:, :1]))


@later("S9's legs exchanged", "annotations", "left|right|R_Knee|exchanged", subject="9")
def legs_exchanged(scene: Scene) -> None:
    change_joints(scene, 9, lambda joints: joints[:, [0, 4, 5, 6, 1, 2, 3, *range(7, 17)]])


@later("S11's pelvis 30 mm higher", "annotations", "Pelvis|root", subject="11")
def pelvis_higher(scene: Scene) -> None:
    def raised(joints: Array) -> Array:
        joints[:, 0, 2] += 30
        return joints

    change_joints(scene, 11, raised)


@later(
    "S9's Walking turned by a quarter about the vertical",
    "metric",
    "turned|rotat|angle",
    subject="9",
    action="Walking",
)
def walking_turned(scene: Scene) -> None:
    joints_world_mm = SubjectFiles.joints_world_mm

    def turned(self: SubjectFiles, image: Any) -> Array | None:
        joints = joints_world_mm(self, image)
        if joints is None or (self.subject, image.action_idx) != (9, 14):
            return joints
        x, y, z = (joints - joints[0]).T
        return np.asarray(np.stack([-y, x, z], axis=1) + joints[0])

    scene.patch.setattr(SubjectFiles, "joints_world_mm", turned)


@later("S11's boxes given by two corners", "boxes", "box|larger|size", subject="11")
def boxes_by_corners(scene: Scene) -> None:
    def convert(data: Any) -> Any:
        for annotation in data["annotations"]:
            x, y, w, h = annotation["bbox"]
            annotation["bbox"] = [x, y, x + w, y + h]
        return data

    scene.set_json("annotations/Human36M_subject11_data.json", convert)


@later("RootNet's depths of another focal length", "depths", "depth", boxes="rootnet")
def depths_of_another_focal_length(scene: Scene) -> None:
    def multiply(entries: Any) -> Any:
        for entry in entries:
            entry["root_cam"][2] *= 1.1
        return entries

    scene.set_json("bbox_root/bbox_root_human36m_output.json", multiply)


# A fork: its own code between image and position.


@later("positions stored as whole cells", "prediction", "round|whole|truncat|cell")
def positions_stored_as_integers(scene: Scene) -> None:
    change_positions(scene, lambda cells_xyz: cells_xyz.floor())


@later("depths mirrored in the mirrored pass", "prediction", "depth")
def depths_mirrored(scene: Scene) -> None:
    original = predict.predict_passes

    def mirrored(network: Any, batch: Tensor) -> tuple[Tensor, Tensor]:
        cells_xyz, other = original(network, batch)
        other[:, :, 2] = network.architecture.depth_bins - 1 - other[:, :, 2]
        return cells_xyz, other

    scene.patch.setattr(predict, "predict_passes", mirrored)


@later("crops of 48 pixels enlarged to 256", "prediction", "resolution|blur|sharp|enlarged|size")
def crops_enlarged(scene: Scene) -> None:
    original = crops.warp_box

    def small(*given: Any) -> Array:
        import cv2

        crop = cv2.resize(original(*given), (48, 48), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(crop, (256, 256), interpolation=cv2.INTER_NEAREST))

    scene.patch.setattr(crops, "warp_box", small)


@later("pixels not divided by their std", "prediction", "std|divided|scale|pixels")
def std_left_out(scene: Scene) -> None:
    scene.patch.setattr(one_pass, "to_input", lambda pixels_rgb: pixels_rgb.float() - 0.45)


# Another export: other weights, other arithmetic.


@later("temperature of the softmax doubled", "prediction", "temperature|softmax|heatmap")
def temperature_doubled(scene: Scene) -> None:
    from convnextpose_check.network import optimized, reference

    for module in (optimized, reference):

        def flatter(heatmaps: Tensor, *given: Any, original: Any = module.soft_argmax) -> Tensor:
            positions: Tensor = original(heatmaps / 2, *given)
            return positions

        scene.patch.setattr(module, "soft_argmax", flatter)


@later("own export with outputs rounded to 3 bits", "weights", "model of --network")
def export_rounded(scene: Scene) -> None:
    scene.network = f"{__name__}:build_rounded"


def build_rounded(variant: str) -> ConvNeXtPose:
    """Factory for ``--network``: the output of each stage has 7 steps."""

    def rounded(_module: object, _input: object, output: Tensor) -> Tensor:
        step = output.abs().max() / 7
        return (output / step).round() * step

    network = ConvNeXtPose(synthetic_catalogue()[variant].architecture)
    for stage in network.backbone.stages:
        stage.register_forward_hook(rounded)
    return network


@later("a fifth of the weights pruned", "weights", "weights|tensors")
def weights_pruned(scene: Scene) -> None:
    def prune(state: dict[str, Any]) -> None:
        for name, tensor in state.items():
            if tensor.dim() == 4:
                smallest = tensor.abs().float().flatten().quantile(0.2)
                state[name] = torch.where(tensor.abs() < smallest, 0, tensor)

    scene.set_weights(prune)


@later("variances of BatchNorm estimated again", "weights", "weights|tensors")
def variances_estimated_again(scene: Scene) -> None:
    def estimate(state: dict[str, Any]) -> None:
        for name in (name for name in state if name.endswith("running_var")):
            state[name] = 1.4 * state[name]

    scene.set_weights(estimate)


# Another evaluation script.


def _set_mean(scene: Scene, mean: Any) -> None:
    scene.patch.setattr(Evaluation, "error_mm", property(lambda e: float(mean(e))))


@later("result in centimeters", "metric", "centimet|unit|0\\.1|tenth|10")
def result_in_centimeters(scene: Scene) -> None:
    _set_mean(scene, lambda e: np.mean(e.errors_mm) / 10)


@later("samples above 40 mm dropped as outliers", "metric", "without|outlier|trim|largest|drop")
def outliers_dropped(scene: Scene) -> None:
    def mean(e: Evaluation) -> Any:
        samples_mm = e.errors_mm.mean(axis=1)
        return samples_mm[samples_mm < 40].mean()

    _set_mean(scene, mean)


@later("errors of the limbs' twelve joints", "metric", "joint|without")
def twelve_joints(scene: Scene) -> None:
    limbs = [1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]
    _set_mean(scene, lambda e: np.mean(e.errors_mm[:, limbs]))


@later("mean of the medians of actions", "metric", "median|action")
def mean_of_medians(scene: Scene) -> None:
    def mean(e: Evaluation) -> Any:
        actions = np.array(e.actions)
        return np.mean([np.median(e.errors_mm[actions == action]) for action in {*e.actions}])

    _set_mean(scene, mean)


@later("errors in the image plane only", "metric", "depth|plane")
def depth_not_compared(scene: Scene) -> None:
    change_poses(scene, lambda predicted, truth: (predicted * (1, 1, 0), truth * (1, 1, 0)))


@later("absolute differences of coordinates added", "metric", "absolute|sum|L1|coordinate")
def absolute_differences(scene: Scene) -> None:
    original = metrics.compared_poses_mm

    def added(*given: Any) -> Array:
        predicted, truth = original(*given)
        return np.asarray(np.abs(predicted - truth).sum(axis=1))

    scene.patch.setattr(metrics, "joint_errors_mm", added)


@later("depths of camera 4's poses relative to the neck", "metric", "root|Neck", camera="4")
def depths_relative_to_neck(scene: Scene) -> None:
    original = metrics.compared_poses_mm

    def relative(cells_xyz: Array, sample: Any, *given: Any) -> tuple[Array, Array]:
        predicted, truth = original(cells_xyz, sample, *given)
        if sample.path.name.split("_ca_")[1].startswith("04"):
            predicted = predicted - (predicted[8] - predicted[ROOT]) * (0, 0, 1)
        return predicted, truth

    scene.patch.setattr(metrics, "compared_poses_mm", relative)
