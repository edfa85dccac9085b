"""Faults to test the diagnosis, written before its rules, which were not built for them.

They were drawn from the README and from how people use the suite: a notebook, a fork, another data
set, another export, another evaluation script. They are scored once and never fitted one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from convnextpose_check.evaluation import metrics, one_pass, predict
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.human36m import crops, geometry
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import BoxSource
from tests.faults.scene import Scene

if TYPE_CHECKING:
    from torch import Tensor

Link = Literal["images", "annotations", "boxes", "depths", "weights", "prediction", "metric"]
"""Where the fault is. ``prediction`` is between image and position, ``metric`` behind it."""


ChangeArray = Callable[[Array], Array]
ChangeBox = Callable[[int, list[float]], list[float]]
Takes = dict[str, dict[str, dict[str, Any]]]
ChangePoses = Callable[[Array, Array], tuple[Array, Array]]

PLACE_FIELDS = {"subject": "subject", "camera": "cam_idx", "action": "action_name"}
"""Fields of an image in the annotations."""


@dataclass(frozen=True)
class UnseenFault:
    """A fault and the answers that are accepted.

    ``place`` maps an axis (subject, action, camera, take, joint) to its value; empty if the fault
    is everywhere. ``words`` is a pattern that only a sentence with the right mechanism contains.
    """

    title: str
    link: Link
    words: str
    place: dict[str, str]
    insert: Callable[[Scene], None] = field(repr=False)
    boxes: BoxSource = "gt"


UNSEEN: list[UnseenFault] = []


def unseen(
    title: str,
    link: Link,
    words: str,
    faults: list[UnseenFault] = UNSEEN,
    boxes: BoxSource = "gt",
    **place: str,
) -> Callable[..., Any]:
    """Decorator that appends a function to the unseen faults."""

    def register(insert: Callable[[Scene], None]) -> Callable[[Scene], None]:
        faults.append(UnseenFault(title, link, words, place, insert, boxes))
        return insert

    return register


class FaultSet(list[UnseenFault]):
    """Unseen faults; each method adds one that changes the named data in the same manner.

    ``place`` is the affected group. The function that a method takes changes one value.
    """

    def images(self, title: str, words: str, change: ChangeArray, **place: str) -> None:
        """Change (H, W, 3) BGR images of a subject or camera."""
        subject, camera = int(place.get("subject", 0)), place.get("camera", "?")
        folders = f"s_{subject:02d}_*_ca_0{camera}" if subject else f"s_*_ca_0{camera}"
        insert = partial(change_images, folders=folders, change=change)
        self.append(UnseenFault(title, "images", words, place, insert))

    def joints(self, title: str, words: str, change: ChangeArray, **place: str) -> None:
        """Change the (frames, 17, 3) world joints of each take of a subject."""

        def insert(scene: Scene) -> None:
            for subject in list_subjects(place):
                change_joints(scene, subject, change)

        self.append(UnseenFault(title, "annotations", words, place, insert))

    def frames(self, title: str, words: str, change: Callable[[Takes], None], **place: str) -> None:
        """Change the takes of a subject's file in place, {action: {subaction: {frame: joints}}}."""

        def insert(scene: Scene) -> None:
            for subject in list_subjects(place):
                scene.set_json(f"annotations/Human36M_subject{subject}_joint_3d.json", change_all)

        def change_all(content: Takes) -> Takes:
            change(content)
            return content

        self.append(UnseenFault(title, "annotations", words, place, insert))

    def boxes(self, title: str, words: str, change: ChangeBox, **place: str) -> None:
        """Change the box [x, y, w, h], given its number in its subject's test images."""
        values = {PLACE_FIELDS[axis]: value for axis, value in place.items()}

        def insert(scene: Scene) -> None:
            for subject in list_subjects(place):
                scene.set_json(f"annotations/Human36M_subject{subject}_data.json", change_all)

        def change_all(data: Any) -> Any:
            for number, (image, annotation) in enumerate(list_test_entries(data)):
                if all(str(image[name]) == value for name, value in values.items()):
                    annotation["bbox"] = change(number, annotation["bbox"])
            return data

        self.append(UnseenFault(title, "boxes", words, place, insert))

    def weights(self, title: str, words: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change the state dict in place."""
        insert = partial(Scene.set_weights, change=change)
        self.append(UnseenFault(title, "weights", words, {}, insert))

    def crops(self, title: str, words: str, change: ChangeArray) -> None:
        """Change each (256, 256, 3) uint8 BGR crop."""

        def insert(scene: Scene) -> None:
            original = crops.warp_box
            scene.patch.setattr(crops, "warp_box", lambda *given: change(original(*given)))

        self.append(UnseenFault(title, "prediction", words, {}, insert))

    def positions(self, title: str, words: str, change: Callable[[Tensor], Tensor]) -> None:
        """Change each batch's predicted positions (N, 18, 3)."""
        insert = partial(change_positions, change=change)
        self.append(UnseenFault(title, "prediction", words, {}, insert))

    def conversions(self, title: str, words: str, convert: Callable[..., Array]) -> None:
        """Convert positions to the camera's coordinates by another function."""

        def insert(scene: Scene) -> None:
            scene.patch.setattr(metrics, "cells_to_camera", convert)

        self.append(UnseenFault(title, "metric", words, {}, insert))

    def poses(self, title: str, words: str, change: ChangePoses) -> None:
        """Change the predicted and the annotated pose (17, 3) before comparison."""
        insert = partial(change_poses, change=change)
        self.append(UnseenFault(title, "metric", words, {}, insert))

    def mean(self, title: str, words: str, mean: Callable[[Evaluation], Any]) -> None:
        """Average errors otherwise."""

        def insert(scene: Scene) -> None:
            scene.patch.setattr(Evaluation, "error_mm", property(lambda e: float(mean(e))))

        self.append(UnseenFault(title, "metric", words, {}, insert))


# A notebook: images as they were extracted, copied and uploaded.


@unseen(
    "S11's images of camera 3 enlarged from an eighth of the size",
    "images",
    "sharp|blur|resolution",
    subject="11",
    camera="3",
)
def images_enlarged(scene: Scene) -> None:
    change_images(scene, "s_11_*_ca_03", _enlarged)


@unseen(
    "images of an action moved on by a test frame",
    "images",
    "other frame|another frame|next frame|order of (the )?images",
    action="Sitting",
)
def images_of_another_frame(scene: Scene) -> None:
    for folder in sorted((scene.own_dataset() / "images").glob("s_*_act_09_*")):
        files = sorted(folder.glob("*.jpg"))
        contents = [file.read_bytes() for file in files]
        for file, content in zip(files, contents[1:] + contents[:1], strict=True):
            file.write_bytes(content)


@unseen(
    "two folders of images exchanged",
    "images",
    "exchanged|swapped|other (image|sequence|take)",
    action="Walking",
)
def folders_exchanged(scene: Scene) -> None:
    """Exchange as many images of S9's and S11's Walking in camera 2 as both have."""
    images = scene.own_dataset() / "images"
    one, other = (sorted(images.glob(f"s_{s}_act_14_*_ca_02/*.jpg")) for s in ("09", "11"))
    for first, second in zip(one, other, strict=False):
        content = first.read_bytes()
        first.write_bytes(second.read_bytes())
        second.write_bytes(content)


@unseen("images brightened with a gamma of 2.2", "images", "bright|gamma|satur|contrast")
def images_brightened(scene: Scene) -> None:
    change_images(scene, "*", lambda image: (255 * (image / 255.0) ** (1 / 2.2)).astype(np.uint8))


@unseen("S9's images shifted down by 48 pixels", "images", "shift|moved|offset|pixel", subject="9")
def images_shifted(scene: Scene) -> None:
    change_images(scene, "s_09_*", lambda image: np.roll(image, 48, axis=0))


# A fork: its own code between image and error.


@unseen("only the mirrored pass counts", "prediction", "mirrored (pass|crop)|plain pass|flip")
def only_the_mirrored_pass(scene: Scene) -> None:
    both, original = predict.predict, predict.predict

    def mirrored(network: Any, batch: Tensor, *, flip: bool) -> Tensor:
        del flip
        return 2 * both(network, batch, flip=True) - original(network, batch, flip=False)

    scene.patch.setattr(predict, "predict", mirrored)


@unseen("color augmentation left on", "prediction", "color|channel|pixel|bright")
def color_augmentation(scene: Scene) -> None:
    def augmented(pixels_rgb: Tensor) -> Tensor:
        import torch

        rng = torch.Generator().manual_seed(int(pixels_rgb[0].sum()))
        factors = 0.6 + 0.8 * torch.rand(len(pixels_rgb), 3, 1, 1, generator=rng)
        return crops.to_input((pixels_rgb * factors).clamp(0, 255))

    scene.patch.setattr(one_pass, "to_input", augmented)


@unseen("rotation augmentation left on", "prediction", "rotat|turned")
def rotation_augmentation(scene: Scene) -> None:
    warp_box = crops.warp_box

    def turned(image_bgr: Array, box_xywh_px: Array, *options: Any) -> Array:
        import cv2

        crop = warp_box(image_bgr, box_xywh_px, *options)
        angle = np.random.default_rng(int(crop.sum())).uniform(-30, 30)
        matrix = cv2.getRotationMatrix2D((128, 128), angle, 1.0)
        return np.asarray(cv2.warpAffine(crop, matrix, (256, 256)))

    scene.patch.setattr(crops, "warp_box", turned)


@unseen(
    "positions of each batch in reverse order",
    "prediction",
    "other sample|another sample|order of (the )?samples|reverse",
)
def batches_reversed(scene: Scene) -> None:
    change_positions(scene, lambda cells_xyz: cells_xyz.flip(0))


@unseen(
    "errors of the last samples of positions at zero",
    "metric",
    "zero|constant|same position",
    subject="11",
    action="WalkTogether",
)
def last_samples_at_zero(scene: Scene) -> None:
    sample_errors_mm = metrics.sample_errors_mm

    def dropped(cells_xyz: Array, samples: Any, *options: Any) -> Array:
        for number, sample in enumerate(samples):
            if sample.subject == 11 and sample.action == "WalkTogether":
                cells_xyz[number] = 0
        return sample_errors_mm(cells_xyz, samples, *options)

    scene.patch.setattr(one_pass, "sample_errors_mm", dropped)


@unseen("positions scaled by the box without its margin", "metric", "box|scale|size|margin")
def box_without_margin(scene: Scene) -> None:
    cells_to_camera = geometry.cells_to_camera

    def ungrown(cells_xyz: Array, grid_whd: Any, box_xywh_px: Array, *options: Any) -> Array:
        corners_px, sides_px = box_xywh_px[..., :2], box_xywh_px[..., 2:]
        box = np.concatenate([corners_px + sides_px / 10, sides_px / 1.25], axis=-1)
        return cells_to_camera(cells_xyz, grid_whd, box, *options)

    scene.patch.setattr(metrics, "cells_to_camera", ungrown)


# Another data set: its annotations.


@unseen("S11's neck and head exchanged", "annotations", "Neck.*Head|Head.*Neck", subject="11")
def neck_and_head_exchanged(scene: Scene) -> None:
    def exchange(joints: Array) -> Array:
        order = np.arange(17)
        order[[8, 10]] = order[[10, 8]]
        return joints[:, order]

    change_joints(scene, 11, exchange)


@unseen("principal point of an image of half the size", "annotations", "principal point")
def principal_point_halved(scene: Scene) -> None:
    def halve(cameras: Any) -> Any:
        for camera in cameras.values():
            camera["c"] = [value / 2 for value in camera["c"]]
        return cameras

    for subject in (9, 11):
        scene.set_json(f"annotations/Human36M_subject{subject}_camera.json", halve)


@unseen("boxes of camera 4 moved by a fifth of their width", "boxes", "box|moved|shift", camera="4")
def boxes_moved(scene: Scene) -> None:
    def move(data: Any) -> Any:
        camera_4 = {image["id"] for image in data["images"] if image["cam_idx"] == 4}
        for annotation in data["annotations"]:
            if annotation["image_id"] in camera_4:
                annotation["bbox"][0] += annotation["bbox"][2] / 5
        return data

    for subject in (9, 11):
        scene.set_json(f"annotations/Human36M_subject{subject}_data.json", move)


@unseen(
    "a wrist's marker lost in one subject",
    "annotations",
    "L_Wrist|left wrist",
    subject="11",
    joint="L_Wrist",
)
def wrist_lost(scene: Scene) -> None:
    def at_elbow(joints: Array) -> Array:
        joints[:, 13] = joints[:, 12]
        return joints

    change_joints(scene, 11, at_elbow)


@unseen("joints smoothed over neighboring frames", "annotations", "smooth|other frame|frame")
def joints_smoothed(scene: Scene) -> None:
    def smooth(joints: Array) -> Array:
        padded = np.concatenate([joints[:1], joints, joints[-1:]])
        return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3)

    for subject in (9, 11):
        change_joints(scene, subject, smooth)


@unseen(
    "S9's world turned by three degrees against its cameras",
    "annotations",
    "turned|rotat|angle",
    subject="9",
)
def world_turned(scene: Scene) -> None:
    angle = np.radians(3)
    turn = np.array(
        [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    )

    def turned(joints: Array) -> Array:
        root = joints[:, :1]
        return np.asarray((joints - root) @ turn.T + root)

    change_joints(scene, 9, turned)


# Another export: the same file with other arithmetic.


@unseen("exported with nearest upsampling", "prediction", "upsampl|nearest|interpol")
def nearest_upsampling(scene: Scene) -> None:
    from torch.nn.functional import interpolate

    def nearest(x: Tensor, **options: Any) -> Tensor:
        del options
        return interpolate(x, scale_factor=2, mode="nearest")

    scene.patch.setattr("convnextpose_check.network.reference.interpolate", nearest)
    scene.patch.setattr("convnextpose_check.network.optimized.interpolate", nearest)


@unseen("weights quantized to 6 bits", "weights", "weights|tensors")
def weights_quantized(scene: Scene) -> None:
    def quantize(state: dict[str, Any]) -> None:
        for name, tensor in state.items():
            if tensor.is_floating_point() and tensor.dim() == 4:
                step = tensor.abs().max() / 31
                state[name] = (tensor / step).round() * step

    scene.set_weights(quantize)


# Another evaluation script.


@unseen("errors of 14 joints", "metric", "joint")
def fourteen_joints(scene: Scene) -> None:
    counted = [joint for joint in range(17) if joint not in (0, 7, 9)]
    mean = property(lambda e: float(np.mean(e.errors_mm[:, counted])))
    scene.patch.setattr(Evaluation, "error_mm", mean)


@unseen("poses scaled to the ground truth", "metric", "scal")
def scaled_to_truth(scene: Scene) -> None:
    def scale(predicted: Array, truth: Array) -> tuple[Array, Array]:
        return predicted * (predicted * truth).sum() / (predicted * predicted).sum(), truth

    change_poses(scene, scale)


@unseen("roots in the middle of the hips", "metric", "root|pelvis|hip")
def roots_between_hips(scene: Scene) -> None:
    def move(predicted: Array, truth: Array) -> tuple[Array, Array]:
        return predicted - (predicted[1] + predicted[4]) / 2, truth - (truth[1] + truth[4]) / 2

    change_poses(scene, move)


def _enlarged(image: Array) -> Array:
    import cv2

    height, width = image.shape[:2]
    small = cv2.resize(image, (width // 8, height // 8), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height)))


def change_images(
    scene: Scene, folders: str, change: Callable[[Array], Array], quality: int = 95
) -> None:
    """Change the (H, W, 3) BGR images in the folders that match, and encode them again."""
    import cv2

    for path in sorted((scene.own_dataset() / "images").glob(f"{folders}/*.jpg")):
        image = np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION))
        _, encoded = cv2.imencode(".jpg", change(image), [cv2.IMWRITE_JPEG_QUALITY, quality])
        path.write_bytes(encoded.tobytes())


def list_subjects(place: dict[str, str]) -> list[int]:
    return [int(place["subject"])] if "subject" in place else [9, 11]


def list_test_entries(data: Any) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yields the test images of a subject's annotations, each with its annotation."""
    images = {image["id"]: image for image in data["images"] if image["frame_idx"] % 64 == 0}
    for annotation in data["annotations"]:
        if image := images.get(annotation["image_id"]):
            yield image, annotation


def change_positions(scene: Scene, change: Callable[[Tensor], Tensor]) -> None:
    """Change each batch's predicted positions (N, 18, 3)."""
    original = predict.predict
    scene.patch.setattr(
        predict, "predict", lambda *given, flip: change(original(*given, flip=flip))
    )


def change_poses(scene: Scene, change: Callable[[Array, Array], tuple[Array, Array]]) -> None:
    """Change the predicted and the annotated pose (17, 3) of each sample before comparison."""
    original = metrics.compared_poses_mm
    scene.patch.setattr(metrics, "compared_poses_mm", lambda *given: change(*original(*given)))


def change_joints(scene: Scene, subject: int, change: Callable[[Array], Array]) -> None:
    """Change each take's (frames, 17, 3) world joints in the subject's file."""

    def change_takes(content: Any) -> Any:
        for take in (take for subactions in content.values() for take in subactions.values()):
            tested = {frame: joints for frame, joints in take.items() if int(frame) % 64 == 0}
            frames = tested or take
            changed = change(np.array(list(frames.values()), dtype=float))
            take.update({k: v.tolist() for k, v in zip(frames, changed, strict=True)})
        return content

    scene.set_json(f"annotations/Human36M_subject{subject}_joint_3d.json", change_takes)
