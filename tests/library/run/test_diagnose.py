"""``diagnose`` reads runs of this suite and the output of the authors' script."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from convnextpose_check.__main__ import main
from convnextpose_check.evaluation.cache import save_cached
from convnextpose_check.evaluation.measurements import Evaluation, Measurements, ModelEntry
from convnextpose_check.evaluation.metrics import joint_errors_mm
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset, load_dataset, read_facts
from convnextpose_check.human36m.skeleton import MIRRORED
from convnextpose_check.paths import Outputs, cache_file_path
from convnextpose_check.results.results_file import write_results
from convnextpose_check.results.schema import DatasetRecord
from convnextpose_check.synthetic.build import SyntheticData
from tests.support.results import example_results, example_variant
from tests.support.sample_tables import GRID_WHD, make_authors_output, make_predictions

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def dataset(synthetic: SyntheticData) -> Dataset:
    return load_dataset(synthetic.dataset, read_facts())


def write_run(
    dataset: Dataset, cells_xyz: Array, folder: Path, reference_mm: float, **changes: Any
) -> Evaluation:
    """Write the output files of a run of XS with these predictions."""
    measured = Measurements.empty(len(dataset.samples), 4)
    measured.done[:] = True
    measured.cells_xyz[:] = cells_xyz
    measured.sha256[:, 0] = np.arange(len(dataset.samples))
    for number, (cells, sample) in enumerate(zip(cells_xyz, dataset.samples, strict=True)):
        measured.errors_mm[number] = joint_errors_mm(cells, sample, GRID_WHD, 2)
    path = folder / cache_file_path("published", "XS")
    path.parent.mkdir(parents=True)
    network: Any = SimpleNamespace(architecture=SimpleNamespace(grid_whd=GRID_WHD))
    save_cached(ModelEntry(network, "key", path), measured, dataset, 4)
    evaluation = measured.to_evaluation(dataset)
    result_mm = changes.pop("result_mm", evaluation.error_mm)
    count = len(dataset.samples)
    is_complete = changes.get("expected_samples", count) == count
    record = example_variant(result_mm, reference_mm, samples=count, complete=is_complete)
    about = DatasetRecord(str(dataset.layout.root), "0" * 64, {}, False)
    counts = {"samples": count, "expected_samples": count, "complete": is_complete}
    results = example_results(variants={"XS": record}, dataset=about, **(counts | changes))
    write_results(results, Outputs(folder).results)
    return evaluation


def run_diagnose(capsys: Capture, *arguments: object) -> tuple[int, str]:
    """Run ``diagnose``; returns its exit code and its output as one line."""
    code = main(["diagnose", *map(str, arguments)])
    return code, " ".join(capsys.readouterr().out.split())


def test_diagnose_names_cause_in_files(dataset: Dataset, tmp_path: Path, capsys: Capture) -> None:
    sound = make_predictions(dataset)
    sound_error_mm = write_run(dataset, sound, tmp_path / "sound", 0.0).error_mm
    write_run(dataset, sound[:, list(MIRRORED)], tmp_path / "run", sound_error_mm)

    code, out = run_diagnose(capsys, tmp_path / "run")

    assert code == 1
    assert "explains the data fit if left and right joints are exchanged" in out
    assert "ruled out another conversion or comparison of the positions" in out
    (written,) = json.loads((tmp_path / "run/result/diagnosis.json").read_bytes())
    excess_mm = written["result_mm"] - written["reference_mm"]
    assert sum(written["parts"].values()) == pytest.approx(excess_mm)
    assert "<td>scale in mm<td>" in (tmp_path / "run/diagnosis.html").read_text()


def test_diagnose_baseline_locates_cause(dataset: Dataset, tmp_path: Path, capsys: Capture) -> None:
    sound = make_predictions(dataset)
    sound_error_mm = write_run(dataset, sound, tmp_path / "sound", 0.0).error_mm
    walks = np.array([sample.action == "Walking" for sample in dataset.samples])
    noise = np.random.default_rng(0).normal(0, 6, sound.shape)
    write_run(dataset, sound + noise * walks[:, None, None], tmp_path / "run", sound_error_mm)
    baseline = Outputs(tmp_path / "sound").results

    _, out = run_diagnose(capsys, tmp_path / "run", "--baseline", baseline)

    assert "the difference from the baseline is in Walking" in out


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({}, 0, "the error is within 1 mm of its reference"),
        ({"expected_samples": 8695}, 1, "no expected value link settings: a subset"),
    ],
)
def test_diagnose_near_only_compares_whole_data_sets(
    dataset: Dataset, tmp_path: Path, capsys: Capture, changes: dict[str, Any], code: int, text: str
) -> None:
    cells_xyz = make_predictions(dataset)
    error_mm = write_run(dataset, cells_xyz, tmp_path / "one", 0.0).error_mm
    write_run(dataset, cells_xyz, tmp_path / "run", error_mm - 0.9, **changes)

    obtained, out = run_diagnose(capsys, tmp_path / "run")

    assert obtained == code
    assert text in out


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"expected_samples": 8695}, "fact 60 of 8,695 samples were evaluated"),
        ({"flip": False}, "fact the run used no flip test, the reference does"),
        ({"bbox": "rootnet"}, "fact boxes and root depths are RootNet's"),
        ({}, "open not explained: no change that was tried reproduces or removes the difference"),
        ({}, "possible the images are not the original ones"),
    ],
)
def test_diagnose_names_other_settings_and_unexplained_part(
    dataset: Dataset, tmp_path: Path, capsys: Capture, changes: dict[str, Any], text: str
) -> None:
    write_run(dataset, make_predictions(dataset), tmp_path, 20.0, **changes)

    assert text in run_diagnose(capsys, tmp_path)[1]


def test_diagnose_other_mean_is_named(dataset: Dataset, tmp_path: Path, capsys: Capture) -> None:
    cells_xyz = make_predictions(dataset)
    evaluation = write_run(dataset, cells_xyz, tmp_path / "one", 0.0)
    result_mm = float(np.sqrt((evaluation.errors_mm**2).mean()))
    write_run(dataset, cells_xyz, tmp_path / "run", evaluation.error_mm, result_mm=result_mm)

    _, out = run_diagnose(capsys, tmp_path / "run")

    assert "reproduces the result is the root of the mean square" in out


def test_diagnose_authors_output_needs_its_variant(
    dataset: Dataset, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "bbox_root_pose_human36m_output.json"
    path.write_text(json.dumps(make_authors_output(dataset, make_predictions(dataset))))

    assert main(["diagnose", str(path)]) == 2
    assert "Add it, such as --variants XS" in capsys.readouterr().err
    code, out = run_diagnose(capsys, path, "--variants", "XS", "--h36m-root", dataset.layout.root)
    assert code == 1
    assert "fact 60 of 8,695 samples were evaluated" in out


def test_diagnose_needs_the_saved_evaluation_and_the_runs_checkpoint(
    dataset: Dataset, synthetic: SyntheticData, tmp_path: Path, capsys: Capture
) -> None:
    write_run(dataset, make_predictions(dataset), tmp_path, 20.0)
    given = [str(tmp_path), "--checkpoints", str(synthetic.checkpoints), "--device", "cpu"]

    for message in ("Pass the run's checkpoint", "cannot read"):
        assert main(["diagnose", *given]) == 2
        assert message in capsys.readouterr().err
        (tmp_path / cache_file_path("published", "XS")).unlink(missing_ok=True)
