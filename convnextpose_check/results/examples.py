"""Sample poses for the report: the best, the median and the worst of a variant."""

import base64
from typing import Any, Literal

import numpy as np

from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.metrics import compared_poses_mm
from convnextpose_check.human36m.crops import Crop, read_crop
from convnextpose_check.human36m.geometry import (
    Array,
    camera_to_image,
    cells_to_crop,
    image_to_crop,
)
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.human36m.skeleton import ANNOTATED_JOINTS
from convnextpose_check.results.schema import Example


def find_examples(
    evaluation: Evaluation,
    dataset: Dataset,
    grid_whd: tuple[int, int, int],
    *,
    with_crops: bool,
) -> tuple[Example, ...]:
    """The best, the median and the three worst samples, by mean joint error.

    ``grid_whd`` is the size of the heatmaps in cells. ``with_crops`` adds the images.
    """
    samples = {sample.path.name: sample for sample in dataset.samples}
    order = np.argsort(evaluation.errors_mm.mean(axis=1), kind="stable")
    ranks: list[tuple[Literal["best", "median", "worst"], int]] = [
        ("best", order[0]),
        ("median", order[(len(order) - 1) // 2]),
    ]
    ranks += [("worst", index) for index in order[:-4:-1]]
    examples = []
    for rank, index in ranks:
        sample = samples[evaluation.file_names[index]]
        cells_xyz = evaluation.cells_xyz[index]
        truth_px = camera_to_image(sample.joints_cam_mm[:ANNOTATED_JOINTS], sample.camera)
        predicted_mm, truth_mm = compared_poses_mm(cells_xyz, sample, grid_whd, evaluation.protocol)
        examples.append(
            Example(
                rank=rank,
                image_id=sample.image_id,
                file_name=sample.path.name,
                action=sample.action,
                error_mm=float(evaluation.errors_mm[index].mean()),
                predicted_mm=_round_points(predicted_mm),
                truth_mm=_round_points(truth_mm),
                predicted_px=_round_points(cells_to_crop(cells_xyz, grid_whd)[:ANNOTATED_JOINTS]),
                truth_px=_round_points(image_to_crop(truth_px, sample.box_xywh_px)),
                crop_jpeg=_encode_jpeg(read_crop(sample)) if with_crops else None,
            )
        )
    return tuple(examples)


def _round_points(points: Array) -> Any:
    """Points (J, 2) or (J, 3) as a tuple of pairs or triples, rounded for a drawing."""
    return tuple(tuple(round(float(value), 2) for value in point) for point in points)


def _encode_jpeg(crop: Crop) -> str | None:
    """Encode the crop as a JPEG in base64; None if its image cannot be read any more."""
    import cv2

    if crop.pixels_rgb is None:
        return None
    image_bgr = np.ascontiguousarray(crop.pixels_rgb.transpose(1, 2, 0)[:, :, ::-1])
    written, content = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, 80])
    return base64.b64encode(content.tobytes()).decode("ascii") if written else None
