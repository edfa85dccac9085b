"""Runs of minutes: the size of the real data, and every recorded setting."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from convnextpose_check.human36m.samples import read_facts
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.miniature.record import measure, read_record
from convnextpose_check.variants import Architecture
from tests.support.full_size import write_full_size, write_own_model
from tests.support.whole_runs import Ended, RunTests

pytestmark = pytest.mark.slow


def test_every_recorded_setting_is_met(fixtures: Path) -> None:
    record = read_record(fixtures)

    measured = measure(fixtures, record.dataset)

    assert measured.keys() == record.errors_mm.keys()
    for setting, errors_mm in measured.items():
        assert errors_mm == pytest.approx(record.errors_mm[setting], abs=record.tolerance_mm)


def test_complete_set_passes_the_gate_exactly_when_the_reference_is_met(
    run_tests: RunTests,
    miniature: Miniature,
    tiny: Architecture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Through the same tests as the published models: 8,695 samples."""
    monkeypatch.setattr("convnextpose_check.run.target.read_facts", read_facts)
    write_full_size(miniature.dataset, read_facts(), tmp_path / "h36m")
    content = write_own_model(tiny, tmp_path)

    def judge(mpjpe_mm: float | None) -> Ended:
        figure = None if mpjpe_mm is None else {"value": mpjpe_mm, "source": "a first run"}
        content["variants"][0]["paper"]["mpjpe_mm"] = figure
        (tmp_path / "own.json").write_text(json.dumps(content))
        return run_tests(
            "-m", "gpu", "--device=cpu", f"--h36m-root={tmp_path / 'h36m'}",
            f"--checkpoints={tmp_path / 'own_T.pth'}", f"--variants-file={tmp_path / 'own.json'}",
        )  # fmt: skip

    first = judge(None)
    assert first.code == pytest.ExitCode.TESTS_FAILED
    assert "No verdict on T: no figure to compare with" in first.text
    assert (first.results.samples, first.results.complete) == (8695, True)
    obtained_mm = first.results.variants["T"].error_mm

    met = judge(obtained_mm - 1.5)
    assert met.code == pytest.ExitCode.OK, met.output
    assert met.results.variants["T"].verdict == "very good"
    assert "Reproduced: T is within 5 mm of its figure" in met.text

    missed = judge(obtained_mm + 5.0)
    assert missed.code == pytest.ExitCode.TESTS_FAILED
    assert missed.results.variants["T"].verdict == "review"
    assert "Not reproduced: T" in missed.text
