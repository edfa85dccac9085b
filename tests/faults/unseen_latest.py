"""Faults to test the diagnosis, written last, without reading its rules.

They were drawn from how people extract and upload images, convert annotations, fork, export and
evaluate. Their first score is recorded in ``calibration.json``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from convnextpose_check.evaluation import metrics
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.human36m.geometry import Array, cells_to_camera
from convnextpose_check.human36m.skeleton import BONES
from convnextpose_check.network import optimized, reference
from tests.faults.scene import Scene
from tests.faults.unseen import FaultSet, Takes, unseen

LATEST = FaultSet()
latest = partial(unseen, faults=LATEST)

OTHER = r"(other|another|wrong|previous|next|neighbou?r\w*) (test )?(sample|frame|image|pose|take)"
DISPLACED = "^(?!.*(exchang|swap|mirror)).*"

# A notebook: images as they were extracted, converted and uploaded.


def reduce_colors(image: Array) -> Array:
    """Keep 3 bits of red and green and 2 of blue, each at the middle of its step."""
    kept, middle = np.array([[0xC0, 0xE0, 0xE0], [0x20, 0x10, 0x10]], np.uint8)
    return np.asarray(image & kept | middle)


def undistort(image: Array) -> Array:
    """Undistort as for a typical lens of Human3.6M."""
    matrix = np.array([[1145.0, 0, 512], [0, 1145, 515], [0, 0, 1]])
    coefficients = np.array([-0.2076, 0.2478, -0.0014, -0.001, -0.0031])
    return np.asarray(cv2.undistort(image, matrix, coefficients))


def add_noise(image: Array) -> Array:
    noise = np.random.default_rng(0).normal(0, 8, image.shape)
    return (image + noise).clip(0, 255).astype(np.uint8)


LATEST.images(
    "camera 1's images upside down",
    "upside|turned|rotat|180|orientation",
    lambda image: np.rot90(image, 2).copy(),
    camera="1",
)
PALETTE = "palette|levels|poster|quanti[sz]ed|fewer (colors|values)|256"
LATEST.images("images with a palette of 256 colors", PALETTE, reduce_colors)
LENS = r"distort|\blens|radial|outward"
LATEST.images("images without the lens's distortion", LENS, undistort)
LATEST.images("noise in S11's images", "nois|grain|sharp|detail", add_noise, subject="11")

REPEATED_IMAGE = rf"{OTHER}|(same|first) (frame|image)|cop(y|ies)|identical|equal (files|images)"


@latest("only the first frame of each sequence extracted", "images", REPEATED_IMAGE)
def first_image_repeated(scene: Scene) -> None:
    for folder in sorted((scene.own_dataset() / "images").iterdir()):
        first, *others = sorted(folder.iterdir())
        for other in others:
            other.write_bytes(first.read_bytes())


EMPTY_IMAGE = "cop(y|ies)|identical|same (image|file|content)|gray|empty|placeholder|uniform"


@latest("every tenth image a gray placeholder", "images", EMPTY_IMAGE)
def every_tenth_image_gray(scene: Scene) -> None:
    for path in sorted((scene.own_dataset() / "images").glob("*/*.jpg"))[::10]:
        image = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION))
        cv2.imwrite(str(path), np.full_like(image, 128))


# Another data set: its joints, boxes and depths.


def lower_nose(joints: Array) -> Array:
    joints[:, 9] = 0.7 * joints[:, 8] + 0.3 * joints[:, 9]
    return joints


def move_left_leg(joints: Array) -> Array:
    """Move the leg by 60 mm along the line through the hips."""
    across = joints[:, 4:5] - joints[:, 1:2]
    joints[:, 4:7] += 60 * across / np.linalg.norm(across, axis=2, keepdims=True)
    return joints


LATEST.joints("chin instead of the nose", f"{DISPLACED}[Nn]ose", lower_nose, joint="Nose")
LEFT_LEG = f"{DISPLACED}(left leg|left side|L_(Hip|Knee|Ankle))"
LATEST.joints("S11's left leg 60 mm outside", LEFT_LEG, move_left_leg, subject="11")


def halve_frame_rate(takes: Takes) -> None:
    for take in (take for subactions in takes.values() for take in subactions.values()):
        take.update({frame: take[str(int(frame) // 2)] for frame in reversed(take)})


def exchange_subactions(takes: Takes) -> None:
    for one, other in (tuple(pair.values()) for pair in takes.values() if len(pair) == 2):
        for frame in one.keys() & other.keys():
            one[frame], other[frame] = other[frame], one[frame]


def stand_while_sitting(takes: Takes) -> None:
    standing = np.array(takes["2"]["1"]["0"])
    for take in takes["9"].values():
        for frame, joints in take.items():
            take[frame] = (standing - standing[0] + joints[0]).tolist()


OTHER_TAKE = rf"{OTHER}|(take|subaction|sequence)s? .*(exchang|swap)|their boxes|not belong"
REST_POSE = rf"{OTHER}|rest pose|same pose|constant|standing|their boxes|not belong"
LATEST.frames("half the frame rate in the joints", "frame|delay|earlier", halve_frame_rate)
LATEST.frames("S11's subactions exchanged", OTHER_TAKE, exchange_subactions, subject="11")
LATEST.frames(
    "rest pose in S9's Sitting", REST_POSE, stand_while_sitting, subject="9", action="Sitting"
)


def move_to_center(_number: int, box: list[float]) -> list[float]:
    x, y, w, h = box
    return [x + w / 2, y + h / 2, w, h]


def cut_at_knees(_number: int, box: list[float]) -> list[float]:
    return [*box[:3], 0.6 * box[3]]


def use_whole_image(number: int, box: list[float]) -> list[float]:
    return box if number % 4 else [0, 0, 1000, 1000]


MOVED_BOX = "box|moved|shift|center"
SOME_BOXES = r"box.*(every|some|whole|image|of \d+ samples|their)|their boxes|whole image"
LATEST.boxes("S9's boxes given by their centers", MOVED_BOX, move_to_center, subject="9")
LATEST.boxes("SittingDown's boxes cut at the knees", "box|cut", cut_at_knees, action="SittingDown")
LATEST.boxes("every fourth box is the whole image", SOME_BOXES, use_whole_image)


@latest("a constant root depth in camera 1", "depths", "depth", boxes="rootnet", camera="1")
def constant_depth(scene: Scene) -> None:
    camera_1 = {s.image_id for s in scene.run().dataset.samples if "_ca_01_" in s.path.name}

    def set_depths(entries: Any) -> Any:
        for entry in (entry for entry in entries if entry["image_id"] in camera_1):
            entry["root_cam"][2] = 5000.0
        return entries

    scene.set_json("bbox_root/bbox_root_human36m_output.json", set_depths)


# Another export: other weights.


def reverse_input_channels(state: dict[str, Any]) -> None:
    state[STEM] = state[STEM].flip(1)


def train_head(state: dict[str, Any]) -> None:
    rng = torch.Generator().manual_seed(0)
    for name in (name for name in state if name.startswith("head.") and "pwconv" in name):
        change = torch.randn(state[name].shape, generator=rng) * state[name].std()
        state[name] = state[name] + 0.2 * change


STEM = "backbone.downsample_layers.0.0.weight"
FIRST_LAYER = "weights|tensors|blue|BGR|channel"
LATEST.weights("first layer converted to BGR", FIRST_LAYER, reverse_input_channels)
LATEST.weights("head trained on other data", "weights|tensors", train_head)

# A fork: its own code between image and position.


def shrink_crop(crop: Array) -> Array:
    small = cv2.resize(crop, (224, 224), interpolation=cv2.INTER_AREA)
    return np.pad(small, ((0, 32), (0, 32), (0, 0)))


SMALLER = r"crop.*size|shr[iu]nk|smaller|padd|enlarge|224|0\.8[78]|1\.14"
SMOOTHED = rf"{OTHER}|smooth|averag.*(sample|frame)|blend"
LATEST.crops("crops of 224 pixels padded to 256", SMALLER, shrink_crop)
LATEST.positions(
    "positions smoothed over each batch",
    SMOOTHED,
    lambda cells: 0.7 * cells + 0.3 * cells.roll(1, 0),
)
LATEST.positions(
    "last position of each batch repeats the one before",
    rf"{OTHER}|positions? .*repeat|stale|same position|copied|order of (the )?samples",
    lambda cells: torch.cat([cells[:-1], cells[-2:-1]]),
)

HARD = r"argmax|maxim|\bround|whole cell|temperature|softmax|heatmap"


@latest("maximum of the heatmap instead of the soft-argmax", "prediction", HARD)
def hard_argmax(scene: Scene) -> None:
    for module in (optimized, reference):

        def maximum(heatmaps: Tensor, *given: Any, original: Any = module.soft_argmax) -> Tensor:
            positions: Tensor = original(1000 * heatmaps, *given)
            return positions

        scene.patch.setattr(module, "soft_argmax", maximum)


# Another evaluation script.


def turn_about_vertical(predicted: Array, truth: Array) -> tuple[Array, Array]:
    """Turn the prediction about the camera's y axis for the smallest squared error."""
    one, other = (pose[:, 0] + 1j * pose[:, 2] for pose in (predicted, truth))
    turned = one * np.exp(1j * np.angle(np.vdot(one, other)))
    return np.stack([turned.real, predicted[:, 1], turned.imag], axis=1), truth


def scale_bones(predicted: Array, truth: Array) -> tuple[Array, Array]:
    starts, ends = np.array(BONES).T
    lengths_mm = np.linalg.norm(predicted[starts] - predicted[ends], axis=1)
    return predicted * 4000 / lengths_mm.sum(), truth


def point_depth_at_camera(cells_xyz: Array, grid_whd: Any, *given: Any) -> Array:
    reversed_xyz = cells_xyz * (1, 1, -1) + np.array([0, 0, grid_whd[2]])
    return cells_to_camera(reversed_xyz, grid_whd, *given)


def use_default_focal_length(*given: Any) -> Array:
    cells_xyz, grid_whd, box_xywh_px, depth_mm, camera = given
    camera = replace(camera, focal_px=np.float32(1500))
    return cells_to_camera(cells_xyz, grid_whd, box_xywh_px, depth_mm, camera)


def average_s11(e: Evaluation) -> Any:
    return e.errors_mm[[name.startswith("s_11") for name in e.file_names]].mean()


BONES_SCALED = "bone|scaled|(pose|skeleton|body|prediction).*(size|scal|multipl)"
REVERSED = "depth.*(mirror|revers|sign|flip|negat|by -(1|0.9))|(mirror|revers|flip|negat).*depth"
WITHOUT_S9 = "(mean|average|only|without|left out) .*(S9|S11|subject)|(S9|S11).* (only|left out)"
TURNED = "^(?!.*corner).*(align|turn|rotat|vertical)"
LATEST.poses("poses aligned about the vertical", TURNED, turn_about_vertical)
LATEST.poses("bones of all poses scaled to 4 m", BONES_SCALED, scale_bones)
LATEST.conversions("depth axis toward the camera", REVERSED, point_depth_at_camera)
FOCAL_LENGTH = r"focal|across|x and y|0\.7[67]|1\.31"
LATEST.conversions("focal length of 1,500 px", FOCAL_LENGTH, use_default_focal_length)
LATEST.mean("S9 left out of the mean", WITHOUT_S9, average_s11)


@latest("mean over coordinates", "metric", r"coordinate|three axes|sqrt|0\.5[78]|1\.73")
def mean_over_coordinates(scene: Scene) -> None:
    def distances(*given: Any) -> Array:
        predicted, truth = metrics.compared_poses_mm(*given)
        return np.asarray(np.sqrt(np.mean((predicted - truth) ** 2, axis=1)))

    scene.patch.setattr(metrics, "joint_errors_mm", distances)
