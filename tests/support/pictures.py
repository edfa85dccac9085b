"""The README's pictures of reports, in the light and in the dark scheme.

``python -m tests.support.pictures`` evaluates the synthetic models and writes the head of the
report, and the causes of a run with a fault, to ``fixtures/pictures``.
"""

from __future__ import annotations

import base64
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from convnextpose_check.diagnosis.finished_run import of_earlier, with_causes
from convnextpose_check.miniature.build import cached_miniature
from convnextpose_check.pages import redraw
from convnextpose_check.paths import REPORT_FILE, Outputs
from convnextpose_check.results.results_file import write_results
from convnextpose_check.variants import REFERENCE
from tests.faults.fault import every_fault
from tests.faults.scene import Scene
from tests.support.browser import chromium, show
from tests.support.runs import written_results
from tests.support.texts import ROOT

if TYPE_CHECKING:
    from selenium import webdriver

PICTURES = ROOT / "fixtures" / "pictures"
SCHEMES = ("light", "dark")
KINDS = ("report", "cause")
WIDTH_PX, HEIGHT_PX, SCALE = 1440, 720, 1.25
CAUSE_WIDTH_PX, MARGIN_PX = 960, 16
MAX_BYTES = 100_000
QUALITIES = (90, 80, 70, 60, 50, 40)
FAULT = "left and right not swapped"


def picture_file(kind: str, scheme: str) -> Path:
    """Path of the picture of a scheme."""
    return PICTURES / f"{kind}-{scheme}.webp"


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


def draw_causes(chrome: webdriver.Chrome, report: Path, scheme: str) -> bytes:
    """The causes with their heading."""
    show(chrome, report, CAUSE_WIDTH_PX, scheme)
    top_px, bottom_px = chrome.execute_script(
        "const causes = document.querySelector('.causes');"
        "return [causes.previousElementSibling, causes].map((part, end) =>"
        " part.getBoundingClientRect()[end ? 'bottom' : 'top'] + scrollY)"
    )
    top_px -= MARGIN_PX
    return draw(chrome, top_px, CAUSE_WIDTH_PX, bottom_px + MARGIN_PX - top_px)


def write_faulty_report(folder: Path) -> Path:
    """Write the report of a run of the trained model with the fault; returns its path."""
    (fault,) = (fault for fault in every_fault() if fault.title == FAULT)
    with pytest.MonkeyPatch.context() as patch:
        scene = Scene(ROOT / "fixtures", cached_miniature(ROOT / "fixtures"), folder, patch)
        fault.put_in(scene)
        run = scene.run()
        run.judgement(REFERENCE)
        results, outputs = written_results(run), Outputs(run.settings.results_dir)
        causes = {REFERENCE: of_earlier(outputs, results, run, REFERENCE)}
        write_results(with_causes(results, causes), outputs.results)
    redraw(folder / "out")
    return folder / "out" / REPORT_FILE


def main() -> None:
    """Draw both pictures in both schemes."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, chromium() as chrome:
        run = [sys.executable, "-m", "pytest", "tests/validation", f"--results-dir={folder}/sound"]
        subprocess.run(run, cwd=ROOT, check=True)
        sound, faulty = Path(folder, "sound", REPORT_FILE), write_faulty_report(Path(folder))
        for scheme in SCHEMES:
            picture_file("report", scheme).write_bytes(draw_head(chrome, sound, scheme))
            picture_file("cause", scheme).write_bytes(draw_causes(chrome, faulty, scheme))


if __name__ == "__main__":
    main()
