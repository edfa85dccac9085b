"""A run with a fault in it, for those who want to look at its pages."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from convnextpose_check.miniature.build import cached_miniature
from convnextpose_check.pages import redraw
from convnextpose_check.paths import REPORT_FILE
from convnextpose_check.variants import REFERENCE
from tests.faults.fault import every_fault
from tests.faults.scene import Scene
from tests.support.texts import ROOT
from tests.support.trials import recorder_of


def write_faulty_report(title: str, folder: Path) -> Path:
    """Put the fault into the trained model's run, and draw its pages; returns the report."""
    (fault,) = (fault for fault in every_fault() if fault.title == title)
    with pytest.MonkeyPatch.context() as patch:
        scene = Scene(ROOT / "fixtures", cached_miniature(ROOT / "fixtures"), folder, patch)
        fault.put_in(scene)
        recorder = recorder_of(folder / "out")
        trial = dataclasses.replace(scene.trial(), on_outcome=recorder.hear)
        trial.judgement(REFERENCE)
        recorder.finish((), (), "")
    redraw(folder / "out")
    return folder / "out" / REPORT_FILE
