"""Long runs: a data set of real size, and every recorded setting."""

import json
from pathlib import Path

import pytest

from convnextpose_check.synthetic.record import measure_errors_mm, read_record
from convnextpose_check.variants import Architecture
from tests.support.full_size import FULL_SIZE_FACTS, SAMPLES, write_full_size, write_own_model
from tests.support.whole_runs import RunTests

pytestmark = pytest.mark.slow


def test_measure_every_setting_equals_record(fixtures: Path) -> None:
    record = read_record(fixtures)

    measured = measure_errors_mm(fixtures, record.dataset)

    assert measured.keys() == record.errors_mm.keys()
    for setting, errors_mm in measured.items():
        assert errors_mm == pytest.approx(record.errors_mm[setting], abs=record.tolerance_mm)


def test_run_on_full_size_data_set_evaluates_all_samples(
    run_tests: RunTests, tiny: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("convnextpose_check.run.run.read_facts", lambda: FULL_SIZE_FACTS)
    write_full_size(tmp_path / "h36m")
    (tmp_path / "own.json").write_text(json.dumps(write_own_model(tiny, tmp_path)))

    ended = run_tests(
        "-m", "gpu", "--device=cpu", f"--h36m-root={tmp_path / 'h36m'}",
        f"--checkpoints={tmp_path / 'own_T.pth'}", f"--variants-file={tmp_path / 'own.json'}",
    )  # fmt: skip

    assert ended.code == pytest.ExitCode.TESTS_FAILED
    assert "No verdict on T: no reported value to compare with" in ended.text
    assert (ended.results.samples, ended.results.complete) == (SAMPLES, True)
