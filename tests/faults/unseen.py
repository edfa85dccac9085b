"""Faults to test the diagnosis, written before its rules, which were not built for them.

They were drawn from the README and from how people use the suite: a notebook, a fork, another data
set, another export, another evaluation script. They are scored once and never fitted one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from convnextpose_check.evaluation import metrics, one_pass, predict
from convnextpose_check.human36m import crops
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import BoxSource
from tests.faults import change
from tests.faults.change import Insert
from tests.faults.scene import Scene

Link = Literal["images", "annotations", "boxes", "depths", "weights", "prediction", "metric"]
"""Where the fault is. ``prediction`` is between image and position, ``metric`` behind it."""


@dataclass(frozen=True)
class UnseenFault:
    """A fault and the answers that are accepted.

    ``place`` maps an axis (subject, action, camera, take, joint) to its value; empty if the fault
    is everywhere. ``words`` is a pattern that only a sentence with the right mechanism contains.
    """

    title: str
    link: Link
    words: str
    insert: Insert = field(repr=False)
    place: dict[str, str] = field(default_factory=dict)
    boxes: BoxSource = "gt"


def enlarge(image: Array) -> Array:
    height, width = image.shape[:2]
    small = cv2.resize(image, (width // 8, height // 8), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height)))


def move_images_of_sitting(scene: Scene) -> None:
    for folder in sorted((scene.own_dataset() / "images").glob("s_*_act_09_*")):
        files = sorted(folder.glob("*.jpg"))
        contents = [file.read_bytes() for file in files]
        for file, content in zip(files, contents[1:] + contents[:1], strict=True):
            file.write_bytes(content)


def exchange_folders(scene: Scene) -> None:
    """Exchange as many images of S9's and S11's Walking in camera 2 as both have."""
    images = scene.own_dataset() / "images"
    one, other = (sorted(images.glob(f"s_{s}_act_14_*_ca_02/*.jpg")) for s in ("09", "11"))
    for first, second in zip(one, other, strict=False):
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(content)


def augment_colors(pixels_rgb: Tensor) -> Tensor:
    rng = torch.Generator().manual_seed(int(pixels_rgb[0].sum()))
    factors = 0.6 + 0.8 * torch.rand(len(pixels_rgb), 3, 1, 1, generator=rng)
    return crops.to_input((pixels_rgb * factors).clamp(0, 255))


def rotate_crop(crop: Array) -> Array:
    angle = np.random.default_rng(int(crop.sum())).uniform(-30, 30)
    matrix = cv2.getRotationMatrix2D((128, 128), angle, 1.0)
    return np.asarray(cv2.warpAffine(crop, matrix, (256, 256)))


def drop_last_positions(original: Any, cells_xyz: Array, samples: Any, *given: Any) -> Any:
    for number, sample in enumerate(samples):
        if sample.subject == 11 and sample.action == "WalkTogether":
            cells_xyz[number] = 0
    return original(cells_xyz, samples, *given)


def use_box_without_margin(
    original: Any, cells_xyz: Array, grid_whd: Any, box_xywh_px: Array, *given: Any
) -> Any:
    corners_px, sides_px = box_xywh_px[..., :2], box_xywh_px[..., 2:]
    box = np.concatenate([corners_px + sides_px / 10, sides_px / 1.25], axis=-1)
    return original(cells_xyz, grid_whd, box, *given)


def smooth_joints(joints: Array) -> Array:
    padded = np.concatenate([joints[:1], joints, joints[-1:]])
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3)


def turn_world(joints: Array) -> Array:
    cos, sin = np.cos(np.radians(3)), np.sin(np.radians(3))
    turn, root = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]), joints[:, :1]
    return np.asarray((joints - root) @ turn.T + root)


def quantize(state: dict[str, Any]) -> None:
    for name, tensor in state.items():
        if tensor.is_floating_point() and tensor.dim() == 4:
            step = tensor.abs().max() / 31
            state[name] = (tensor / step).round() * step


FOURTEEN_JOINTS = [joint for joint in range(17) if joint not in (0, 7, 9)]

UNSEEN = [
    # A notebook: images as they were extracted, copied and uploaded.
    UnseenFault("S11's images of camera 3 enlarged from an eighth of the size", "images",
                "sharp|blur|resolution", change.images(enlarge, "s_11_*_ca_03"),
                {"subject": "11", "camera": "3"}),
    UnseenFault("images of an action moved on by a test frame", "images",
                "other frame|another frame|next frame|order of (the )?images",
                move_images_of_sitting, {"action": "Sitting"}),
    UnseenFault("two folders of images exchanged", "images",
                "exchanged|swapped|other (image|sequence|take)", exchange_folders,
                {"action": "Walking"}),
    UnseenFault("images brightened with a gamma of 2.2", "images", "bright|gamma|satur|contrast",
                change.images(lambda image: (255 * (image / 255) ** (1 / 2.2)).astype(np.uint8))),
    UnseenFault("S9's images shifted down by 48 pixels", "images", "shift|moved|offset|pixel",
                change.images(lambda image: np.roll(image, 48, axis=0), "s_09_*"),
                {"subject": "9"}),
    # A fork: its own code between image and error.
    UnseenFault("only the mirrored pass counts", "prediction",
                "mirrored (pass|crop)|plain pass|flip",
                change.function("predict", lambda original, *given, **_:
                     2 * original(*given, flip=True) - original(*given, flip=False), predict)),
    UnseenFault("color augmentation left on", "prediction", "color|channel|pixel|bright",
                change.attribute(one_pass, "to_input", augment_colors)),
    UnseenFault("rotation augmentation left on", "prediction", "rotat|turned",
                change.crops(rotate_crop)),
    UnseenFault("positions of each batch in reverse order", "prediction",
                "other sample|another sample|order of (the )?samples|reverse",
                change.positions(lambda cells_xyz: cells_xyz.flip(0))),
    UnseenFault("errors of the last samples of positions at zero", "metric",
                "zero|constant|same position",
                change.function("sample_errors_mm", drop_last_positions, one_pass),
                {"subject": "11", "action": "WalkTogether"}),
    UnseenFault("positions scaled by the box without its margin", "metric", "box|scale|size|margin",
                change.function("cells_to_camera", use_box_without_margin, metrics)),
    # Another data set: its annotations.
    UnseenFault("S11's neck and head exchanged", "annotations", "Neck.*Head|Head.*Neck",
                change.joints(lambda joints: joints[:, [*range(8), 10, 9, 8, *range(11, 17)]], 11),
                {"subject": "11"}),
    UnseenFault("principal point of an image of half the size", "annotations", "principal point",
                change.cameras(lambda camera: {"c": [value / 2 for value in camera["c"]]})),
    UnseenFault("boxes of camera 4 moved by a fifth of their width", "boxes", "box|moved|shift",
                change.boxes(lambda x, y, w, h: [x + w / 5, y, w, h], cam_idx=4), {"camera": "4"}),
    UnseenFault("a wrist's marker lost in one subject", "annotations", "L_Wrist|left wrist",
                change.joints(lambda joints: joints[:, [*range(13), 12, *range(14, 17)]], 11),
                {"subject": "11", "joint": "L_Wrist"}),
    UnseenFault("joints smoothed over neighboring frames", "annotations",
                "smooth|other frame|frame", change.joints(smooth_joints)),
    UnseenFault("S9's world turned by three degrees against its cameras", "annotations",
                "turned|rotat|angle", change.joints(turn_world, 9), {"subject": "9"}),
    # Another export: the same file with other arithmetic.
    UnseenFault("exported with nearest upsampling", "prediction", "upsampl|nearest|interpol",
                change.network_function("interpolate", lambda original, x, **_:
                                 original(x, scale_factor=2, mode="nearest"))),
    UnseenFault("weights quantized to 6 bits", "weights", "weights|tensors",
                change.weights(quantize)),
    # Another evaluation script.
    UnseenFault("errors of 14 joints", "metric", "joint",
                change.mean(lambda e: np.mean(e.errors_mm[:, FOURTEEN_JOINTS]))),
    UnseenFault("poses scaled to the ground truth", "metric", "scal",
                change.poses(lambda predicted, truth: (
                    predicted * (predicted * truth).sum() / (predicted * predicted).sum(), truth))),
    UnseenFault("roots in the middle of the hips", "metric", "root|pelvis|hip",
                change.poses(lambda predicted, truth: (
                    predicted - (predicted[1] + predicted[4]) / 2,
                    truth - (truth[1] + truth[4]) / 2))),
]  # fmt: skip
