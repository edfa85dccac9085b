"""A run that something outside the suite made green is not passed, and says so everywhere."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.paths import Outputs
from tests.library.runs.conftest import Judge, Run

FAILED, INTERRUPTED = pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED
OFF = "test_mpjpe_is_within_tolerance_of_reported_value[published-T-5mm]"
FAR = {"value": 1.0, "source": "nowhere"}

EXPECTS_FAILURES = """
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.xfail(strict=False))
"""
SKIPS_ONE = """
import pytest

def pytest_runtest_setup(item):
    if "parameter_count" in item.nodeid:
        pytest.skip("not today")
"""
REPORTS_PASSES = """
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        report.outcome, report.longrepr = "passed", None
    return report
"""
RUNS_AGAIN = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    if "parameter_count" not in item.nodeid:
        return None
    runtestprotocol(item, nextitem=nextitem, log=False)
    item._initrequest()
    for report in runtestprotocol(item, nextitem=nextitem, log=False):
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""
CHANGES_EXIT_CODE = """
import pytest

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    session.exitstatus = 7
"""
INTERRUPTS_LATE = """
import os
import signal

def pytest_{hook}():
    os.kill(os.getpid(), signal.SIGTERM)
"""


def assert_red_everywhere(
    result: Any, written: Any, folder: Path, problem: str, code: int = FAILED
) -> None:
    """Exit code, terminal, results, report and Markdown name the problem."""
    outputs = Outputs(folder)
    assert result.returncode == code, result.stdout
    assert problem in " ".join((result.stdout + result.stderr).split())
    assert not written["passed"]
    assert any(problem in text for text in written["left_out"]), written["left_out"]
    assert "The run did not pass" in written["verdict"]
    assert "The run did not pass" in outputs.report.read_text(encoding="utf-8")
    assert "The run did not pass" in outputs.markdown.read_text(encoding="utf-8")
    with zipfile.ZipFile(outputs.archives[0]) as packed:
        assert packed.read("report.html") == outputs.report.read_bytes()


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        pytest.param(
            EXPECTS_FAILURES,
            f"{OFF} failed and was reported as expected failure",
            id="expected-failure",
        ),
        pytest.param(
            REPORTS_PASSES,
            f"{OFF} failed and was reported as passed",
            id="reported-as-passed",
        ),
    ],
)
def test_failed_check_is_not_forgiven_by_a_plugin(
    judge: Judge, plugin: Callable[[str], str], tmp_path: Path, source: str, problem: str
) -> None:
    result, written = judge("-p", plugin(source), figure=FAR)

    assert " failed," not in result.stdout.splitlines()[-1]  # to pytest nothing failed
    assert_red_everywhere(result, written, tmp_path / "out", problem)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        pytest.param(EXPECTS_FAILURES, "passed and was reported as unexpected pass", id="xpass"),
        pytest.param(SKIPS_ONE, "test_parameter_count[published-T] was skipped", id="skipped"),
        pytest.param(
            RUNS_AGAIN, "test_parameter_count[published-T] was run 2 times", id="run-again"
        ),
        pytest.param(CHANGES_EXIT_CODE, "pytest ended with exit code 7", id="exit-code"),
    ],
)
def test_sound_model_is_not_passed_by_a_changed_run(
    judge: Judge,
    plugin: Callable[[str], str],
    obtained_mm: float,
    tmp_path: Path,
    source: str,
    problem: str,
) -> None:
    sound = {"value": obtained_mm, "source": "a first run"}
    code = 7 if source == CHANGES_EXIT_CODE else FAILED

    result, written = judge("-p", plugin(source), figure=sound)

    assert_red_everywhere(result, written, tmp_path / "out", problem, code)


@pytest.mark.parametrize("hook", ["sessionfinish", "unconfigure"])
def test_signal_in_the_last_moments_is_in_results_and_report(
    judge: Judge, plugin: Callable[[str], str], obtained_mm: float, tmp_path: Path, hook: str
) -> None:
    sound = {"value": obtained_mm, "source": "a first run"}

    result, written = judge("-p", plugin(INTERRUPTS_LATE.format(hook=hook)), figure=sound)

    assert_red_everywhere(result, written, tmp_path / "out", "interrupted", INTERRUPTED)


def test_tests_that_pytest_was_told_to_overlook_are_missed(
    judge: Judge, obtained_mm: float
) -> None:
    result, written = judge(
        "-o", "python_functions=test_paper* test_error* test_multiply*",
        figure={"value": obtained_mm, "source": "a first run"},
    )  # fmt: skip

    assert result.returncode == FAILED, result.stdout
    assert not written["passed"]
    assert "more required tests were not run" in written["left_out"][-1]


@pytest.mark.parametrize("part", ["books", "report", "configure", "interrupts"])
def test_gate_without_a_part_of_its_plugin_is_refused(run: Run, part: str) -> None:
    result = run("-m", "gpu", "-p", f"no:convnextpose_check.plugin.{part}", "-k", "not epoch")

    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"-p no:convnextpose_check.plugin.{part} disables a part of the gate" in result.stderr


def test_gate_without_its_plugin_is_red(run: Run) -> None:
    result = run("-m", "gpu", "--noconftest")

    assert result.returncode not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)


def test_both_targets_in_one_run_are_refused(run: Run) -> None:
    result = run("-m", "", "-k", "parameter_count")

    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert "a run judges one of them" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    "targets",
    [
        ("tests/library/test_progress.py",),
        pytest.param(("tests/benchmarks", "-k", "no_such_test"), marks=pytest.mark.slow),
    ],
)
def test_other_tests_leave_results_and_report_of_a_run_alone(
    run: Run, tmp_path: Path, targets: tuple[str, ...]
) -> None:
    folder = tmp_path / "out"
    (folder / "result").mkdir(parents=True)
    for name in ("report.html", "result/benchmark_results.json", "benchmark_results.zip"):
        (folder / name).write_text('<section data-judged="published">', encoding="utf-8")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    result = run(targets=targets)

    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert "html report" not in result.stdout


def test_archive_holds_files_of_this_run_alone(
    judge: Judge, obtained_mm: float, tmp_path: Path
) -> None:
    for name in ("result/benchmark_results.published.json", "log/test_XS.log", "result/other.png"):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_text("of an earlier run", encoding="utf-8")

    result, written = judge(figure={"value": obtained_mm, "source": "a first run"})

    assert result.returncode == pytest.ExitCode.OK, result.stdout
    assert written["passed"]
    packed = [zipfile.ZipFile(archive).namelist() for archive in Outputs(tmp_path / "out").archives]
    assert sorted(packed[0]) == [
        "report.html", "result/BENCHMARK_REPORT.md", "result/benchmark_comparison.png",
        "result/benchmark_results.json", "result/per_sample.csv",
    ]  # fmt: skip
    assert packed[1] == ["log/test_T.log"]


def test_caller_finds_its_run_id_in_the_results(
    judge: Judge, obtained_mm: float, plugin: Callable[[str], str]
) -> None:
    sets_id = 'import os\nos.environ["CONVNEXTPOSE_RUN_ID"] = "of-the-caller"\n'

    _, written = judge(
        "-p", plugin(sets_id), figure={"value": obtained_mm, "source": "a first run"}
    )

    assert written["run_id"] == "of-the-caller"
