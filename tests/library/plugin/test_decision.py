"""A run passes only if every required test ran once, passed, and nothing changed its outcome.

Each case is a pytest session in this process on an evaluation that was measured once. The model
meets its reference, and only the case turns the run red.
"""

from __future__ import annotations

import os
import signal
import zipfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from msgspec.structs import replace

from convnextpose_check.plugin import required
from convnextpose_check.results.results_file import write_results
from convnextpose_check.results.schema import CheckRecord, Results
from convnextpose_check.run.run import Run
from convnextpose_check.run.target import Target
from convnextpose_check.settings.options import Settings
from tests.support.results import example_results
from tests.support.whole_runs import Ended, RunTests, own_model, write_reference

OK, FAILED, INTERRUPTED = 0, 1, 2
COUNT = "test_parameter_count[published-T]"
GATE = "test_mpjpe_is_within_tolerance_of_reported_value[published-T-5mm]"
FAR_MM = 600.0
FILES = (required.COUNTS, required.MPJPE)
"""The only test files of these sessions; their tests alone are required."""


@pytest.fixture
def judge(
    run_tests: RunTests,
    written_inputs: Path,
    measured: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> RunTests:
    """Judge the measured error by a reference that it misses by ``off_mm``."""

    def open_run(target: Target, settings: Settings, *_: object) -> Run:
        run = Run(target, settings, measured.human36m, measured.checkpoint_paths, ("T",))
        made = ("checkpoints", "devices", "models", "dataset", "evaluations")
        vars(run).update({name: vars(measured)[name] for name in made})
        return run

    def required_tests(*of: Any) -> tuple[str, ...]:
        return tuple(test for test in required.required_tests(*of) if test.startswith(FILES))

    monkeypatch.setattr("convnextpose_check.plugin.session.open_run", open_run)
    monkeypatch.setattr("convnextpose_check.plugin.suite.required_tests", required_tests)

    def judge_here(*arguments: object, off_mm: float = 0.0, info: str = "", **given: Any) -> Ended:
        figure = {"value": measured.evaluations["T"].error_mm + off_mm, "source": "a first run"}
        figure |= {"information_only": info} if info else {}
        variants_file = write_reference(written_inputs, tmp_path / "own.json", figure)
        given.setdefault("targets", [f"tests/validation/{name}" for name in FILES])
        return run_tests(*own_model(written_inputs, variants_file), *arguments, **given)

    return judge_here


def assert_red(run: Ended, problem: str, code: int = FAILED) -> None:
    """Exit code, terminal, results, report, Markdown and archive have the problem."""
    assert run.code == code, run.output
    assert problem in run.text
    results = run.results
    assert not results.passed
    assert any(problem in text for text in results.left_out), results.left_out
    for text in (
        results.verdict,
        run.files.report.read_text(encoding="utf-8"),
        run.files.markdown.read_text(encoding="utf-8"),
    ):
        assert "The run did not pass" in text
    with zipfile.ZipFile(run.files.archives[0]) as packed:
        assert packed.read("report.html") == run.files.report.read_bytes()


@pytest.mark.parametrize(
    ("off_mm", "code", "verdict"),
    [
        (4.99, OK, "Reproduced: T is within 5 mm of its figure."),
        (-5.01, FAILED, "Not reproduced: T differs by 5 mm or more."),
    ],
)
def test_five_millimeters_decide(judge: RunTests, off_mm: float, code: int, verdict: str) -> None:
    run = judge(off_mm=off_mm)

    assert run.code == code, run.output
    assert run.results.verdict.startswith(verdict)
    assert run.results.passed is (code == OK)
    assert run.results.left_out == ()
    assert verdict in run.text


class SkipsOne:
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        if item.name == COUNT:
            pytest.skip("not today")


class DeselectsOne:
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.name != COUNT]


class ExpectsFailures:
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            item.add_marker(pytest.mark.xfail(strict=False))


class ForgivesTheGate:
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        if item.name == GATE:
            pytest.xfail("never mind")


class ReportsPasses:
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.failed:
            report.outcome, report.longrepr = "passed", None
        return report


class ReportsWithoutRunning:
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        if item.name != COUNT:
            return None
        report = pytest.TestReport(item.nodeid, item.location, {}, "passed", None, "call")
        item.ihook.pytest_runtest_logreport(report=report)
        return True


class RunsTwice:
    def pytest_runtest_protocol(self, item: Any, nextitem: pytest.Item | None) -> bool | None:
        if item.name != COUNT:
            return None
        runtestprotocol(item, nextitem=nextitem, log=False)
        item._initrequest()
        for report in runtestprotocol(item, nextitem=nextitem, log=False):
            item.ihook.pytest_runtest_logreport(report=report)
        return True


class ChangesExitCode:
    def __init__(self, code: int) -> None:
        self.code = code

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        session.exitstatus = self.code


class InterruptsOne:
    def pytest_runtest_call(self, item: pytest.Item) -> None:
        if "is_damaged" in item.name:
            raise KeyboardInterrupt


class SignalsAtTheEnd:
    def pytest_sessionfinish(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


class SignalsAfterTheEnd:
    def pytest_unconfigure(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("plugin", "arguments", "off_mm", "problem", "code"),
    [
        pytest.param(SkipsOne(), [], 0, f"{COUNT} was skipped", FAILED, id="skipped"),
        pytest.param(DeselectsOne(), [], 0, f"{COUNT} was not run", FAILED, id="removed"),
        pytest.param(
            None, ["-k", "not parameter_count"], 0, f"{COUNT} was not run", FAILED, id="deselected"
        ),
        pytest.param(
            None, ["-o", "python_functions=test_mpjpe* test_ev* test_mul*"], 0,
            f"{COUNT} was not run", FAILED, id="overlooked",
        ),
        pytest.param(
            ExpectsFailures(), [], FAR_MM, f"{GATE} failed and was reported as expected failure",
            FAILED, id="expected-failure",
        ),
        pytest.param(
            ExpectsFailures(), [], 0,
            f"{COUNT} passed and was reported as unexpected pass",
            FAILED, id="unexpected-pass",
        ),
        pytest.param(
            ForgivesTheGate(), [], 0, f"{GATE} was made an expected failure", FAILED,
            id="forgiven",
        ),
        pytest.param(
            ReportsPasses(), [], FAR_MM, f"{GATE} failed and was reported as passed", FAILED,
            id="reported-as-passed",
        ),
        pytest.param(
            ReportsWithoutRunning(), [], 0, f"{COUNT} not run and was reported as passed", FAILED,
            id="forged",
        ),
        pytest.param(RunsTwice(), [], 0, f"{COUNT} was run 2 times", FAILED, id="repeated"),
        pytest.param(
            ChangesExitCode(7), [], 0, "pytest ended with exit code 7", 7, id="exit-code"
        ),
        pytest.param(
            InterruptsOne(), [], 0, "the run was interrupted", INTERRUPTED, id="interrupted"
        ),
        pytest.param(
            SignalsAtTheEnd(), [], 0, "the run was interrupted", INTERRUPTED, id="at-the-end"
        ),
        pytest.param(
            SignalsAfterTheEnd(), [], 0, "the run was interrupted", INTERRUPTED, id="late-signal"
        ),
    ],
)  # fmt: skip
def test_changed_run_is_red_everywhere(
    judge: RunTests,
    plugin: object,
    arguments: list[str],
    off_mm: float,
    problem: str,
    code: int,
) -> None:
    assert_red(judge(*arguments, off_mm=off_mm, plugin=plugin), problem, code)


@pytest.mark.parametrize(
    ("arguments", "code", "verdict"),
    [
        ([], FAILED, "No verdict on T: information only, of another model."),
        (["--gate=none"], OK, "No verdict on T: --gate none was given."),
    ],
)
def test_run_without_verdict_passes_only_without_gate(
    judge: RunTests, arguments: list[str], code: int, verdict: str
) -> None:
    run = judge(*arguments, info="of another model")

    assert run.code == code, run.output
    assert run.results.passed is (code == OK)
    assert run.results.verdict.startswith(verdict)


def test_signal_while_files_are_written_does_not_change_the_verdict(
    judge: RunTests, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(results: Results, path: Path) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        write_results(results, path)

    monkeypatch.setattr("convnextpose_check.run.report.write_results", write)

    run = judge()

    assert run.code == OK, run.output
    assert run.results.passed
    assert run.files.archives[1].is_file()


def test_running_only_what_failed_before_is_red(judge: RunTests, tmp_path: Path) -> None:
    """``--lf`` leaves out tests that passed."""
    cache = ["-p", "cacheprovider", "-o", f"cache_dir={tmp_path / 'cache'}"]
    assert judge(*cache, off_mm=FAR_MM).code == FAILED

    assert_red(judge(*cache, "--lf"), f"{COUNT} was not run")


def test_failing_test_elsewhere_is_red(judge: RunTests, tmp_path: Path) -> None:
    (tmp_path / "test_elsewhere.py").write_text("def test_bug():\n    assert False\n")
    targets = ("tests/validation", str(tmp_path / "test_elsewhere.py"))

    run = judge("-m", "", targets=targets)

    assert_red(run, "1 tests outside tests/validation failed")


class FailsAfterwards:
    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        if item.name == COUNT:
            raise ValueError("a bug")


def test_error_after_a_test_fails_it(judge: RunTests) -> None:
    run = judge(plugin=FailsAfterwards())

    assert run.code == FAILED
    assert [check.test for check in run.results.failed] == [f"test_counts.py::{COUNT}"]
    assert not run.results.passed


def test_exit_code_of_failure_is_not_forgiven(judge: RunTests) -> None:
    run = judge(off_mm=FAR_MM, plugin=ChangesExitCode(0))

    assert run.code == FAILED
    assert "Not reproduced: T" in run.results.verdict
    assert not run.results.passed


@pytest.mark.parametrize("run_id", [None, "of another run"])
def test_exit_code_needs_the_results_of_this_run(
    judge: RunTests, run_id: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(results: Results, path: Path) -> None:
        if run_id is not None:
            write_results(replace(results, run_id=run_id), path)

    monkeypatch.setattr("convnextpose_check.run.report.write_results", write)

    assert judge().code == FAILED


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--collect-only"], FAILED),
        (["--setup-plan"], FAILED),
        (["-k", "no_such_test"], pytest.ExitCode.NO_TESTS_COLLECTED),
    ],
)
def test_run_without_a_test_is_not_passed(judge: RunTests, arguments: list[str], code: int) -> None:
    run = judge(*arguments)

    assert run.code == code, run.output
    assert not (run.has_results and run.results.passed)


@pytest.mark.parametrize(
    "obstacle",
    ["result/per_sample.csv", "result/BENCHMARK_REPORT.md", "benchmark_results.zip", "log"],
)
def test_file_that_cannot_be_written_is_red(judge: RunTests, tmp_path: Path, obstacle: str) -> None:
    path = tmp_path / "out" / obstacle
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a file") if obstacle == "log" else path.mkdir()

    run = judge()

    assert run.code == FAILED, run.output
    assert not run.results.passed
    assert run.results.variants["T"].mpjpe_mm
    assert [text.partition("]")[0] for text in run.results.left_out] == ["[cannot-write"]
    assert "[cannot-write]" in run.text


def test_results_that_cannot_be_written_are_red(judge: RunTests, tmp_path: Path) -> None:
    class Blocks:
        def pytest_unconfigure(self) -> None:
            (tmp_path / "out" / "result").rmdir()
            (tmp_path / "out" / "result").write_text("a file")

    (tmp_path / "out" / "result").mkdir(parents=True)

    run = judge(plugin=Blocks())

    assert run.code == FAILED, run.output
    assert "[cannot-write]" in run.text
    assert "The run did not pass" in run.text


def test_baseline_is_met_by_the_same_run_and_missed_by_a_worse_one(
    judge: RunTests, tmp_path: Path
) -> None:
    baseline = tmp_path / "baseline.json"
    first = judge().results
    write_results(first, baseline)
    same = judge(f"--baseline={baseline}")
    model = replace(first.variants["T"], parameters=1)
    checks = (*first.checks, CheckRecord("test_x.py::test_x[a]", "passed"))
    write_results(replace(first, variants={"T": model}, checks=checks), baseline)

    worse = judge(f"--baseline={baseline}")

    assert same.code == OK, same.output
    assert same.results.baseline is not None
    assert_red(worse, "baseline: T has worse parameters than the baseline")
    assert_red(worse, "baseline: test_x.py::test_x[a] was run for the baseline and not now")
    assert "Against the baseline" in worse.files.report.read_text(encoding="utf-8")


def test_baseline_of_another_target_is_red(judge: RunTests, tmp_path: Path) -> None:
    write_results(example_results("miniature"), tmp_path / "baseline.json")

    assert_red(
        judge(f"--baseline={tmp_path / 'baseline.json'}"),
        "baseline: it judged the miniature models, this run did not",
    )
