"""Image files that are missing, broken, cut off or of another size: left out with their reason."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from convnextpose_check.human36m.crops import planes_rgb, read_crop, warp_box
from convnextpose_check.human36m.jpegs import MAX_FILE_BYTES
from convnextpose_check.human36m.samples import Sample, load_dataset
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.network.layout import build_network
from convnextpose_check.variants import Architecture
from tests.support.datasets import FACTS, Handmade, picture
from tests.support.deferred import Deferred
from tests.support.runs import evaluation_of

if TYPE_CHECKING:
    import cv2
    import torch
else:
    cv2 = Deferred("cv2")
    torch = Deferred("torch")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return Handmade().write(tmp_path / "set")


@pytest.fixture
def sample(root: Path) -> Sample:
    return load_dataset(root, FACTS).samples[0]


def at(sample: Sample, path: Path, content: bytes) -> Sample:
    path.write_bytes(content)
    return replace(sample, path=path)


@pytest.mark.parametrize("kind", ["folder", "loop", "pipe"])
def test_image_that_is_no_file_is_excluded(tmp_path: Path, kind: str) -> None:
    made = Handmade()
    root = made.write(tmp_path / "set")
    path = root / "images" / made.image(203)["file_name"]
    path.unlink()
    if kind == "folder":
        path.mkdir()
    elif kind == "loop":
        path.symlink_to(path)
    else:
        os.mkfifo(path)
    dataset = load_dataset(root, FACTS)
    assert [(e.image_id, e.reason) for e in dataset.excluded] == [(203, "there is no such image")]


def jpeg(width: int = 100, height: int = 80, turned: bool = False) -> bytes:
    image = picture(1)[:height, :width]
    image = image.transpose(1, 0, 2) if turned else image
    return cv2.imencode(".jpg", np.ascontiguousarray(image))[1].tobytes()


def progressive() -> bytes:
    return cv2.imencode(".jpg", picture(1), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()


END = b"\xff\xd9"


def with_scans(content: bytes, count: int) -> bytes:
    """A progressive JPEG that ends, as it should, but has only the first of its scans."""
    ends = [found.start() for found in re.finditer(rb"\xff[\xc4\xda\xd9]", content)]
    starts = [found.start() for found in re.finditer(rb"\xff\xda", content)]
    assert count < len(starts)
    return content[: min(end for end in ends if end > starts[count - 1])] + END


def with_size(content: bytes, width: int, height: int) -> bytes:
    """The JPEG with another size in its header."""
    frame = re.search(rb"\xff[\xc0\xc2]\x00\x11\x08", content)
    assert frame is not None
    sides = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return content[: frame.end()] + sides + content[frame.end() + 4 :]


def restarting() -> bytes:
    return cv2.imencode(".jpg", picture(1), [cv2.IMWRITE_JPEG_RST_INTERVAL, 3])[1].tobytes()


def zeroed(content: bytes, count: int) -> bytes:
    """Zeros in the middle of the only scan."""
    middle = (content.index(b"\xff\xda") + len(content)) // 2
    return content[:middle] + bytes(count) + content[middle + count :]


SCAN = b"\xff\xda\x00\x08\x01\x01\x00\x01\x01\x00"
"""Brings the first coefficient behind the mean of the first component, of no block."""

SEGMENT = b"\xff\xfe\x00\x02"
"""An empty comment."""

NO_IMAGES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "it is no JPEG"),
    "web-page": (lambda: b"<!DOCTYPE html>", "it is no JPEG"),
    "header-alone": (lambda: b"\xff\xd8\xff\xe0", "it is cut off"),
    "half": (lambda: jpeg()[: len(jpeg()) // 2], "it is cut off"),
    "two-bytes-short": (lambda: jpeg()[:-2], "it is cut off"),
    "filled-up": (lambda: jpeg()[:-900] + bytes(900), "it is cut off"),
    "half-behind-a-whole-thumbnail": (
        lambda: jpeg()[:2] + b"\xff\xe1\x00\x06\xff\xd9\xff\xd9" + jpeg()[2:-900],
        "it is cut off",
    ),
    "first-scan-alone": (lambda: with_scans(progressive(), 1), "it lacks scans"),
    "last-scan-missing": (lambda: with_scans(progressive(), 9), "it lacks scans"),
    "no-frame": (lambda: b"\xff\xd8\xff\xe0\x00\x02" + END, "it lacks scans"),
    "no-scan": (lambda: jpeg()[: jpeg().index(b"\xff\xda")] + END, "it lacks scans"),
    "frame-garbled": (
        lambda: b"\xff\xd8\xff\xc0\x00\x03\x08" + END,
        "it is damaged (a header is garbled)",
    ),
    "scan-of-no-component": (
        lambda: jpeg().replace(b"\xff\xda\x00\x0c\x03\x01", b"\xff\xda\x00\x0c\x03\x09"),
        "it is damaged (a header is garbled)",
    ),
    "too-many-scans": (
        lambda: with_scans(progressive(), 1)[:-2] + SCAN * 64 + END,
        "it has more than 64 scans",
    ),
    "too-many-markers": (
        lambda: jpeg()[:2] + SEGMENT * 1000 + jpeg()[2:],
        "it has more than 1000 markers",
    ),
    "small": (lambda: jpeg(90, 70), "it is 90x70: expected 100x80"),
    "turned": (lambda: jpeg(turned=True), "it is 80x100: expected 100x80"),
}


@pytest.mark.parametrize(("make", "problem"), NO_IMAGES.values(), ids=NO_IMAGES)
def test_file_without_its_image_has_a_problem_in_place_of_pixels(
    sample: Sample, tmp_path: Path, make: Callable[[], bytes], problem: str
) -> None:
    content = make()
    crop = read_crop(at(sample, tmp_path / "no.jpg", content))
    assert (crop.pixels_rgb, crop.problem) == (None, problem)
    assert crop.sha256 == hashlib.sha256(content).hexdigest()


DAMAGED: dict[str, tuple[Callable[[], bytes], str]] = {
    "half-and-an-end": (
        lambda: jpeg()[: len(jpeg()) // 2] + END,
        "premature end of data segment",
    ),
    "zeros-in-the-scan": (
        lambda: zeroed(jpeg(), 500),
        "43 extraneous bytes before marker 0xd9",
    ),
    "more-data-than-blocks": (
        lambda: jpeg()[:-2] + b"\x55" * 99 + END,
        "96 extraneous bytes before marker 0xd9",
    ),
    "restart-missing": (
        lambda: restarting().replace(b"\xff\xd2", b"", 1),
        "589 extraneous bytes before marker 0xd3",
    ),
}


@pytest.mark.parametrize(("make", "warning"), DAMAGED.values(), ids=DAMAGED)
def test_damaged_image_is_used_as_opencv_decodes_it_and_libjpegs_warning_is_kept(
    sample: Sample, tmp_path: Path, make: Callable[[], bytes], warning: str
) -> None:
    content = make()
    crop = read_crop(at(sample, tmp_path / "damaged.jpg", content))

    image_bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    assert image_bgr is not None
    expected = planes_rgb(warp_box(image_bgr, sample.box_xywh_px))
    assert crop.pixels_rgb is not None
    np.testing.assert_array_equal(crop.pixels_rgb, expected)
    assert (crop.problem, crop.warning) == (None, warning)


FORMATS = ("png", "bmp", "tiff", "webp", "jp2", "ppm", "pfm", "hdr", "gif", "avif", "ras")
"""All that OpenCV opens, whatever the file is called."""


@pytest.mark.parametrize("kind", FORMATS)
def test_image_that_is_no_jpeg_is_refused_undecoded(
    sample: Sample, tmp_path: Path, kind: str
) -> None:
    image = picture(1).astype(np.float32) if kind in ("pfm", "hdr") else picture(1)
    try:
        content = cv2.imencode(f".{kind}", image)[1].tobytes()
    except (cv2.error, AttributeError):
        pytest.skip(f"this OpenCV writes no {kind}")
    assert read_crop(at(sample, tmp_path / "no.jpg", content)).problem == "it is no JPEG"


@pytest.fixture
def decoded_bytes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the files that OpenCV is given from now on."""
    given: list[int] = []
    imdecode: Any = cv2.imdecode

    def counted(content: Any, flags: int) -> Any:
        given.append(len(content))
        return imdecode(content, flags)

    monkeypatch.setattr("cv2.imdecode", counted)
    return given


def test_image_of_another_size_is_refused_undecoded(
    sample: Sample, tmp_path: Path, decoded_bytes: list[int]
) -> None:
    read_crop(at(sample, tmp_path / "right.jpg", jpeg()))
    assert len(decoded_bytes) == 1
    content = with_size(jpeg(), 32_000, 32_000)
    crop = read_crop(at(sample, tmp_path / "large.jpg", content))
    assert crop.problem == "it is 32000x32000: expected 100x80"
    assert len(decoded_bytes) == 1


@pytest.mark.parametrize(
    ("size_px", "problem"),
    [
        ((2048, 2049), "it is 2048x2049, which is more than is decoded"),
        ((32_000, 32_000), "it is 32000x32000, which is more than is decoded"),
    ],
)
def test_size_that_is_annotated_is_bounded_too(
    sample: Sample,
    tmp_path: Path,
    decoded_bytes: list[int],
    size_px: tuple[int, int],
    problem: str,
) -> None:
    content = with_size(jpeg(), *size_px)
    sample = replace(at(sample, tmp_path / "large.jpg", content), size_px=size_px)
    assert read_crop(sample).problem == problem
    assert decoded_bytes == []


@pytest.mark.parametrize("beyond", [0, 1])
def test_file_is_read_up_to_its_bound(sample: Sample, tmp_path: Path, beyond: int) -> None:
    sample = at(sample, tmp_path / "long.jpg", jpeg())
    with sample.path.open("r+b") as file:
        file.truncate(MAX_FILE_BYTES + beyond)
    crop = read_crop(sample)
    assert crop.problem == (f"it has more than {MAX_FILE_BYTES >> 20} MB" if beyond else None)


@pytest.mark.parametrize("behind", ["newline", "zeros", "cut-off-image", "marks"])
def test_whole_image_with_bytes_behind_it_is_whole(
    sample: Sample, tmp_path: Path, behind: str
) -> None:
    more = {
        "newline": b"\n",
        "zeros": bytes(70_000),
        "cut-off-image": jpeg()[:-900],
        "marks": b"\xff\xda\xff\xd8",
    }
    plain = read_crop(at(sample, tmp_path / "plain.jpg", jpeg()))
    crop = read_crop(at(sample, tmp_path / "longer.jpg", jpeg() + more[behind]))
    assert crop.problem is None
    np.testing.assert_array_equal(crop.pixels_rgb, plain.pixels_rgb)


def by_opencv(*options: int) -> bytes:
    return cv2.imencode(".jpg", picture(1), options)[1].tobytes()


def by_pillow(mode: str = "RGB", kind: str = "JPEG", **options: object) -> bytes:
    from PIL import Image

    stream = io.BytesIO()
    image = Image.fromarray(picture(1)).convert(mode)
    image.save(stream, kind, **options)
    return stream.getvalue()


def by_simplejpeg(subsampling: str) -> bytes:
    import simplejpeg

    image = np.ascontiguousarray(picture(1))
    return bytes(simplejpeg.encode_jpeg(image, quality=90, colorsubsampling=subsampling))


WHOLE: dict[str, Callable[[], bytes]] = {
    "quality-1": lambda: by_opencv(cv2.IMWRITE_JPEG_QUALITY, 1),
    "quality-100": lambda: by_opencv(cv2.IMWRITE_JPEG_QUALITY, 100),
    "restarting": lambda: by_opencv(cv2.IMWRITE_JPEG_RST_INTERVAL, 3),
    "progressive": lambda: by_opencv(cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "progressive-restarting": lambda: by_opencv(
        cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 3
    ),
    "optimised": lambda: by_opencv(cv2.IMWRITE_JPEG_OPTIMIZE, 1),
    "grey": lambda: by_pillow("L"),
    "grey-progressive": lambda: by_pillow("L", progressive=True),
    "cmyk": lambda: by_pillow("CMYK"),
    "kept-as-rgb": lambda: by_pillow(keep_rgb=True),
    "4:4:4": lambda: by_pillow(subsampling=0),
    "4:2:2": lambda: by_simplejpeg("422"),
    "4:4:0": lambda: by_simplejpeg("440"),
    "4:1:1": lambda: by_simplejpeg("411"),
    "profile-and-comment": lambda: by_pillow(icc_profile=bytes(200_000), comment=b"\xff\xd9" * 99),
    "two-pictures": lambda: by_pillow(kind="MPO"),
    "grey-in-blocks-of-four": lambda: by_pillow("L").replace(
        b"\x01\x01\x11\x00", b"\x01\x01\x22\x00"
    ),
    "fill-bytes": lambda: jpeg()[:-2] + b"\xff\xff" + jpeg()[-2:],
}


@pytest.mark.parametrize("make", WHOLE.values(), ids=WHOLE)
def test_whole_image_of_any_kind_is_as_opencv_reads_it(
    sample: Sample, tmp_path: Path, make: Callable[[], bytes]
) -> None:
    crop = read_crop(at(sample, tmp_path / "any.jpg", make()))
    image_bgr = cv2.imread(str(tmp_path / "any.jpg"))
    assert crop.problem is None
    assert image_bgr is not None
    expected_rgb = warp_box(image_bgr, sample.box_xywh_px)[:, :, ::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(crop.pixels_rgb, expected_rgb)


def test_file_that_is_gone_has_no_pixels(sample: Sample, tmp_path: Path) -> None:
    crop = read_crop(replace(sample, path=tmp_path / "gone.jpg"))
    assert crop.pixels_rgb is None
    assert crop.problem == "it cannot be read (No such file or directory)"


@pytest.mark.parametrize("place", ["folder", "loop"])
def test_what_took_the_place_of_a_file_is_told(sample: Sample, tmp_path: Path, place: str) -> None:
    path = tmp_path / "image.jpg"
    if place == "folder":
        path.mkdir()
    else:
        path.symlink_to(path)
    problem = {"folder": "Is a directory", "loop": "Too many levels of symbolic links"}[place]
    assert read_crop(replace(sample, path=path)).problem == f"it cannot be read ({problem})"


LEFT_OUT: dict[str, tuple[str, Callable[[Path], object]]] = {
    "gone": ("it cannot be read (No such file or directory)", Path.unlink),
    "cut-off": ("it is cut off", lambda path: path.write_bytes(path.read_bytes()[:-100])),
    "small": (
        "it is 50x40: expected 100x80",
        lambda path: cv2.imwrite(str(path), picture(1)[:40, :50]),
    ),
}


@pytest.mark.parametrize(("reason", "spoil"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_image_that_is_not_the_annotated_one_is_left_out_with_its_reason(
    tiny: Architecture, root: Path, reason: str, spoil: Callable[[Path], object]
) -> None:
    dataset = load_dataset(root, FACTS)
    spoiled = dataset.samples[3]
    spoil(spoiled.path)
    cpu = torch.device("cpu")
    network = build_network(tiny, seeded_state(tiny, 1), cpu)
    evaluation = evaluation_of(network, dataset, cpu, flip=False, batch_size=4, workers=2)
    assert evaluation.errors_mm.shape == (5, 17)
    assert not evaluation.complete
    (exclusion,) = evaluation.unreadable
    assert (exclusion.image_id, exclusion.reason) == (spoiled.image_id, reason)
    assert exclusion.file_name == spoiled.path.name
