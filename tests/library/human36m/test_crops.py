"""From image file to network input: decoding, cutting out, colours and scale."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from convnextpose_check.checks import machine
from convnextpose_check.checks.machine import check_interpolation
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.human36m import crops
from convnextpose_check.human36m.crops import (
    READ_AHEAD,
    Crop,
    read_crop,
    read_crops,
    to_input,
    usable_input,
    warp_box,
)
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Sample, load_dataset
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.miniature.dataset import EXIF_QUARTER_TURN, TURNED_IMAGE, sequences
from convnextpose_check.miniature.record import read_record
from tests.support.datasets import FACTS, Handmade
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import cv2
    import torch
else:
    cv2 = Deferred("cv2")
    torch = Deferred("torch")

WHOLE = np.array([0.0, 0.0, 256.0, 256.0])
"""A box that is warped onto itself."""


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> tuple[Sample, ...]:
    root = Handmade().write(tmp_path_factory.mktemp("handmade") / "set")
    return load_dataset(root, FACTS).samples


@pytest.fixture(scope="module")
def turned(miniature: Miniature, fixtures: Path) -> Sample:
    subject, action, subaction, frame = TURNED_IMAGE
    sequence = next(s for s in sequences(subject) if (s.action, s.subaction) == (action, subaction))
    name = sequence.file_name(frame).split("/")[1]
    dataset = load_dataset(miniature.dataset, read_record(fixtures).dataset)
    return next(sample for sample in dataset.samples if sample.path.name == name)


def at(sample: Sample, path: Path, content: bytes) -> Sample:
    path.write_bytes(content)
    return replace(sample, path=path)


def test_exif_orientation_is_ignored(turned: Sample, tmp_path: Path) -> None:
    content = turned.path.read_bytes()
    upright = content.replace(EXIF_QUARTER_TURN, b"")
    assert len(upright) < len(content)
    oriented = cv2.imread(str(turned.path))
    assert oriented is not None
    assert oriented.shape[:2] == (1000, 1002), "the orientation has no effect"
    plain = read_crop(at(turned, tmp_path / "upright.jpg", upright)).pixels_rgb
    np.testing.assert_array_equal(read_crop(turned).pixels_rgb, plain)


def test_decoding_is_that_of_imread(turned: Sample) -> None:
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    image_bgr = cv2.imread(str(turned.path), flags)
    assert image_bgr is not None
    expected_rgb = warp_box(image_bgr, turned.box_xywh_px)[:, :, ::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(read_crop(turned).pixels_rgb, expected_rgb)


def test_colours_are_in_the_order_red_green_blue(
    samples: tuple[Sample, ...], tmp_path: Path
) -> None:
    image_bgr = np.full((256, 256, 3), (10, 20, 30), dtype=np.uint8)
    content = cv2.imencode(".jpg", image_bgr, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    plain = at(samples[0], tmp_path / "plain.jpg", content)
    sample = replace(plain, box_xywh_px=WHOLE, size_px=(256, 256))
    pixels = read_crop(sample).pixels_rgb
    assert pixels is not None
    assert pixels.shape == (3, 256, 256)
    assert pixels.dtype == np.uint8
    assert pixels[:, 100, 100].tolist() == [30, 20, 10]


def test_grey_image_has_three_equal_colours(samples: tuple[Sample, ...], tmp_path: Path) -> None:
    content = cv2.imencode(".jpg", np.full((80, 100), 77, dtype=np.uint8))[1].tobytes()
    pixels = read_crop(at(samples[0], tmp_path / "grey.jpg", content)).pixels_rgb
    assert pixels is not None
    assert pixels[:, 128, 128].tolist() == [77, 77, 77]


def test_box_of_the_inputs_size_is_copied() -> None:
    image = np.random.default_rng(0).integers(0, 256, (256, 256, 3)).astype(np.uint8)
    np.testing.assert_array_equal(warp_box(image, WHOLE), image)


def test_box_is_moved_and_scaled() -> None:
    """Twice the size: input pixel (2i, 2j) is image pixel (i + 40, j + 20)."""
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    warped = warp_box(image, np.array([20.0, 40.0, 128.0, 128.0]))
    np.testing.assert_array_equal(warped[::2, ::2], image[40:168, 20:148])


def test_outside_the_image_is_black() -> None:
    image = np.full((200, 200, 3), 255, dtype=np.uint8)
    warped = warp_box(image, np.array([-128.0, -64.0, 256.0, 256.0]))
    assert not warped[:63].any()
    assert not warped[:, :127].any()
    assert (warped[65:, 129:] == 255).all()


def test_box_far_outside_is_black_all_over() -> None:
    image = np.full((50, 50, 3), 255, dtype=np.uint8)
    assert not warp_box(image, np.array([500.0, 500.0, 20.0, 20.0])).any()


def test_input_is_normalised_on_the_scale_of_0_to_255() -> None:
    pixels = torch.zeros(1, 3, 256, 256, dtype=torch.uint8)
    pixels[0, :, 0, 0] = torch.tensor([255, 100, 7])
    prepared = to_input(pixels)
    assert prepared.dtype == torch.float32
    corner = [(255 - 0.485) / 0.229, (100 - 0.456) / 0.224, (7 - 0.406) / 0.225]
    assert prepared[0, :, 0, 0].tolist() == pytest.approx(corner, rel=1e-6)
    assert prepared[0, :, 9, 9].tolist() == pytest.approx(
        [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225], rel=1e-6
    )


@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_order_is_that_of_the_samples_with_any_number_of_workers(
    samples: tuple[Sample, ...], workers: int
) -> None:
    many = [samples[index % 6] for index in (*range(50), 3, 3, 1)]
    expected = {sample.image_id: read_crop(sample) for sample in samples}
    obtained = list(read_crops(many, workers))
    assert [crop.sample.image_id for crop in obtained] == [sample.image_id for sample in many]
    for crop in obtained:
        np.testing.assert_array_equal(crop.pixels_rgb, expected[crop.sample.image_id].pixels_rgb)
    assert len({crop.sha256 for crop in obtained}) == 6


@pytest.mark.parametrize(
    ("workers", "batch_size", "most"),
    [(1, 1, READ_AHEAD), (4, 1, 4 * READ_AHEAD), (1, 64, 2 * 64), (20, 4, 20 * READ_AHEAD)],
)
def test_only_a_few_crops_or_two_batches_are_read_ahead(
    samples: tuple[Sample, ...],
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    batch_size: int,
    most: int,
) -> None:
    taken = 0

    class Watched(tuple[Sample, ...]):
        def __iter__(self) -> Iterator[Sample]:
            nonlocal taken
            for sample in super().__iter__():
                taken += 1
                yield sample

    monkeypatch.setattr(crops, "read_crop", lambda sample: Crop(sample, None, ""))
    reader = read_crops(Watched(samples * 40), workers, batch_size)
    ahead = [taken - given for given, _ in enumerate(reader)]
    assert taken == 240
    assert max(ahead) == most


def test_each_reader_keeps_to_its_core(samples: tuple[Sample, ...]) -> None:
    """OpenCV would have each image shared out among all cores, by each of the readers."""
    import cv2

    cv2.setNumThreads(2)
    reader = read_crops(samples, 2)

    next(reader)
    assert cv2.getNumThreads() == 1
    reader.close()


def test_reading_stops_with_its_reader(
    samples: tuple[Sample, ...],
) -> None:
    before = threading.active_count()
    reader = read_crops(samples * 40, 2)
    next(reader)
    assert threading.active_count() > before
    reader.close()
    assert threading.active_count() == before


def test_this_opencv_interpolates_as_the_papers() -> None:
    assert check_interpolation() == cv2.__version__


def nearest(image_bgr: Array, box_xywh_px: Array) -> Array:
    x, y, w, h = box_xywh_px
    matrix = np.array([[256 / w, 0, -x * 256 / w], [0, 256 / h, -y * 256 / h]])
    return cv2.warpAffine(image_bgr, matrix, (256, 256), flags=cv2.INTER_NEAREST)


def one_level_off(image_bgr: Array, box_xywh_px: Array) -> Array:
    warped = warp_box(image_bgr, box_xywh_px)
    warped[128, 128, 1] ^= 1
    return warped


@pytest.mark.parametrize("warp", [nearest, one_level_off])
def test_another_interpolation_is_noticed(monkeypatch: pytest.MonkeyPatch, warp: object) -> None:
    monkeypatch.setattr(machine, "warp_box", warp)
    with pytest.raises(CheckFailedError, match="opencv-python-headless") as caught:
        check_interpolation()
    assert caught.value.code == "interpolation"
    assert str(caught.value.obtained).startswith("warped pattern ")
    assert caught.value.expected == "915caa2d"


def test_usable_input_leaves_out_what_cannot_be_used(
    samples: tuple[Sample, ...], tmp_path: Path
) -> None:
    empty = at(samples[1], tmp_path / "empty.jpg", b"")
    prepared, used = usable_input([samples[0], empty, samples[2]], torch.device("cpu"))

    assert [sample.image_id for sample in used] == [samples[0].image_id, samples[2].image_id]
    for shown, sample in zip(prepared, used, strict=True):
        pixels = read_crop(sample).pixels_rgb
        assert pixels is not None
        assert torch.equal(shown, to_input(torch.from_numpy(pixels)[None])[0])

    with pytest.raises(
        ConvNeXtPoseCheckError, match=r"none of empty\.jpg, empty\.jpg can"
    ) as caught:
        usable_input([empty, empty], torch.device("cpu"))
    assert caught.value.code == "no-data"
