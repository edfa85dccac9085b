"""From image file to network input: decode, crop, normalize, read ahead."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.human36m import crops
from convnextpose_check.human36m.crops import (
    READ_AHEAD,
    Crop,
    load_inputs,
    read_crop,
    read_crops,
    to_input,
    warp_box,
)
from convnextpose_check.human36m.samples import Sample, load_dataset
from tests.support.datasets import FACTS, HandmadeDataset

Samples = tuple[Sample, ...]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    root = HandmadeDataset().write(tmp_path_factory.mktemp("handmade") / "set")
    return load_dataset(root, FACTS).samples


def test_warp_box_is_moved_and_scaled_and_black_outside_image() -> None:
    """At twice the size, input pixel (2i, 2j) is image pixel (i + 40, j + 20)."""
    image = np.random.default_rng(0).integers(0, 256, (300, 300, 3)).astype(np.uint8)
    white = np.full((200, 200, 3), 255, dtype=np.uint8)

    warped = warp_box(image, np.array([20.0, 40.0, 128.0, 128.0]))
    outside = warp_box(white, np.array([-128.0, -64.0, 256.0, 256.0]))

    np.testing.assert_array_equal(warped[::2, ::2], image[40:168, 20:148])
    assert not outside[:63].any()
    assert not outside[:, :127].any()
    assert (outside[65:, 129:] == 255).all()


def test_to_input_normalizes_values_of_0_to_255() -> None:
    pixels = torch.zeros(1, 3, 256, 256, dtype=torch.uint8)
    pixels[0, :, 0, 0] = torch.tensor([255, 100, 7])

    prepared = to_input(pixels)

    assert prepared.dtype == torch.float32
    corner = [(255 - 0.485) / 0.229, (100 - 0.456) / 0.224, (7 - 0.406) / 0.225]
    assert prepared[0, :, 0, 0].tolist() == pytest.approx(corner, rel=1e-6)
    black = [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    assert prepared[0, :, 9, 9].tolist() == pytest.approx(black, rel=1e-6)


def test_read_crops_keep_order_of_samples(samples: Samples) -> None:
    many = [samples[index % 6] for index in (*range(20), 3, 3, 1)]
    expected = {sample.image_id: read_crop(sample) for sample in samples}

    obtained = list(read_crops(many, workers=3))

    assert [crop.sample.image_id for crop in obtained] == [sample.image_id for sample in many]
    for crop in obtained:
        np.testing.assert_array_equal(crop.pixels_rgb, expected[crop.sample.image_id].pixels_rgb)
    assert len({crop.sha256 for crop in obtained}) == 6


@pytest.mark.parametrize(
    ("workers", "batch_size", "limit"),
    [(1, 1, READ_AHEAD), (4, 1, 4 * READ_AHEAD), (1, 64, 2 * 64), (20, 4, 20 * READ_AHEAD)],
)
def test_read_crops_read_ahead_is_limited(
    samples: Samples, monkeypatch: pytest.MonkeyPatch, workers: int, batch_size: int, limit: int
) -> None:
    read_count = 0

    def count_samples() -> Iterator[Sample]:
        nonlocal read_count
        for sample in samples * 40:
            read_count += 1
            yield sample

    monkeypatch.setattr(crops, "read_crop", lambda sample: Crop(sample, None, ""))

    reader = read_crops(count_samples(), workers, batch_size)  # type: ignore[arg-type]  # only iterated

    assert max(read_count - read for read, _ in enumerate(reader)) == limit
    assert read_count == 240


def test_read_crops_use_one_core_each_and_stop_with_reader(samples: Samples) -> None:
    cv2.setNumThreads(2)
    before = threading.active_count()
    reader = read_crops(samples * 40, 2)

    next(reader)

    assert cv2.getNumThreads() == 1
    assert threading.active_count() > before
    reader.close()
    assert threading.active_count() == before


def test_load_inputs_skips_unusable_images(samples: Samples, tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").write_bytes(b"")
    empty = replace(samples[1], path=tmp_path / "empty.jpg")

    prepared, used = load_inputs([samples[0], empty, samples[2]], torch.device("cpu"))

    assert [sample.image_id for sample in used] == [samples[0].image_id, samples[2].image_id]
    for obtained, sample in zip(prepared, used, strict=True):
        assert torch.equal(obtained, to_input(torch.from_numpy(read_crop(sample).pixels_rgb)))
    with pytest.raises(ConvNeXtPoseCheckError, match=r"none of empty\.jpg, empty\.jpg") as caught:
        load_inputs([empty, empty], torch.device("cpu"))
    assert caught.value.code == "data-not-found"
