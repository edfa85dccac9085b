"""A small image file that would decode to gigabytes is refused in bounded memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import pytest

from tests.support.datasets import picture
from tests.support.processes import with_checkout

MEGABYTE = 1 << 20
SCRIPT = """
import sys
import cv2, numpy, simplejpeg
from dataclasses import replace
from pathlib import Path
from convnextpose_check.human36m.crops import read_crop
from convnextpose_check.human36m.samples import Sample
from tests.support.processes import peak_bytes
whole, hostile = (Path(name) for name in sys.argv[1:3])
side = int(sys.argv[3])
box = numpy.array([10, 10, 50, 50])
sample = Sample(1, whole, (100, 80), 9, "Posing", None, box, None, None)
assert read_crop(sample).problem is None
before = peak_bytes()
print(read_crop(replace(sample, path=hostile, size_px=(side, side) if side else (100, 80))).problem)
print(peak_bytes() - before)
"""


def encoded() -> bytes:
    return cv2.imencode(".jpg", picture(1))[1].tobytes()


def promising(side: int) -> bytes:
    """A JPEG whose header promises a square of this side."""
    content = encoded()
    place = content.index(b"\xff\xc0\x00\x11") + 5
    return content[:place] + side.to_bytes(2, "big") * 2 + content[place + 4 :]


def largest() -> bytes:
    """The most pixels, colors and scans that are decoded."""
    import numpy as np

    image = np.random.default_rng(0).integers(0, 256, (2048, 2048, 3)).astype(np.uint8)
    options = (
        cv2.IMWRITE_JPEG_PROGRESSIVE, 1,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    )  # fmt: skip
    return cv2.imencode(".jpg", image, options)[1].tobytes()


IMAGES: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "baseline": (lambda: promising(32_000), 0, "it is 32000x32000: expected 100x80"),
    "annotated": (
        lambda: promising(32_000),
        32_000,
        "it is 32000x32000, which is more than is decoded",
    ),
    "largest": (largest, 2048, "None"),
}


@pytest.mark.parametrize(("make", "side", "problem"), IMAGES.values(), ids=IMAGES)
def test_an_image_takes_little_memory(
    tmp_path: Path, make: Callable[[], bytes], side: int, problem: str
) -> None:
    whole, hostile = tmp_path / "whole.jpg", tmp_path / "hostile.jpg"
    whole.write_bytes(encoded())
    hostile.write_bytes(make())
    answer = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(whole), str(hostile), str(side)],
        capture_output=True, check=True, text=True, timeout=120, env=with_checkout(),
    ).stdout  # fmt: skip
    printed, more_bytes = answer.splitlines()
    assert printed == problem
    assert int(more_bytes) <= 3 * hostile.stat().st_size + 200 * MEGABYTE
