"""With ``--network``, a run shows what the network costs in mm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.network.optimized import OptimizedConvNeXtPose
from convnextpose_check.paths import Outputs
from convnextpose_check.run.report import compare_with_checkpoint
from convnextpose_check.run.run import Run
from convnextpose_check.variants import read_catalogue
from tests.support.datasets import FACTS
from tests.support.onnx_models import make_corner_model
from tests.support.runs import make_evaluation, write_results
from tests.support.texts import read_marked_section

OpenRun = Callable[..., Run]
SEQUENCES = ("s_09_act_02_subact_01_ca_01", "s_09_act_02_subact_02_ca_01")


def make_paired_evaluation(added_mm: list[float], cells: float = 0.0, **changes: Any) -> Evaluation:
    """Errors that differ by more than 100 mm between samples, and ``added_mm`` to each."""
    errors_mm = np.array([100.0, 300.0, 200.0, 500.0]) + added_mm
    names = tuple(f"{SEQUENCES[number // 2]}_{number}.jpg" for number in range(4))
    fields: dict[str, Any] = {
        "errors_mm": np.repeat(errors_mm[:, None], 17, axis=1),
        "cells_xyz": np.full((4, 18, 3), cells, np.float32),
        "file_names": names,
    }
    return make_evaluation(**(fields | changes))


def test_compare_with_checkpoint_interval_is_paired() -> None:
    """It spans the differences of two takes, not their errors."""
    checkpoint = make_paired_evaluation([0.0] * 4)
    network = make_paired_evaluation([0.25, 0.75, 1.0, 2.0], cells=0.5)
    network.cells_xyz[0, 0, 0] = -2.0

    compared = compare_with_checkpoint(network, checkpoint)

    assert compared is not None
    assert (compared.error_mm, compared.difference_mm) == (275.0, 1.0)
    assert compared.interval_mm == (0.5, 1.5)
    assert compared.max_cells == 2.0
    assert compared.mean_cells == pytest.approx(0.5 + 1.5 / (4 * 18 * 3))
    assert compare_with_checkpoint(checkpoint, None) is None
    other_images = make_paired_evaluation([0.0] * 4, images_sha256="another")
    assert compare_with_checkpoint(other_images, checkpoint) is None


def test_run_with_network_evaluates_checkpoint_on_same_images(
    open_run: OpenRun, tmp_path: Path, read_counts: dict[str, int]
) -> None:
    (tmp_path / "T.onnx").write_bytes(make_corner_model("batch"))
    alone = open_run(variants="T").evaluations["T"]
    read_counts.clear()
    run = open_run(variants="T", network=str(tmp_path / "{variant}.onnx"))

    results = write_results(run)  # before the evaluation
    assert results.variants == {}
    assert list(run.evaluations.outcomes) == ["T"]
    record = write_results(run).variants["T"]

    assert set(read_counts.values()) == {1}
    assert record.comparison is not None
    assert record.comparison.error_mm == alone.error_mm
    assert record.comparison.difference_mm == record.error_mm - alone.error_mm != 0
    assert record.reference is not None
    assert record.difference_mm == record.error_mm - record.reference.value_mm
    line = f"checkpoint {alone.error_mm:.3f} mm, --network {record.error_mm:.3f} mm, difference "
    outputs = Outputs(run.settings.results_dir)
    for text in (outputs.report.read_text(), outputs.markdown.read_text().replace("\\", "")):
        assert f"T: {line}" in text
    resumed = open_run(variants="T", network=run.settings.network, resume="1")
    assert resumed.evaluations["T"].resumed == resumed.checkpoint_evaluations["T"].resumed == 6
    assert open_run(variants="T").checkpoint_evaluations.outcomes == {}


def test_run_checkpoint_that_fails_is_named_in_log(
    open_run: OpenRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "T.onnx").write_bytes(make_corner_model("batch"))
    run = open_run(variants="T", network=str(tmp_path / "{variant}.onnx"))

    def fail(*_arguments: object) -> None:
        raise RuntimeError("no kernel")

    monkeypatch.setattr(OptimizedConvNeXtPose, "__init__", fail)

    assert run.evaluations["T"].error_mm > 0
    assert write_results(run).variants["T"].comparison is None
    log = Outputs(run.settings.results_dir).log("T").read_text()
    assert "the checkpoint's own model: [network-failed] building the network raises" in log


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the exporter's and quantizer's own deprecations
def test_readme_recipe_exports_and_run_shows_costs(
    open_run: OpenRun, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, code, _ = read_marked_section("export").split("```")
    catalogue = read_catalogue(inputs / "own.json")
    monkeypatch.setattr("convnextpose_check.variants.read_catalogue", lambda: catalogue)
    monkeypatch.setattr("convnextpose_check.human36m.samples.read_facts", lambda: FACTS)
    arguments = ["T", str(inputs / "models" / "own_T.pth"), str(inputs / "h36m")]
    monkeypatch.setattr("sys.argv", ["export.py", *arguments])
    monkeypatch.chdir(tmp_path)

    exec(code.removeprefix("python\n"), {"__name__": "__main__"})

    costs_cells = []
    for name in ("float32", "half", "int8"):
        run = open_run(variants="T", network=f"{name}/{{variant}}.onnx")
        assert run.evaluations["T"]
        compared = write_results(run).variants["T"].comparison
        assert compared is not None
        assert compared.error_mm == run.checkpoint_evaluations["T"].error_mm
        costs_cells.append(compared.mean_cells)
    assert costs_cells[0] < 1e-3 < costs_cells[1] < costs_cells[2]
