"""Faults of the data: annotations, images, boxes and crops."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from msgspec.structs import replace

from convnextpose_check.evaluation import one_pass
from convnextpose_check.human36m import crops, geometry, samples
from convnextpose_check.human36m.annotations import Image, SubjectFiles
from convnextpose_check.human36m.geometry import Array
from tests.faults import change
from tests.faults.change import Entry
from tests.faults.fault import Fault
from tests.faults.scene import Scene


def exchange_camera_files(scene: Scene) -> None:
    folder = scene.own_dataset() / "annotations"
    files = [folder / f"Human36M_subject{subject}_camera.json" for subject in (9, 11)]
    first, second = (file.read_bytes() for file in files)
    files[0].write_bytes(second)
    files[1].write_bytes(first)


def use_every_63rd_frame(scene: Scene) -> None:
    facts = replace(scene.record.dataset, frame_stride=63)
    scene.record = replace(scene.record, dataset=facts)


def find_next_joints(original: Any, files: SubjectFiles, image: Image) -> Array | None:
    """The last test frame of a sequence keeps its joints."""
    following = replace(image, frame_idx=image.frame_idx + files.stride)
    found: Array | None = original(files, following)
    return original(files, image) if found is None else found


def limit_samples(scene: Scene) -> None:
    scene.limit = 30


def list_images(scene: Scene) -> list[Path]:
    """Images of the same size."""
    return sorted((scene.own_dataset() / "images").rglob("*_ca_02_*.jpg"))


def replace_one_image(scene: Scene) -> None:
    first, *_, other = list_images(scene)
    first.write_bytes(other.read_bytes())


def cut_off_one_image(scene: Scene) -> None:
    first = list_images(scene)[0]
    first.write_bytes(first.read_bytes()[:-1000])


def drop_a_tenth(scene: Scene) -> None:
    """The file has an end marker, so OpenCV decodes it without a warning."""
    first = list_images(scene)[0]
    content = first.read_bytes()
    first.write_bytes(content[: len(content) * 9 // 10] + b"\xff\xd9")


def keep_sides(original: Any, box_xywh_px: Array, width_px: int, height_px: int) -> Array | None:
    square = original(box_xywh_px, width_px, height_px)
    if square is None:
        return None
    sides = box_xywh_px[2:] / box_xywh_px[2:].max() * square[2:]
    return np.concatenate([square[:2] + (square[2:] - sides) / 2, sides])


def grow_box(entry: Entry) -> Entry:
    x, y, w, h = entry["bbox"]
    return {"bbox": [x - w / 8, y - h / 8, w * 1.25, h * 1.25]}


def require_another_rootnet_file(scene: Scene) -> None:
    """The synthetic file is that of both protocols; these facts require another for protocol 1."""
    facts = scene.record.dataset
    protocol_1 = replace(facts.protocols[1], rootnet="Subject 11")
    facts = replace(facts, protocols=facts.protocols | {1: protocol_1})
    scene.record = replace(scene.record, dataset=facts)


def swap_mean_and_std(scene: Scene) -> None:
    mean, std = crops.PIXEL_MEAN_RGB, crops.PIXEL_STD_RGB
    scene.patch.setattr(crops, "PIXEL_MEAN_RGB", std)
    scene.patch.setattr(crops, "PIXEL_STD_RGB", mean)


FAULTS = [
    Fault("cameras of the other subject", "annotations", exchange_camera_files,
          "check_joints_lie_in_boxes", words="their boxes"),
    Fault("cameras as of before June 2020", "annotations",
          change.cameras(lambda camera:
                         {"t": (-np.transpose(camera["R"]) @ camera["t"]).tolist()}, 9),
          "check_joints_lie_in_boxes", words="their boxes|June 2020"),
    # These two have similar directions, so that their swap is the hardest to detect.
    Fault("two cameras swapped", "annotations",
          change.annotation_files("camera", lambda cameras:
                             cameras | {"2": cameras["4"], "4": cameras["2"]}, [9]),
          "check_joints_lie_in_boxes", words="their boxes"),
    Fault("every 63rd frame", "annotations", use_every_63rd_frame, "check_dataset_is_complete",
          words="samples were evaluated"),
    Fault("joints of the next test frame", "annotations",
          change.function("joints_world_mm", find_next_joints, SubjectFiles),
          words="test-frame offset of 1"),
    Fault("half of the samples", "annotations", limit_samples, "check_dataset_is_complete",
          words="samples were evaluated"),
    Fault("one image replaced by another", "images", replace_one_image, words="cop(y|ies) of"),
    Fault("one image replaced by another", "images", replace_one_image,
          "check_images_are_distinct"),
    Fault("one image cut off", "images", cut_off_one_image, "check_evaluation_is_complete"),
    Fault("a tenth of one image's data lost", "images", drop_a_tenth, "check_images_are_undamaged"),
    Fault("EXIF orientation applied", "images",
          change.attribute(cv2, "IMREAD_IGNORE_ORIENTATION", 0), "check_evaluation_is_complete"),
    Fault("margin of 1.2", "boxes", change.attribute(geometry, "BOX_MARGIN", 1.2),
          words="boxes grow by 1.2|box sides are multiplied by"),
    Fault("box not squared", "boxes", change.function("square_box", keep_sides, samples),
          words="keep the sides"),
    Fault("RootNet's boxes grown once more", "boxes", change.rootnet(grow_box),
          setting={"boxes": "rootnet"}, words="boxes grow twice|box"),
    Fault("RootNet's file of protocol 2", "boxes", require_another_rootnet_file,
          "check_rootnet_file", {"protocol": 1, "boxes": "rootnet"}),
    Fault("pixels divided by 255", "crops",
          change.function("to_input", lambda original, pixels: original(pixels / 255), one_pass),
          words="divided by 255"),
    Fault("blue first", "crops", change.crops(lambda crop: crop[:, :, ::-1]), words="blue first"),
    Fault("mean and std swapped", "crops", swap_mean_and_std, words="mean and std"),
    Fault("cubic interpolation", "crops", change.attribute(cv2, "INTER_LINEAR", cv2.INTER_CUBIC),
          "check_interpolation"),
    Fault("border repeated instead of black", "crops",
          change.function("warpAffine", lambda original, *given, **options: original(
              *given, **options | {"borderMode": cv2.BORDER_REPLICATE}), cv2), words="border"),
]  # fmt: skip
