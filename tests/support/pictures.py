"""The README's pictures of the report: its top in both color schemes, and a rotating skeleton.

``python -m tests.support.pictures`` evaluates the synthetic models and writes the pictures of
their report to ``fixtures/pictures``.
"""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from selenium.webdriver.common.keys import Keys

from tests.support.browser import chromium, open_page
from tests.support.texts import ROOT

if TYPE_CHECKING:
    from selenium import webdriver

PICTURES = ROOT / "fixtures" / "pictures"
WIDTH_PX, HEIGHT_PX, SCALE = 1440, 720, 1.25
QUALITY = 80
ROTATION_STEPS, STEP_MS = 36, 120
"""Presses of an arrow key for a full rotation of the skeleton, and the time of each picture."""


def draw_head(chrome: webdriver.Chrome, report: Path, scheme: str) -> bytes:
    """The top of the report as WebP."""
    open_page(chrome, report, WIDTH_PX, scheme)
    clip = {"x": 0, "y": 0, "width": WIDTH_PX, "height": HEIGHT_PX, "scale": SCALE}
    wanted = {"format": "webp", "quality": QUALITY, "clip": clip, "captureBeyondViewport": True}
    answer = chrome.execute_cdp_cmd("Page.captureScreenshot", wanted)
    return base64.b64decode(answer["data"])


def draw_rotation(chrome: webdriver.Chrome, report: Path) -> bytes:
    """The first skeleton of the report, rotated once by the right arrow key, as animated WebP."""
    open_page(chrome, report, WIDTH_PX)
    skeleton = chrome.find_element("css selector", "svg.in-space")
    chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", skeleton)
    frames = []
    for _ in range(ROTATION_STEPS):
        skeleton.send_keys(Keys.ARROW_RIGHT)
        frames.append(Image.open(io.BytesIO(skeleton.screenshot_as_png)).convert("RGB"))
    animation = io.BytesIO()
    frames[0].save(
        animation, "WEBP", save_all=True, append_images=frames[1:], duration=STEP_MS, loop=0,
        quality=QUALITY,
    )  # fmt: skip
    return animation.getvalue()


def main() -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as chrome:
        run = [sys.executable, "-m", "pytest", "tests/validation", f"--results-dir={folder}"]
        subprocess.run(run, cwd=ROOT, check=True)
        for scheme in ("light", "dark"):
            picture = draw_head(chrome, Path(folder, "report.html"), scheme)
            (PICTURES / f"report-{scheme}.webp").write_bytes(picture)
        rotation = draw_rotation(chrome, Path(folder, "report.html"))
        (PICTURES / "skeleton.webp").write_bytes(rotation)


if __name__ == "__main__":
    main()
