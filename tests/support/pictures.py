"""The README's pictures of reports, in the light and in the dark scheme.

``python -m tests.support.pictures`` evaluates the synthetic models and writes the head of the
report to ``fixtures/pictures``.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from convnextpose_check.paths import REPORT_FILE
from tests.support.browser import chromium, show
from tests.support.texts import ROOT

if TYPE_CHECKING:
    from selenium import webdriver

PICTURES = ROOT / "fixtures" / "pictures"
SCHEMES = ("light", "dark")
WIDTH_PX, HEIGHT_PX, SCALE = 1440, 720, 1.25
MAX_BYTES = 100_000
QUALITIES = (90, 80, 70, 60, 50, 40)


def picture_file(scheme: str) -> Path:
    """The picture of a scheme."""
    return PICTURES / f"report-{scheme}.webp"


def draw(chrome: webdriver.Chrome, top_px: float, width_px: float, height_px: float) -> bytes:
    """This part of the page as WebP, in the best quality that fits into ``MAX_BYTES``."""
    clip = {"x": 0, "y": top_px, "width": width_px, "height": height_px, "scale": SCALE}
    for quality in QUALITIES:
        wanted = {"format": "webp", "quality": quality, "clip": clip, "captureBeyondViewport": True}
        answer = chrome.execute_cdp_cmd("Page.captureScreenshot", wanted)
        picture = base64.b64decode(answer["data"])
        if len(picture) < MAX_BYTES:
            return picture
    raise SystemExit(f"a picture has {len(picture):,} bytes: draw a smaller one")


def draw_head(chrome: webdriver.Chrome, report: Path, scheme: str) -> bytes:
    """The head of the report."""
    show(chrome, report, WIDTH_PX, scheme)
    return draw(chrome, 0, WIDTH_PX, HEIGHT_PX)


def main() -> None:
    """Draw the picture in both schemes."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as chrome:
        run = [sys.executable, "-m", "pytest", "tests/validation", f"--results-dir={folder}"]
        subprocess.run(run, cwd=ROOT, check=True)
        report = Path(folder, REPORT_FILE)
        for scheme in SCHEMES:
            picture_file(scheme).write_bytes(draw_head(chrome, report, scheme))


if __name__ == "__main__":
    main()
