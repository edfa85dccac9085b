"""Missing, damaged, truncated or wrongly sized images yield a problem, not pixels."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from convnextpose_check.human36m import crops
from convnextpose_check.human36m.crops import Crop, read_crop, warp_box
from convnextpose_check.human36m.samples import Sample, load_dataset
from tests.support.datasets import FACTS, HandmadeDataset, make_image

END = b"\xff\xd9"
SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x01\x01\x00"
"""A JPEG scan of one coefficient that covers no block."""

Read = Callable[[bytes], Crop]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    root = HandmadeDataset().write(tmp_path_factory.mktemp("handmade") / "set")
    return load_dataset(root, FACTS).samples[0]


@pytest.fixture
def read(sample: Sample, tmp_path: Path) -> Read:
    """Read the crop of a file with this content."""

    def read_content(content: bytes) -> Crop:
        (tmp_path / "image.jpg").write_bytes(content)
        return read_crop(replace(sample, path=tmp_path / "image.jpg"))

    return read_content


def encode_jpeg(*options: int, image: Any = None) -> bytes:
    image = make_image(1) if image is None else np.ascontiguousarray(image)
    return cv2.imencode(".jpg", image, options)[1].tobytes()


PLAIN = encode_jpeg()
CUT_OFF = "it is damaged (Premature end of JPEG file)"
UNUSABLE: list[tuple[bytes, str]] = [
    (b"\xff\xd8", "it is not a JPEG"),
    (b"\xff\xd8\xff\xe0", "it is damaged (tjDecompressHeader"),
    (PLAIN[: len(PLAIN) // 2], CUT_OFF),
    (PLAIN[:-2], CUT_OFF),
    (PLAIN[:-900] + bytes(900), CUT_OFF),
    # with a complete thumbnail in front
    (PLAIN[:2] + b"\xff\xe1\x00\x06" + END * 2 + PLAIN[2:-900], CUT_OFF),
    (PLAIN[:-2] + SCAN * 64 + END, "it has more than 64 scans"),
    (encode_jpeg(image=make_image(1)[:70, :90]), "it is 90x70 (cropped or rotated)"),
    (encode_jpeg(image=make_image(1)[:40, :50]), "it is 50x40 (resized): expected 100"),
    (encode_jpeg(image=make_image(1)[:33, :41]), "it is 41x33 (resized)"),
    (encode_jpeg(image=make_image(1)[:80, :80]), "it is 80x80 (made square)"),
    (encode_jpeg(image=make_image(1).transpose(1, 0, 2)), "it is 80x100 (cropped or rotated)"),
]


@pytest.mark.parametrize(("content", "problem"), UNUSABLE)
def test_read_crop_names_problem(read: Read, content: bytes, problem: str) -> None:
    crop = read(content)

    assert crop.pixels_rgb is None
    assert str(crop.problem).startswith(problem)
    assert crop.sha256 == hashlib.sha256(content).hexdigest()


def encode_with_pillow(mode: str = "RGB", kind: str = "JPEG", **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(make_image(1)).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


SCAN_START = PLAIN.index(b"\xff\xda")
MIDDLE = (SCAN_START + len(PLAIN)) // 2
RESTARTING = encode_jpeg(cv2.IMWRITE_JPEG_RST_INTERVAL, 3)
# 62 instead of 63 as last coefficient, which decoders ignore
ODD_HEADER = PLAIN[:SCAN_START] + PLAIN[SCAN_START:].replace(b"\0\x3f\0", b"\0\x3e\0", 1)
EXTRANEOUS = "extraneous bytes before marker"
USABLE: dict[str, tuple[bytes, str | None]] = {
    "half": (PLAIN[: len(PLAIN) // 2] + END, "premature end of data segment"),
    "zeros in it": (PLAIN[:MIDDLE] + bytes(500) + PLAIN[MIDDLE + 500 :], f"43 {EXTRANEOUS} 0xd9"),
    "a part lost": (RESTARTING.replace(b"\xff\xd2", b"", 1), f"589 {EXTRANEOUS} 0xd3"),
    "odd header": (ODD_HEADER, "Invalid SOS parameters for sequential JPEG"),
    "quality 1": (encode_jpeg(cv2.IMWRITE_JPEG_QUALITY, 1), None),
    "restarting": (RESTARTING, None),
    "progressive": (encode_jpeg(cv2.IMWRITE_JPEG_PROGRESSIVE, 1), None),
    "gray": (encode_with_pillow("L"), None),
    "CMYK": (encode_with_pillow("CMYK"), None),
    "4:4:4": (encode_with_pillow(subsampling=0), None),
    "profile and comment": (encode_with_pillow(icc_profile=bytes(99_999), comment=END * 99), None),
    "two pictures": (encode_with_pillow(kind="MPO"), None),
    "zeros behind": (PLAIN + bytes(70_000), None),
    "cut-off image behind": (PLAIN + PLAIN[:-900], None),
}


@pytest.mark.parametrize(("content", "warning"), USABLE.values(), ids=USABLE)
def test_read_crop_jpeg_is_decoded_like_opencv(
    sample: Sample, read: Read, content: bytes, warning: str | None
) -> None:
    image_bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert image_bgr is not None

    crop = read(content)

    assert (crop.problem, crop.warning) == (None, warning)
    expected_rgb = warp_box(image_bgr, sample.box_xywh_px)[:, :, ::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(crop.pixels_rgb, expected_rgb)


def test_read_crop_decoded_to_other_size_fails(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cv2.imdecode", lambda *_: make_image(1)[:40, :50])

    assert read(PLAIN).problem == "OpenCV cannot decode it"


def test_read_crop_too_many_pixels_are_not_decoded(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "large.jpg").write_bytes(
        encode_jpeg(image=np.zeros((2049, 2048, 3), dtype=np.uint8))
    )
    monkeypatch.setattr("cv2.imdecode", lambda *_: pytest.fail("the image was decoded"))

    crop = read_crop(replace(sample, path=tmp_path / "large.jpg", size_px=(2048, 2049)))

    assert crop.problem == "it is 2048x2049: over 4,194,304 pixels"


@pytest.mark.parametrize("extra", [0, 1])
def test_read_crop_too_large_fails(read: Read, monkeypatch: pytest.MonkeyPatch, extra: int) -> None:
    monkeypatch.setattr(crops, "MAX_FILE_BYTES", 1 << 20)

    crop = read(PLAIN.ljust((1 << 20) + extra, b"\0"))

    assert crop.problem == ("it has more than 1 MB" if extra else None)


@pytest.mark.parametrize(
    ("create", "problem"),
    [
        (lambda _path: None, "No such file or directory"),
        (Path.mkdir, "Is a directory"),
        (os.mkfifo, None),  # read_crop would block
    ],
)
def test_load_dataset_image_that_is_not_a_file_is_excluded(
    tmp_path: Path, create: Callable[[Path], None], problem: str | None
) -> None:
    handmade = HandmadeDataset()
    root = handmade.write(tmp_path / "set")
    path = root / "images" / handmade.image(203)["file_name"]
    sample = load_dataset(root, FACTS).samples[-1]
    path.unlink()
    create(path)

    dataset = load_dataset(root, FACTS)

    assert [(e.image_id, e.reason) for e in dataset.excluded] == [(203, "its file was not found")]
    if problem:
        assert read_crop(sample).problem == f"it cannot be read ({problem})"
