"""Results leave the machine as two archives and a description that Kaggle takes."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest

from convnextpose_check.__main__ import main
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.paths import Outputs
from convnextpose_check.results.export import METADATA_FILE, dataset_metadata, export
from convnextpose_check.results.results_file import write_results
from tests.support.results import example_results


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


@pytest.mark.parametrize("subject", ["published", "miniature"])
def test_metadata_are_what_kaggle_takes(subject: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_USERNAME", "somebody")

    metadata = dataset_metadata(example_results(subject))

    assert 6 <= len(str(metadata["title"])) <= 50
    assert re.fullmatch(r"somebody/[a-z0-9-]{3,50}", str(metadata["id"]))
    assert metadata["licenses"] == [{"name": "other"}]


def test_metadata_of_own_models_do_not_call_them_published() -> None:
    metadata = dataset_metadata(example_results(own_models=True), "me")

    assert metadata["title"] == "ConvNeXtPose benchmark, own models"
    assert metadata["id"] == "me/convnextpose-benchmark-own"


def test_edited_metadata_stay(run: Path) -> None:
    (run / METADATA_FILE).write_text('{"title": "mine"}')

    export(run)

    assert json.loads((run / METADATA_FILE).read_text()) == {"title": "mine"}


def test_user_is_named_by_option_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_USERNAME", "other")

    assert str(dataset_metadata(example_results(), "Me")["id"]).startswith("me/")
    with pytest.raises(ConvNeXtPoseCheckError, match="no name of a Kaggle user"):
        dataset_metadata(example_results(), "../x")


@pytest.mark.parametrize("command", ["report", "export"])
def test_commands_say_what_they_wrote(
    run: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(run)]) == 0

    for line in capsys.readouterr().out.splitlines():
        assert Path(line).is_file()


@pytest.mark.parametrize("command", ["report", "export"])
def test_commands_find_the_folder_that_the_environment_names(
    run: Path, command: str, nothing_set: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing_set.setenv("CONVNEXTPOSE_RESULTS_DIR", str(run))

    assert main([command]) == 0

    assert all(Path(line).is_relative_to(run) for line in capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("command", ["report", "export"])
def test_mistake_is_one_sentence(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, str(tmp_path)]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("[bad-results] cannot read the results")
    assert len(captured.err.splitlines()) == 1
