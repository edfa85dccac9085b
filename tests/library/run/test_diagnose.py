"""A run that is over is told again from its files: this suite's, or the authors' script's."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from convnextpose_check.__main__ import main
from convnextpose_check.evaluation.cache import save_cached
from convnextpose_check.evaluation.measurements import Evaluation, Measurements
from convnextpose_check.evaluation.metrics import joint_errors_mm
from convnextpose_check.evaluation.one_pass import Entry
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset, load_dataset, read_facts
from convnextpose_check.human36m.skeleton import MIRRORED
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.paths import Outputs, kept_file
from convnextpose_check.results.per_sample import write_per_sample
from convnextpose_check.results.results_file import write_results
from convnextpose_check.results.schema import DatasetRecord
from tests.support.cases import GRID_WHD, answers_to, authors_entries
from tests.support.results import example_results, example_variant


@pytest.fixture(scope="module")
def dataset(miniature: Miniature) -> Dataset:
    return load_dataset(miniature.dataset, read_facts())


def run_of(dataset: Dataset, cells_xyz: Array, folder: Path) -> tuple[Measurements, Evaluation]:
    """What a run of XS would leave that has measured these answers."""
    measured = Measurements.empty(len(dataset.samples), 4)
    measured.done[:] = True
    measured.cells_xyz[:] = cells_xyz
    for number, (cells, sample) in enumerate(zip(cells_xyz, dataset.samples, strict=True)):
        measured.errors_mm[number] = joint_errors_mm(cells, sample, GRID_WHD, 2)
    measured.seconds = 1.0
    path = folder / kept_file("published", "XS")
    path.parent.mkdir(parents=True)
    network: Any = SimpleNamespace(architecture=SimpleNamespace(grid_whd=GRID_WHD))
    save_cached(Entry(network, "key", path), measured, dataset, 4)
    return measured, measured.evaluation(dataset)


def write_figures(
    dataset: Dataset, evaluation: Evaluation, folder: Path, error_mm: float, reference_mm: float
) -> None:
    record = example_variant(error_mm, reference_mm, per_action_mm=evaluation.per_action_mm())
    about = DatasetRecord(str(dataset.layout.root), "0" * 64, {}, False)
    results = example_results(variants={"XS": record}, dataset=about)
    write_results(results, Outputs(folder).results)
    write_per_sample({"XS": evaluation}, dataset, Outputs(folder).per_sample)


def diagnosed(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """The exit code, and what is said in one line."""
    code = main(["diagnose", *map(str, arguments)])
    captured = capsys.readouterr()
    assert captured.err == ""
    return code, " ".join(captured.out.split())


def test_the_cause_is_told_from_the_results_folder(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = answers_to(dataset)
    _, fine = run_of(dataset, sound, tmp_path / "sound")
    _, evaluation = run_of(dataset, sound[:, list(MIRRORED)], tmp_path / "run")
    write_figures(dataset, evaluation, tmp_path / "run", evaluation.error_mm, fine.error_mm)

    code, said = diagnosed(capsys, tmp_path / "run")

    assert code == 1
    assert (
        "cause 1 left and right joints stand in each other's places: without that the error" in said
    )
    assert f"to {fine.error_mm:.2f} mm" in said
    assert "no picture was shown again" in said


def test_a_run_within_the_tolerance_is_well(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, evaluation = run_of(dataset, answers_to(dataset), tmp_path)
    write_figures(dataset, evaluation, tmp_path, evaluation.error_mm, evaluation.error_mm - 0.9)

    code, said = diagnosed(capsys, tmp_path)

    assert code == 0
    assert "cause" not in said


def test_where_nothing_explains_it_that_is_said(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, evaluation = run_of(dataset, answers_to(dataset), tmp_path)
    write_figures(dataset, evaluation, tmp_path, evaluation.error_mm, evaluation.error_mm - 4)

    assert "no cause that was tried explains the difference" in diagnosed(capsys, tmp_path)[1]


def test_without_positions_the_mean_is_told_from_the_per_sample_file(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, evaluation = run_of(dataset, answers_to(dataset), tmp_path)
    (tmp_path / kept_file("published", "XS")).unlink()
    figure_mm = float(np.sqrt((evaluation.errors_mm**2).mean()))
    write_figures(dataset, evaluation, tmp_path, figure_mm, evaluation.error_mm)

    code, said = diagnosed(capsys, tmp_path)

    assert code == 1
    assert "cause 1 the figure is the root of the mean square" in said
    assert "is not there: without positions little can be told" in said


def test_the_authors_file_is_judged_without_a_run(
    dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a subset the cause is told all the same."""
    entries = authors_entries(dataset, answers_to(dataset)[:, list(MIRRORED)])
    path = tmp_path / "bbox_root_pose_human36m_output.json"
    path.write_text(json.dumps(entries))

    code, said = diagnosed(capsys, path, "--variants", "XS", "--h36m-root", dataset.layout.root)

    assert code == 1
    assert said.startswith("XS: MPJPE ")
    assert "not judged: a subset" in said
    assert "cause 1 left and right joints stand in each other's places" in said


def test_the_authors_file_needs_its_variant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bbox_root_pose_human36m_output.json"
    path.write_text("[]")

    assert main(["diagnose", str(path)]) == 2

    assert "Name it with --variants" in capsys.readouterr().err
