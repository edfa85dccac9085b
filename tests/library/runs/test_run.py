"""Whole runs as users start them: a passing one in an ASCII locale, one without inputs."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from convnextpose_check.plugin.required import VALIDATION_TESTS
from convnextpose_check.results.results_file import write_results
from convnextpose_check.run.run import Run
from tests.support.results import example_results
from tests.support.schema import SCHEMA_FILE
from tests.support.texts import ROOT
from tests.support.whole_runs import (
    CompletedRun,
    RunTests,
    own_model_arguments,
    run_arguments,
    write_own_reference,
)

ASCII_ONLY = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture(scope="module")
def passed(
    written_inputs: Path, measured: Run, tmp_path_factory: pytest.TempPathFactory
) -> CompletedRun:
    """A passing run in an ASCII locale, with a results folder whose name is not ASCII."""
    folder, error_mm = tmp_path_factory.mktemp("run"), measured.evaluations["T"].error_mm
    figure: dict[str, object] = {"value": error_mm + 1.5, "source": "a first run"}
    variants_file = write_own_reference(written_inputs, folder / "own.json", figure)
    ended = CompletedRun(0, "", folder / "résultats")
    write_results(example_results(), ended.files.results)  # results of an earlier run
    ended.files.log("S").parent.mkdir()
    ended.files.log("S").write_text("of an earlier run")
    arguments = [
        "-p", "tests.support.whole_runs",
        *own_model_arguments(written_inputs, variants_file),
        f"--junitxml={folder / 'junit.xml'}", "--bbox=gt",
    ]  # fmt: skip
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("CONVNEXTPOSE_", "PYTEST_XDIST"))
    }
    environment["CONVNEXTPOSE_RUN_ID"] = "of-the-caller"
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *run_arguments(ended.folder, arguments)],
        cwd=ROOT,
        env=environment | ASCII_ONLY,
        capture_output=True,
        encoding="ascii",
        errors="replace",
        check=False,
    )
    assert result.returncode == pytest.ExitCode.OK, result.stdout + result.stderr
    return CompletedRun(result.returncode, result.stdout + result.stderr, ended.folder)


def test_passing_run_prints_verdict_and_values(passed: CompletedRun) -> None:
    record = passed.results.variants["T"]
    # On a slow machine there is a line every few seconds.
    lines = [s for s in passed.output.splitlines() if not re.search(r": \d+ s$", s)]
    collected = next(n for n, line in enumerate(lines) if line.startswith("collected "))

    assert passed.results.passed
    assert passed.results.verdict.startswith("Reproduced: 1 very good; largest difference")
    assert (record.verdict, record.samples, record.complete) == ("very good", 6, True)
    assert "1 xfailed" in passed.text
    speed = passed.results.images_per_second["T"]
    assert f"images/s of one batch: T {speed:.1f}" in passed.text
    for text in (
        passed.text,
        passed.files.report.read_text(encoding="utf-8"),
        passed.files.markdown.read_text(encoding="utf-8"),
    ):
        assert f"{record.mpjpe_mm:.3f}" in text
        assert f"{record.parameters:,}" in text
        assert passed.results.verdict.removesuffix(".") in " ".join(text.replace("\\", "").split())
    assert len(lines) - collected < 25
    assert "UnicodeEncodeError" not in passed.output
    assert "Traceback" not in passed.output


def test_passing_run_shows_settings_and_checks(passed: CompletedRun) -> None:
    """The JUnit file and the report have the values of the checks."""
    for line in (
        f"user's own models; torch {version('torch')}, numpy {version('numpy')}, OpenCV ",
        "read: --bbox gt",
        "ConvNeXtPose: user's own models",
    ):
        assert line in passed.text
    results = passed.results
    assert results.run_id == "of-the-caller"
    files = dict.fromkeys(check.test.partition("::")[0] for check in results.checks)
    assert list(files) == list(dict.fromkeys(test.file for test in VALIDATION_TESTS))
    checks = {check.test.partition("[")[0]: check for check in results.checks}
    count = checks["test_counts.py::test_parameter_count"]
    assert (count.obtained, count.expected, count.difference) == (2730, 2730, 0)
    cases = ET.parse(passed.folder.parent / "junit.xml").iter("testcase")
    (case,) = [case for case in cases if case.get("name") == "test_parameter_count[published-T]"]
    properties = {each.get("name"): each.get("value") for each in case.iter("property")}
    assert properties == {
        "obtained": "2730", "expected": "2730", "variant": "T", "difference": "0",
    }  # fmt: skip
    assert "2,730" in passed.files.report.read_text(encoding="utf-8")


def test_passing_run_writes_all_output_files(passed: CompletedRun) -> None:
    import jsonschema

    files, folder = passed.files, passed.folder
    record = passed.results.variants["T"]

    jsonschema.validate(
        json.loads(files.results.read_text(encoding="utf-8")),
        json.loads(SCHEMA_FILE.read_text(encoding="utf-8")),
    )
    assert str(folder) in files.results.read_text(encoding="utf-8")
    assert files.results.with_name("benchmark_results.1.json").is_file()
    assert len(files.per_sample.read_text(encoding="utf-8").splitlines()) == 1 + 6
    assert f"{record.mpjpe_mm:.4f} mm" in files.log("T").read_text(encoding="utf-8")
    assert (folder / "model_dump" / "snapshot_1.pth").is_file()
    packed = [sorted(zipfile.ZipFile(path).namelist()) for path in files.archives]
    assert packed == [
        [
            "report.html", "result/BENCHMARK_REPORT.md", "result/benchmark_comparison.png",
            "result/benchmark_results.json", "result/per_sample.csv",
        ],
        ["log/test_T.log"],
    ]  # fmt: skip


def test_run_without_inputs_prints_each_error_once(run_tests: RunTests) -> None:
    ended = run_tests("-m", "gpu", "--device", "cuda:99")

    assert ended.code == pytest.ExitCode.TESTS_FAILED
    assert "106 failed, 3 passed" in ended.text
    assert len(ended.output.splitlines()) <= 45
    for word in ("skipped", "Traceback", "test_throughput["):
        assert word not in ended.output
    before, _, end = ended.output.partition("how to fix it")
    markdown = ended.files.markdown.read_text(encoding="utf-8")
    page = ended.files.report.read_text(encoding="utf-8")
    remedies = {
        "device-not-found": "--device cpu",
        "data-not-found": "--h36m-root",
        "checkpoint-not-found": "--checkpoints",
    }  # fmt: skip
    for code, remedy in remedies.items():
        assert end.count(f"[{code}]") == 1
        assert f"[{code}]" not in before
        assert remedy in " ".join(end.split())
        assert remedy.replace("-", r"\-") in markdown
        assert remedy in page
    assert "nothing was evaluated" in before
    assert markdown.index("What to fix") < markdown.index("checkpoint\\-not\\-found")
