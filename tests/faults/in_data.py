"""Faults of the data: annotations, images, boxes and crops."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec.structs import replace

from convnextpose_check.evaluation import one_pass
from convnextpose_check.human36m import crops, geometry, samples
from convnextpose_check.human36m.annotations import Image, SubjectFiles
from convnextpose_check.human36m.geometry import Array
from tests.faults.fault import fault
from tests.faults.scene import Scene

CAMERAS = "annotations/Human36M_subject9_camera.json"
ROOTNET = "bbox_root/bbox_root_human36m_output.json"


@fault("cameras of the other subject", "annotations", "check_joints_lie_in_boxes")
def cameras_of_the_other_subject(scene: Scene) -> None:
    folder = scene.own_dataset() / "annotations"
    files = [folder / f"Human36M_subject{subject}_camera.json" for subject in (9, 11)]
    first, second = (file.read_bytes() for file in files)
    files[0].write_bytes(second)
    files[1].write_bytes(first)


@fault("cameras as of before June 2020", "annotations", "check_joints_lie_in_boxes")
def old_cameras(scene: Scene) -> None:
    def moved(cameras: dict[str, Any]) -> dict[str, Any]:
        for camera in cameras.values():
            camera["t"] = (-np.transpose(camera["R"]) @ camera["t"]).tolist()
        return cameras

    scene.set_json(CAMERAS, moved)


@fault("two cameras swapped", "annotations", "check_joints_lie_in_boxes")
def cameras_swapped(scene: Scene) -> None:
    # These two have similar directions, so that their swap is the hardest to detect.
    scene.set_json(CAMERAS, lambda cameras: cameras | {"2": cameras["4"], "4": cameras["2"]})


@fault("every 63rd frame", "annotations", "check_dataset_is_complete")
def every_63rd_frame(scene: Scene) -> None:
    facts = replace(scene.record.dataset, frame_stride=63)
    scene.record = replace(scene.record, dataset=facts)


@fault("joints of the next test frame", "annotations", "check_error_is_within")
def joints_of_the_next_frame(scene: Scene) -> None:
    """The last test frame of a sequence keeps its joints."""
    joints_world_mm = SubjectFiles.joints_world_mm

    def find_next_joints(self: SubjectFiles, image: Image) -> Array | None:
        following = replace(image, frame_idx=image.frame_idx + self.stride)
        found = joints_world_mm(self, following)
        return joints_world_mm(self, image) if found is None else found

    scene.patch.setattr(SubjectFiles, "joints_world_mm", find_next_joints)


@fault("half of the samples", "annotations", "check_dataset_is_complete")
def half_of_the_samples(scene: Scene) -> None:
    scene.limit = 30


@fault("one image replaced by another", "images", "check_images_are_distinct")
@fault("one image replaced by another", "images", "check_error_is_within")
def one_image_replaced(scene: Scene) -> None:
    first, other = _images(scene)
    first.write_bytes(other.read_bytes())


@fault("one image cut off", "images", "check_evaluation_is_complete")
def one_image_cut_off(scene: Scene) -> None:
    first, _ = _images(scene)
    first.write_bytes(first.read_bytes()[:-1000])


@fault("a tenth of one image's data lost", "images", "check_images_are_undamaged")
def a_tenth_lost(scene: Scene) -> None:
    """The file has an end marker, so OpenCV decodes it without a warning."""
    first, _ = _images(scene)
    content = first.read_bytes()
    first.write_bytes(content[: len(content) * 9 // 10] + b"\xff\xd9")


@fault("EXIF orientation applied", "images", "check_evaluation_is_complete")
def exif_applied(scene: Scene) -> None:
    scene.patch.setattr("cv2.IMREAD_IGNORE_ORIENTATION", 0)


@fault("margin of 1.2", "boxes", "check_error_is_within")
def smaller_margin(scene: Scene) -> None:
    scene.patch.setattr(geometry, "BOX_MARGIN", 1.2)


@fault("box not squared", "boxes", "check_error_is_within")
def box_not_squared(scene: Scene) -> None:
    square_box = geometry.square_box

    def as_it_is(box_xywh_px: Array, width_px: int, height_px: int) -> Array | None:
        square = square_box(box_xywh_px, width_px, height_px)
        if square is None:
            return None
        sides = box_xywh_px[2:] / box_xywh_px[2:].max() * square[2:]
        return np.concatenate([square[:2] + (square[2:] - sides) / 2, sides])

    scene.patch.setattr(samples, "square_box", as_it_is)


@fault("RootNet's boxes grown once more", "boxes", "check_error_is_within", boxes="rootnet")
def rootnet_boxes_grown(scene: Scene) -> None:
    def grown(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for entry in entries:
            x, y, w, h = entry["bbox"]
            entry["bbox"] = [x - w / 8, y - h / 8, w * 1.25, h * 1.25]
        return entries

    scene.set_json(ROOTNET, grown)


@fault("RootNet's file of protocol 2", "boxes", "check_rootnet_file", protocol=1, boxes="rootnet")
def rootnet_of_the_other_protocol(scene: Scene) -> None:
    """The synthetic file is that of both protocols; these facts require another for protocol 1."""
    facts = scene.record.dataset
    protocol_1 = replace(facts.protocols[1], rootnet="Subject 11")
    facts = replace(facts, protocols=facts.protocols | {1: protocol_1})
    scene.record = replace(scene.record, dataset=facts)


@fault("pixels divided by 255", "crops", "check_error_is_within")
def divided_by_255(scene: Scene) -> None:
    scene.patch.setattr(one_pass, "to_input", lambda pixels: crops.to_input(pixels / 255))


@fault("blue first", "crops", "check_error_is_within")
def blue_first(scene: Scene) -> None:
    warp_box = crops.warp_box
    scene.patch.setattr(crops, "warp_box", lambda *given: warp_box(*given)[:, :, ::-1])


@fault("mean and std swapped", "crops", "check_error_is_within")
def mean_and_std_swapped(scene: Scene) -> None:
    mean, std = crops.PIXEL_MEAN_RGB, crops.PIXEL_STD_RGB
    scene.patch.setattr(crops, "PIXEL_MEAN_RGB", std)
    scene.patch.setattr(crops, "PIXEL_STD_RGB", mean)


@fault("cubic interpolation", "crops", "check_interpolation")
def cubic_interpolation(scene: Scene) -> None:
    import cv2

    scene.patch.setattr(cv2, "INTER_LINEAR", cv2.INTER_CUBIC)


@fault("border repeated instead of black", "crops", "check_error_is_within")
def border_repeated(scene: Scene) -> None:
    import cv2

    warp: Any = cv2.warpAffine

    def repeated(*given: Any, **options: Any) -> Any:
        return warp(*given, **options | {"borderMode": cv2.BORDER_REPLICATE})

    scene.patch.setattr(cv2, "warpAffine", repeated)


def _images(scene: Scene) -> tuple[Any, Any]:
    """Two images of the same size."""
    found = sorted((scene.own_dataset() / "images").rglob("*_ca_02_*.jpg"))
    return found[0], found[-1]
