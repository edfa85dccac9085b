"""Image files that are missing, broken, cut off or of another size: left out with their reason."""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from convnextpose_check.crops import read_crop
from convnextpose_check.human36m import Sample, load_dataset
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.models import build_network
from convnextpose_check.one_pass import evaluate
from convnextpose_check.variants import Architecture
from tests.library.datasets import FACTS, Handmade, picture
from tests.library.deferred import Deferred

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


def giant_png() -> bytes:
    """A PNG whose header promises more pixels than OpenCV agrees to hold."""
    header = struct.pack(">IIBBBBB", 70_000, 70_000, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", b""), (b"IEND", b"")]
    chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg(width: int = 100, height: int = 80, turned: bool = False) -> bytes:
    image = picture(1)[:height, :width]
    image = image.transpose(1, 0, 2) if turned else image
    return cv2.imencode(".jpg", np.ascontiguousarray(image))[1].tobytes()


NO_IMAGES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "it is no image"),
    "web-page": (lambda: b"<!DOCTYPE html>", "it is no image"),
    "giant": (giant_png, "it is no image"),
    "header-alone": (lambda: b"\xff\xd8\xff\xe0", "it is cut off"),
    "half": (lambda: jpeg()[: len(jpeg()) // 2], "it is cut off"),
    "two-bytes-short": (lambda: jpeg()[:-2], "it is cut off"),
    "filled-up": (lambda: jpeg()[:-900] + bytes(900), "it is cut off"),
    "half-behind-a-whole-thumbnail": (
        lambda: jpeg()[:2] + b"\xff\xe1\x00\x06\xff\xd9\xff\xd9" + jpeg()[2:-900],
        "it is cut off",
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


@pytest.mark.parametrize("progressive", [0, 1])
@pytest.mark.parametrize("restart", [0, 3])
def test_whole_image_of_any_kind_is_whole(
    sample: Sample, tmp_path: Path, progressive: int, restart: int
) -> None:
    options = [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive, cv2.IMWRITE_JPEG_RST_INTERVAL, restart]
    content = cv2.imencode(".jpg", picture(1), options)[1].tobytes()
    assert read_crop(at(sample, tmp_path / "any.jpg", content)).problem is None


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
    evaluation = evaluate(network, dataset, cpu, flip=False, batch_size=4, workers=2)
    assert evaluation.errors_mm.shape == (5, 17)
    assert not evaluation.complete
    (exclusion,) = evaluation.unreadable
    assert (exclusion.image_id, exclusion.reason) == (spoiled.image_id, reason)
    assert exclusion.file_name == spoiled.path.name
