"""A small image file that would decode to gigabytes is refused in bounded memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.support.datasets import picture
from tests.support.processes import with_checkout

MEGABYTE = 1 << 20
SCRIPT = """
import sys
import cv2, simplejpeg
from pathlib import Path
from convnextpose_check.human36m.jpegs import UnusableImageError, decode_jpeg
from tests.support.processes import peak_bytes
whole, hostile = (Path(name).read_bytes() for name in sys.argv[1:3])
decode_jpeg(whole, (100, 80))
before = peak_bytes()
try:
    decode_jpeg(hostile, (int(sys.argv[3]),) * 2)
    print("decoded")
except UnusableImageError as error:
    print(error)
print(peak_bytes() - before)
"""


def promising(side: int) -> bytes:
    """A JPEG whose header promises a square of this side."""
    content = cv2.imencode(".jpg", picture(1))[1].tobytes()
    place = content.index(b"\xff\xc0\x00\x11") + 5
    return content[:place] + side.to_bytes(2, "big") * 2 + content[place + 4 :]


def largest() -> bytes:
    """The most pixels, colors and scans that are decoded."""
    image = np.random.default_rng(0).integers(0, 256, (2048, 2048, 3)).astype(np.uint8)
    options = (
        cv2.IMWRITE_JPEG_PROGRESSIVE, 1,
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
    )  # fmt: skip
    return cv2.imencode(".jpg", image, options)[1].tobytes()


@pytest.mark.slow  # tests/library/human36m/test_jpegs.py has the quick tests
@pytest.mark.parametrize(
    ("side", "outcome"),
    [(32_000, "it is 32000x32000, which is more than is decoded"), (2048, "decoded")],
)
def test_decode_jpeg_takes_little_memory(tmp_path: Path, side: int, outcome: str) -> None:
    whole, hostile = tmp_path / "whole.jpg", tmp_path / "hostile.jpg"
    cv2.imwrite(str(whole), picture(1))
    hostile.write_bytes(largest() if outcome == "decoded" else promising(side))

    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(whole), str(hostile), str(side)],
        env=with_checkout(), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert run.returncode == 0, run.stderr
    printed, more_bytes = run.stdout.splitlines()
    assert printed == outcome
    assert int(more_bytes) <= 3 * hostile.stat().st_size + 200 * MEGABYTE
