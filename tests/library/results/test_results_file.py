"""The results file is written atomically, follows the schema, and replaces no other."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.environment import collect_environment, package_version, suite_commit
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.paths import Outputs, rename_earlier_outputs
from convnextpose_check.results.results_file import read_results, write_results
from tests.support.read_only import read_only
from tests.support.results import example_results, example_variant
from tests.support.schema import SCHEMA_FILE, json_schema

EARLIER = Path(__file__).with_name("earlier")
"""Results files of the versions in their names, and the same results in the current schema."""

MISSING = object()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = Outputs(tmp_path).results
    path.parent.mkdir()
    return path


@pytest.fixture
def written(path: Path) -> dict[str, Any]:
    write_results(example_results(), path)
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_write_results_full_precision_round_trip(path: Path) -> None:
    exact = example_results(variants={"XS": example_variant(0.1 + 0.2, 56.61)})

    write_results(exact, path)

    assert path.parts[-2:] == ("result", "benchmark_results.json")
    assert json.loads(path.read_text(encoding="utf-8"))["variants"]["XS"]["mpjpe_mm"] == 0.1 + 0.2
    assert read_results(path) == exact
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_write_results_nan_raises_and_keeps_earlier_file(path: Path) -> None:
    write_results(example_results(), path)

    with pytest.raises(ValueError, match="not JSON compliant"):
        write_results(example_results(gate_mm=float("nan")), path)

    assert read_results(path) == example_results()


def test_write_results_decodes_bytes_of_file_names(path: Path) -> None:
    write_results(example_results(device="caf\udcc3\udca9 caf\udce9"), path)

    assert read_results(path).device == "caf\u00e9 caf\ufffd"


def test_schema_file_is_up_to_date() -> None:
    assert SCHEMA_FILE.read_bytes() == json_schema(), (
        "write it again: python -m tests.support.schema"
    )


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0"])
def test_read_results_of_earlier_version_has_current_fields(version: str) -> None:
    results = read_results(EARLIER / f"benchmark_results_{version}.json")

    assert results == read_results(EARLIER / f"as_read_{version}.json")


@pytest.mark.parametrize("damaged", ["variants", "checks", "dataset"])
def test_read_results_damaged_file_of_earlier_version_raises(path: Path, damaged: str) -> None:
    content = json.loads((EARLIER / "benchmark_results_0.2.0.json").read_text(encoding="utf-8"))
    path.write_text(json.dumps(content | {damaged: [None]}), encoding="utf-8")

    with pytest.raises(ConvNeXtPoseCheckError, match=r"\[bad-results\] .* not a results file"):
        read_results(path)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"mpjpe_mm": "57"}, "not a results file: Expected `float`, got `str`"),
        ({"pa_mpjpe_mm": 40.0}, "expected one of `mpjpe_mm`"),
        ({"mpjpe_mm": MISSING}, "expected one of `mpjpe_mm`"),
        ({"mpjpe_mm": 56.7}, "expected `difference_mm`"),
        ({"reference": None}, "expected `difference_mm`"),
        ({"difference_mm": None}, "expected `difference_mm`"),
        ({"verdict": None}, "expected one of `verdict`"),
        ({"not_judged": "because"}, "expected one of `verdict`"),
        ({"verdict": "very good"}, "expected the `verdict`"),
        ({"reference": None, "difference_mm": None}, "expected the `verdict`"),
        ({"samples": 100}, "expected a `complete` variant"),
    ],
)
def test_read_results_invalid_fields_raise(
    written: dict[str, Any], path: Path, changes: dict[str, Any], problem: str
) -> None:
    record = written["variants"]["XS"] | changes
    written["variants"]["XS"] = {k: value for k, value in record.items() if value is not MISSING}
    path.write_text(json.dumps(written), encoding="utf-8")

    with pytest.raises(ConvNeXtPoseCheckError, match=problem):
        read_results(path)


def test_rename_earlier_outputs_keeps_the_files_of_every_run(tmp_path: Path) -> None:
    """A run without pages, such as a killed one, must not seem to have those of another."""
    now = Outputs(tmp_path)
    files = [*now.shared, *now.archives, *now.diagnoses]
    for run in ("first", "second"):
        for file in files[run == "second" :]:
            file.parent.mkdir(exist_ok=True)
            file.write_text(run)
        rename_earlier_outputs(tmp_path)
        assert not any(file.exists() for file in files)
    rename_earlier_outputs(tmp_path / "new")

    for number, run in enumerate(("first", "second"), start=1):
        kept = [file.with_suffix(f".{number}{file.suffix}") for file in files[number - 1 :]]
        assert [file.read_text() for file in kept] == [run] * len(kept)
    assert not files[0].with_suffix(f".2{files[0].suffix}").exists()
    assert not (tmp_path / "new").exists()


def test_rename_earlier_outputs_closed_folder_is_left_alone(path: Path, tmp_path: Path) -> None:
    path.write_text("{}", encoding="utf-8")

    with read_only(path.parent, 0o000):
        rename_earlier_outputs(tmp_path)

    assert path.exists()


def test_results_folder_that_is_a_file_raises(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")

    with pytest.raises(ConvNeXtPoseCheckError, match=r"cannot write .*--results-dir"):
        write_results(example_results(), Outputs(blocked).results)
    with pytest.raises(ConvNeXtPoseCheckError, match="cannot read the results"):
        read_results(Outputs(blocked).results)


def test_collect_environment_has_versions_and_commit() -> None:
    import cv2
    import torch

    started = datetime.now(timezone.utc) - timedelta(seconds=185)

    found = collect_environment("pytest -m gpu", started)

    assert torch.__version__.startswith(found["torch"].split("+")[0])
    assert found["opencv"] == cv2.__version__
    assert package_version("no-such-package") == "not installed"
    assert found["commit"] == suite_commit()
    assert found["command"] == "pytest -m gpu"
    assert datetime.fromisoformat(found["started"]) == started.replace(microsecond=0)
    assert found["duration"] == "3 min 5 s"
