"""Faults to test the diagnosis, written last, without reading its rules.

They were drawn from how people extract and upload images, convert annotations, fork, export and
evaluate. Their first score is recorded in ``calibration.json``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch

from convnextpose_check.evaluation import metrics
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import BONES
from tests.faults import change
from tests.faults.change import ROOTNET, Entry
from tests.faults.scene import Scene
from tests.faults.unseen import UnseenFault


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


def repeat_first_images(scene: Scene) -> None:
    for folder in sorted((scene.own_dataset() / "images").iterdir()):
        first, *others = sorted(folder.iterdir())
        for other in others:
            other.write_bytes(first.read_bytes())


def replace_every_tenth_image(scene: Scene) -> None:
    for path in sorted((scene.own_dataset() / "images").glob("*/*.jpg"))[::10]:
        image = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION))
        cv2.imwrite(str(path), np.full_like(image, 128))


def lower_nose(joints: Array) -> Array:
    joints[:, 9] = 0.7 * joints[:, 8] + 0.3 * joints[:, 9]
    return joints


def move_left_leg(joints: Array) -> Array:
    """Move the leg by 60 mm along the line through the hips."""
    across = joints[:, 4:5] - joints[:, 1:2]
    joints[:, 4:7] += 60 * across / np.linalg.norm(across, axis=2, keepdims=True)
    return joints


def halve_frame_rate(takes: Entry) -> Entry:
    for take in (take for subactions in takes.values() for take in subactions.values()):
        take.update({frame: take[str(int(frame) // 2)] for frame in take})
    return takes


def exchange_subactions(takes: Entry) -> Entry:
    for one, other in (tuple(pair.values()) for pair in takes.values() if len(pair) == 2):
        for frame in one.keys() & other.keys():
            one[frame], other[frame] = other[frame], one[frame]
    return takes


def stand_while_sitting(takes: Entry) -> Entry:
    standing = np.array(takes["2"]["1"]["0"])
    for take in takes["9"].values():
        for frame, joints in take.items():
            take[frame] = (standing - standing[0] + joints[0]).tolist()
    return takes


def set_depths_of_camera_1(scene: Scene) -> None:
    camera_1 = {s.image_id for s in scene.run().dataset.samples if "_ca_01_" in s.path.name}

    def set_depths(entries: Any) -> Any:
        for entry in (entry for entry in entries if entry["image_id"] in camera_1):
            entry["root_cam"][2] = 5000.0
        return entries

    scene.set_json(ROOTNET, set_depths)


def train_head(state: dict[str, Any]) -> None:
    rng = torch.Generator().manual_seed(0)
    for name in (name for name in state if name.startswith("head.") and "pwconv" in name):
        noise = torch.randn(state[name].shape, generator=rng) * state[name].std()
        state[name] = state[name] + 0.2 * noise


def shrink_crop(crop: Array) -> Array:
    small = cv2.resize(crop, (224, 224), interpolation=cv2.INTER_AREA)
    return np.pad(small, ((0, 32), (0, 32), (0, 0)))


def turn_about_vertical(predicted: Array, truth: Array) -> tuple[Array, Array]:
    """Turn the prediction about the camera's y axis for the smallest squared error."""
    one, other = (pose[:, 0] + 1j * pose[:, 2] for pose in (predicted, truth))
    turned = one * np.exp(1j * np.angle(np.vdot(one, other)))
    return np.stack([turned.real, predicted[:, 1], turned.imag], axis=1), truth


def scale_bones(predicted: Array, truth: Array) -> tuple[Array, Array]:
    starts, ends = np.array(BONES).T
    lengths_mm = np.linalg.norm(predicted[starts] - predicted[ends], axis=1)
    return predicted * 4000 / lengths_mm.sum(), truth


def reverse_depths(original: Any, cells_xyz: Array, grid_whd: Any, *given: Any) -> Any:
    reversed_xyz = cells_xyz * (1, 1, -1) + np.array([0, 0, grid_whd[2]])
    return original(reversed_xyz, grid_whd, *given)


STEM = "backbone.downsample_layers.0.0.weight"
OTHER = r"(other|another|wrong|previous|next|neighbou?r\w*) (test )?(sample|frame|image|pose|take)"
DISPLACED = "^(?!.*(exchang|swap|mirror)).*"

LATEST = [
    # A notebook: images as they were extracted, converted and uploaded.
    UnseenFault("camera 1's images upside down", "images", "upside|turned|rotat|180|orientation",
                change.images(lambda image: np.rot90(image, 2).copy(), "*_ca_01"), {"camera": "1"}),
    UnseenFault("images with a palette of 256 colors", "images",
                "palette|levels|poster|quanti[sz]ed|fewer (colors|values)|256",
                change.images(reduce_colors)),
    UnseenFault("images without the lens's distortion", "images", r"distort|\blens|radial|outward",
                change.images(undistort)),
    UnseenFault("noise in S11's images", "images", "nois|grain|sharp|detail",
                change.images(add_noise, "s_11_*"), {"subject": "11"}),
    UnseenFault("only the first frame of each sequence extracted", "images",
                rf"{OTHER}|(same|first) (frame|image)|cop(y|ies)|identical|equal (files|images)",
                repeat_first_images),
    UnseenFault("every tenth image a gray placeholder", "images",
                "cop(y|ies)|identical|same (image|file|content)|gray|empty|placeholder|uniform",
                replace_every_tenth_image),
    # Another data set: its joints, boxes and depths.
    UnseenFault("chin instead of the nose", "annotations", f"{DISPLACED}[Nn]ose",
                change.joints(lower_nose), {"joint": "Nose"}),
    UnseenFault("S11's left leg 60 mm outside", "annotations",
                f"{DISPLACED}(left leg|left side|L_(Hip|Knee|Ankle))",
                change.joints(move_left_leg, 11), {"subject": "11"}),
    UnseenFault("half the frame rate in the joints", "annotations", "frame|delay|earlier",
                change.annotation_files("joint_3d", halve_frame_rate)),
    UnseenFault("S11's subactions exchanged", "annotations",
                rf"{OTHER}|(take|subaction|sequence)s? .*(exchang|swap)|their boxes|not belong",
                change.annotation_files("joint_3d", exchange_subactions, [11]), {"subject": "11"}),
    UnseenFault("rest pose in S9's Sitting", "annotations",
                rf"{OTHER}|rest pose|same pose|constant|standing|their boxes|not belong",
                change.annotation_files("joint_3d", stand_while_sitting, [9]),
                {"subject": "9", "action": "Sitting"}),
    UnseenFault("S9's boxes given by their centers", "boxes", "box|moved|shift|center",
                change.boxes(lambda x, y, w, h: [x + w / 2, y + h / 2, w, h], 9), {"subject": "9"}),
    UnseenFault("SittingDown's boxes cut at the knees", "boxes", "box|cut",
                change.boxes(lambda x, y, w, h: [x, y, w, 0.6 * h], action_name="SittingDown"),
                {"action": "SittingDown"}),
    UnseenFault("every fourth box is the whole image", "boxes",
                r"box.*(every|some|whole|image|of \d+ samples|their)|their boxes|whole image",
                change.boxes(lambda *_: [0, 0, 1000, 1000], every=4)),
    UnseenFault("a constant root depth in camera 1", "depths", "depth", set_depths_of_camera_1,
                {"camera": "1"}, boxes="rootnet"),
    # Another export: other weights.
    UnseenFault("first layer converted to BGR", "weights", "weights|tensors|blue|BGR|channel",
                change.weights(lambda state: state.update({STEM: state[STEM].flip(1)}))),
    UnseenFault("head trained on other data", "weights", "weights|tensors",
                change.weights(train_head)),
    # A fork: its own code between image and position.
    UnseenFault("crops of 224 pixels padded to 256", "prediction",
                r"crop.*size|shr[iu]nk|smaller|padd|enlarge|224|0\.8[78]|1\.14",
                change.crops(shrink_crop)),
    UnseenFault("positions smoothed over each batch", "prediction",
                rf"{OTHER}|smooth|averag.*(sample|frame)|blend",
                change.positions(lambda cells_xyz: 0.7 * cells_xyz + 0.3 * cells_xyz.roll(1, 0))),
    UnseenFault("last position of each batch repeats the one before", "prediction",
                rf"{OTHER}|positions? .*repeat|stale|same position|copied|order of (the )?samples",
                change.positions(lambda cells: torch.cat([cells[:-1], cells[-2:-1]]))),
    UnseenFault("maximum of the heatmap instead of the soft-argmax", "prediction",
                r"argmax|maxim|\bround|whole cell|temperature|softmax|heatmap",
                change.network_function("soft_argmax", lambda original, heatmaps, *given:
                                 original(1000 * heatmaps, *given))),
    # Another evaluation script.
    UnseenFault("poses aligned about the vertical", "metric",
                "^(?!.*corner).*(align|turn|rotat|vertical)", change.poses(turn_about_vertical)),
    UnseenFault("bones of all poses scaled to 4 m", "metric",
                "bone|scaled|(pose|skeleton|body|prediction).*(size|scal|multipl)",
                change.poses(scale_bones)),
    UnseenFault("depth axis toward the camera", "metric",
                "depth.*(mirror|revers|sign|flip|negat|by -(1|0.9))"
                "|(mirror|revers|flip|negat).*depth",
                change.function("cells_to_camera", reverse_depths, metrics)),
    UnseenFault("focal length of 1,500 px", "metric", r"focal|across|x and y|0\.7[67]|1\.31",
                change.function("cells_to_camera", lambda original, *given: original(
                    *given[:-1], replace(given[-1], focal_px=np.float32(1500))), metrics)),
    UnseenFault("S9 left out of the mean", "metric",
                "(mean|average|only|without|left out) .*(S9|S11|subject)"
                "|(S9|S11).* (only|left out)",
                change.mean(lambda e:
                            e.errors_mm[["s_11_" in name for name in e.file_names]].mean())),
    UnseenFault("mean over coordinates", "metric", r"coordinate|three axes|sqrt|0\.5[78]|1\.73",
                change.distances(lambda xyz_mm: np.sqrt(np.mean(xyz_mm**2, axis=1)))),
]  # fmt: skip
