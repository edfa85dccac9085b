"""What takes minutes: the whole size of the real data, and every recorded setting."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.human36m.samples import read_facts
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.miniature.record import measure, read_record
from convnextpose_check.paths import Outputs
from convnextpose_check.variants import Architecture
from tests.library.runs.conftest import Run
from tests.support.full_size import write_full_size, write_own_model

pytestmark = pytest.mark.slow


def test_every_recorded_setting_is_met(fixtures: Path) -> None:
    record = read_record(fixtures)

    measured = measure(fixtures, record.dataset)

    assert measured.keys() == record.errors_mm.keys()
    for setting, errors_mm in measured.items():
        assert errors_mm == pytest.approx(record.errors_mm[setting], abs=record.tolerance_mm)


def test_complete_set_passes_the_gate_exactly_when_the_figure_is_met(
    run: Run,
    miniature: Miniature,
    tiny: Architecture,
    tmp_path: Path,
) -> None:
    """Through the same tests as the published models: 8,695 samples and figures of one's own."""
    write_full_size(miniature.dataset, read_facts(), tmp_path / "h36m")
    content = write_own_model(tiny, tmp_path)
    arguments = [
        "-m", "gpu", "--device", "cpu", "--h36m-root", tmp_path / "h36m",
        "--checkpoints", tmp_path / "own_T.pth", "--variants-file", tmp_path / "own.json",
    ]  # fmt: skip

    def judge(mpjpe_mm: float | None) -> tuple[subprocess.CompletedProcess[str], Any]:
        figure = None if mpjpe_mm is None else {"value": mpjpe_mm, "source": "a first run"}
        content["variants"][0]["paper"]["mpjpe_mm"] = figure
        (tmp_path / "own.json").write_text(json.dumps(content))
        result = run(*arguments)
        return result, json.loads(Outputs(tmp_path / "out").results.read_text())

    result, written = judge(None)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "No verdict on T: no figure to compare with" in result.stdout
    assert (written["samples"], written["complete"]) == (8695, True)
    obtained_mm = written["variants"]["T"]["mpjpe_mm"]

    result, written = judge(obtained_mm - 1.5)
    assert result.returncode == pytest.ExitCode.OK, result.stdout
    assert "1 xfailed" in result.stdout
    assert written["variants"]["T"]["verdict"] == "very good"
    assert "Reproduced: T is within 5 mm of its figure" in result.stdout

    result, written = judge(obtained_mm + 5.0)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert written["variants"]["T"]["verdict"] == "review"
    assert "Not reproduced: T" in result.stdout
