"""Faults of common kinds, such as ``change.images(sharpen)``.

Each function returns one that inserts the change into a scene.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import cv2
import numpy as np

from convnextpose_check.evaluation import metrics, predict
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.human36m import crops as image_crops
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.network import optimized, reference
from tests.faults.scene import Scene

Insert = Callable[[Scene], None]
Entry = dict[str, Any]
"""A JSON object."""

SUBJECTS = (9, 11)
ROOTNET = "bbox_root/bbox_root_human36m_output.json"


def attribute(target: Any, name: str, value: Any) -> Insert:
    """Replace an attribute of a module or class."""
    return lambda scene: scene.patch.setattr(target, name, value)


def function(name: str, wrapper: Callable[..., Any], *targets: Any) -> Insert:
    """Replace a function of modules or classes by ``wrapper``, whose first argument it becomes."""

    def insert(scene: Scene) -> None:
        for target in targets:
            original = getattr(target, name)

            def replacement(*given: Any, original: Any = original, **options: Any) -> Any:
                return wrapper(original, *given, **options)

            scene.patch.setattr(target, name, replacement)

    return insert


def network_function(name: str, wrapper: Callable[..., Any]) -> Insert:
    """Replace a function, like ``function``, in the reference and in the optimized model."""
    return function(name, wrapper, reference, optimized)


def result(target: Any, name: str, change: Callable[[Any], Any]) -> Insert:
    """Change what a function returns."""
    return function(name, lambda original, *given, **opts: change(original(*given, **opts)), target)


crops = partial(result, image_crops, "warp_box")
"""Change each (256, 256, 3) uint8 BGR crop."""

positions = partial(result, predict, "predict")
"""Change each batch's predicted positions (N, 18, 3)."""


def poses(change: Callable[[Array, Array], tuple[Array, Array]]) -> Insert:
    """Change the predicted and the annotated pose (17, 3) of each sample before comparison."""
    return result(metrics, "compared_poses_mm", lambda both: change(*both))


def distances(measure: Callable[[Array], Array]) -> Insert:
    """Measure joint errors (17,) from the differences (17, 3) between the two poses."""

    def joint_errors_mm(*given: Any) -> Array:
        predicted, truth = metrics.compared_poses_mm(*given)
        return measure(predicted - truth)

    return attribute(metrics, "joint_errors_mm", joint_errors_mm)


def mean(average: Callable[[Evaluation], Any]) -> Insert:
    """Average the errors of an evaluation by another function."""
    return attribute(Evaluation, "error_mm", property(lambda e: float(average(e))))


def weights(change: Callable[[dict[str, Any]], None]) -> Insert:
    """Change the state dict of the variant in place."""
    return lambda scene: scene.set_weights(change)


def network(factory: str) -> Insert:
    """Evaluate the model of this factory, as with ``--network``."""

    def insert(scene: Scene) -> None:
        scene.network = factory

    return insert


def images(change: Callable[[Array], Array], folders: str = "*", quality: int = 95) -> Insert:
    """Change the (H, W, 3) BGR images in the folders that match, and encode them again."""

    def insert(scene: Scene) -> None:
        for path in sorted((scene.own_dataset() / "images").glob(f"{folders}/*.jpg")):
            flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
            changed = change(np.asarray(cv2.imread(str(path), flags)))
            cv2.imwrite(str(path), changed, [cv2.IMWRITE_JPEG_QUALITY, quality])

    return insert


def annotation_files(
    kind: str, change: Callable[[Any], Any], subjects: Sequence[int] = SUBJECTS
) -> Insert:
    """Change the content of annotation files, of the kind camera, data or joint_3d."""

    def insert(scene: Scene) -> None:
        for subject in subjects:
            scene.set_json(f"annotations/Human36M_subject{subject}_{kind}.json", change)

    return insert


def cameras(change: Callable[[Entry], Entry], *subjects: int) -> Insert:
    """Change the fields of each camera."""

    def change_all(cameras: dict[str, Entry]) -> dict[str, Entry]:
        return {index: camera | change(camera) for index, camera in cameras.items()}

    return annotation_files("camera", change_all, subjects or SUBJECTS)


def joints(change: Callable[[Array], Array], *subjects: int) -> Insert:
    """Change the (frames, 17, 3) world joints of the test frames of each take."""

    def change_takes(content: Any) -> Any:
        for take in (take for subactions in content.values() for take in subactions.values()):
            tested = {frame: joints for frame, joints in take.items() if int(frame) % 64 == 0}
            changed = change(np.array(list(tested.values()), dtype=float))
            take.update({k: v.tolist() for k, v in zip(tested, changed, strict=True)})
        return content

    return annotation_files("joint_3d", change_takes, subjects or SUBJECTS)


def boxes(
    change: Callable[..., list[float]], *subjects: int, every: int = 1, **fields: Any
) -> Insert:
    """Change the boxes (x, y, w, h) of a subject's test images with these fields.

    ``every`` is 4 to change every fourth.
    """

    def change_all(data: Any) -> Any:
        images = {image["id"]: image for image in data["images"] if image["frame_idx"] % 64 == 0}
        tested = [entry for entry in data["annotations"] if entry["image_id"] in images]
        for entry in tested[::every]:
            if fields.items() <= images[entry["image_id"]].items():
                entry["bbox"] = change(*entry["bbox"])
        return data

    return annotation_files("data", change_all, subjects or SUBJECTS)


def rootnet(change: Callable[[Entry], Entry]) -> Insert:
    """Change the fields of each entry of RootNet's file."""
    return lambda scene: scene.set_json(ROOTNET, lambda entries: [e | change(e) for e in entries])
