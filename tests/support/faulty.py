"""A run with a fault in it, for those who want to look at its pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from convnextpose_check.diagnosis.finished_run import of_earlier, with_causes
from convnextpose_check.miniature.build import cached_miniature
from convnextpose_check.pages import redraw
from convnextpose_check.paths import REPORT_FILE, Outputs
from convnextpose_check.results.results_file import write_results
from convnextpose_check.variants import REFERENCE
from tests.faults.fault import every_fault
from tests.faults.scene import Scene
from tests.support.runs import written_results
from tests.support.texts import ROOT


def write_faulty_report(title: str, folder: Path) -> Path:
    """Put the fault into the trained model's run, and draw its pages; returns the report."""
    (fault,) = (fault for fault in every_fault() if fault.title == title)
    with pytest.MonkeyPatch.context() as patch:
        scene = Scene(ROOT / "fixtures", cached_miniature(ROOT / "fixtures"), folder, patch)
        fault.put_in(scene)
        run = scene.run()
        run.judgement(REFERENCE)
        results = written_results(run)
        outputs = Outputs(run.settings.results_dir)
        told = {REFERENCE: of_earlier(outputs, results, run, REFERENCE)}
        write_results(with_causes(results, told), outputs.results)
    redraw(folder / "out")
    return folder / "out" / REPORT_FILE
