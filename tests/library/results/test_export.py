"""Results leave the machine as two archives and a description that Kaggle takes."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from convnextpose_check.__main__ import main
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.paths import Outputs
from convnextpose_check.results.export import METADATA_FILE, dataset_metadata, export
from convnextpose_check.results.results_file import write_results
from tests.support.results import example_results, example_weights


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A results folder as a run leaves it."""
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
    return tmp_path


def names(archive: Path) -> set[str]:
    with zipfile.ZipFile(archive) as packed:
        assert packed.testzip() is None
        return set(packed.namelist())


def test_archives_hold_results_and_logs_but_no_weights(run: Path) -> None:
    results, logs, metadata = export(run)

    assert names(results) == {
        "report.html", "result/benchmark_results.json", "result/per_sample.csv",
    }  # fmt: skip
    assert names(logs) == {"log/test_XS.log"}
    assert metadata == run / METADATA_FILE


@pytest.mark.parametrize(
    ("subject", "own_models", "models"),
    [
        ("published", False, "published"),
        ("miniature", False, "miniature"),
        ("published", True, "own"),
    ],
)
def test_metadata_are_what_kaggle_takes(
    subject: str, models: str, monkeypatch: pytest.MonkeyPatch, *, own_models: bool
) -> None:
    monkeypatch.setenv("KAGGLE_USERNAME", "somebody")

    metadata = dataset_metadata(example_results(subject, own_models=own_models))

    assert metadata["title"] == f"ConvNeXtPose benchmark, {models} models"
    assert len(str(metadata["title"])) <= 50
    assert metadata["id"] == f"somebody/convnextpose-benchmark-{models}"
    assert metadata["licenses"] == [{"name": "other"}]
    monkeypatch.setenv("KAGGLE_USERNAME", "../x")
    with pytest.raises(ConvNeXtPoseCheckError, match="not the name of a Kaggle user"):
        dataset_metadata(example_results())


def test_edited_metadata_stay(run: Path) -> None:
    (run / METADATA_FILE).write_text('{"title": "mine"}')

    export(run)

    assert json.loads((run / METADATA_FILE).read_text()) == {"title": "mine"}


def test_report_names_the_files_that_it_wrote(
    run: Path, nothing_set: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_results(example_weights(), Outputs(run).results)  # without a picture to draw
    assert main(["report", str(run)]) == 0

    written = capsys.readouterr().out.splitlines()
    outputs = Outputs(run)
    assert {str(outputs.report), str(outputs.markdown), *map(str, outputs.archives)} < set(written)
    assert all(Path(line).is_file() for line in written)
    assert "result/BENCHMARK_REPORT.md" in names(outputs.archives[0])
    nothing_set.setenv("CONVNEXTPOSE_RESULTS_DIR", str(run))
    assert main(["report"]) == 0
    again = capsys.readouterr().out.splitlines()
    assert set(written) - set(again) == {str(run / METADATA_FILE)}  # it may be edited
