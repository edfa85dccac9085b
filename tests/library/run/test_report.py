"""A run's results and logs are packed into two archives."""

from __future__ import annotations

import zipfile
from pathlib import Path

from convnextpose_check.paths import Outputs
from convnextpose_check.results.results_file import write_results
from convnextpose_check.run.report import pack_archives
from tests.support.results import example_results


def list_members(archive: Path) -> set[str]:
    with zipfile.ZipFile(archive) as packed:
        assert packed.testzip() is None
        return set(packed.namelist())


def test_pack_archives_has_results_and_logs_but_no_weights(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path)
    write_results(example_results(), outputs.results)
    (tmp_path / "report.html").write_text("<html></html>")
    (tmp_path / "model_dump").mkdir()
    (tmp_path / "model_dump" / "snapshot_68.pth").write_text("weights")
    (tmp_path / "result" / "evaluations").mkdir()
    (tmp_path / "result" / "evaluations" / "published_XS.npz").write_text("kept")
    outputs.log("XS").parent.mkdir()
    outputs.log("XS").write_text("a line")
    outputs.per_sample.write_text("variant,mean_mm\n")

    pack_archives(outputs, example_results())

    results, logs = outputs.archives
    assert list_members(results) == {
        "report.html", "result/benchmark_results.json", "result/per_sample.csv",
    }  # fmt: skip
    assert list_members(logs) == {"log/test_XS.log"}
