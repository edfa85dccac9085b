"""The README's picture of the report, in the light and in the dark scheme.

``python -m tests.support.pictures`` judges the miniature and draws its report's head into
``fixtures/pictures``; with the path of a report it draws that one.
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
WIDTH_PX, HEIGHT_PX, SCALE = 1440, 890, 1.25
MAX_BYTES = 150_000
QUALITIES = (90, 80, 70, 60, 50, 40)


def picture_file(scheme: str) -> Path:
    """Where the picture of a scheme stands."""
    return PICTURES / f"report-{scheme}.webp"


def draw(chrome: webdriver.Chrome, report: Path, scheme: str) -> bytes:
    """The head of the report as WebP, as good as fits into ``MAX_BYTES``."""
    show(chrome, report, WIDTH_PX, scheme)
    clip = {"x": 0, "y": 0, "width": WIDTH_PX, "height": HEIGHT_PX, "scale": SCALE}
    for quality in QUALITIES:
        wanted = {"format": "webp", "quality": quality, "clip": clip, "captureBeyondViewport": True}
        answer = chrome.execute_cdp_cmd("Page.captureScreenshot", wanted)
        picture = base64.b64decode(answer["data"])
        if len(picture) < MAX_BYTES:
            return picture
    raise SystemExit(f"the {scheme} picture has {len(picture):,} bytes: draw a smaller one")


def main(report: Path) -> None:
    """Draw both pictures."""
    PICTURES.mkdir(exist_ok=True)
    with chromium() as chrome:
        for scheme in SCHEMES:
            picture_file(scheme).write_bytes(draw(chrome, report, scheme))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]).resolve())
    else:
        with tempfile.TemporaryDirectory() as folder:
            run = [sys.executable, "-m", "pytest", "tests/validation", f"--results-dir={folder}"]
            subprocess.run(run, cwd=ROOT, check=True)
            main(Path(folder) / REPORT_FILE)
