"""A run passes only if every required test ran once, passed, and nothing changed its outcome.

Each case is a pytest session in this process on one shared evaluation. The model meets its
reference; only the change of the case makes the run fail.
"""

import os
import signal
import zipfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from msgspec.structs import replace

from convnextpose_check.plugin import required
from convnextpose_check.plugin.gate import MissedTolerance
from convnextpose_check.plugin.session import Session
from convnextpose_check.results.results_file import write_results
from convnextpose_check.results.schema import Results
from convnextpose_check.run.run import Run
from tests.support.whole_runs import (
    CompletedRun,
    RunTests,
    own_model_arguments,
    require_only,
    write_own_reference,
)

OK, FAILED = 0, 1
COUNT = "test_parameter_count[published-T]"
GATE = "test_mpjpe_is_within_tolerance_of_reported_value[published-T-5mm]"
INTERRUPTED = "the run was interrupted"
FAR_MM = 600.0
FILES = (required.COUNTS, required.MPJPE)
"""The test files of these sessions; only their tests are required."""


@pytest.fixture
def judge(
    run_tests: RunTests,
    written_inputs: Path,
    measured: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> RunTests:
    """Run a session whose error differs from its reference by ``off_mm``."""

    start = Session.start

    def start_measured(session: Session, evaluated: tuple[str, ...], *, writes: bool) -> None:
        start(session, evaluated, writes=writes)
        shared_names = ("checkpoints", "devices", "models", "dataset", "evaluations")
        vars(session.run).update({name: vars(measured)[name] for name in shared_names})

    monkeypatch.setattr(Session, "start", start_measured)
    require_only(monkeypatch, *FILES)

    def judge_in_process(*arguments: object, off_mm: float = 0.0, **given: Any) -> CompletedRun:
        reported = {"value": measured.evaluations["T"].error_mm + off_mm, "source": "a first run"}
        variants_file = write_own_reference(written_inputs, tmp_path / "own.json", reported)
        given.setdefault("targets", [f"tests/validation/{name}" for name in FILES])
        return run_tests(*own_model_arguments(written_inputs, variants_file), *arguments, **given)

    return judge_in_process


def assert_fails(run: CompletedRun, problem: str, code: int = FAILED) -> None:
    """Check exit code, terminal, results, report, Markdown and archive for the problem."""
    assert run.code == code, run.output
    assert problem in run.text
    assert ("add --resume" in run.text) == (problem == INTERRUPTED)
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


def test_run_error_below_five_millimeters_passes(judge: RunTests) -> None:
    verdict = "Reproduced: 1 acceptable; largest difference from the reported value: T -4.99 mm."

    run = judge(off_mm=4.99)

    assert run.code == OK, run.output
    assert run.results.verdict.startswith(verdict)
    assert run.results.passed
    assert run.results.left_out == ()
    assert verdict in run.text
    (tighter,) = [check for check in run.results.checks if check.test.endswith("[published-T-1mm]")]
    assert (tighter.outcome, tighter.tolerance_mm) == ("expected failure", 1)
    assert (tighter.variant, tighter.unit, tighter.duplicate_of) == ("T", "mm", "")
    assert tighter.message.startswith("[outside-tolerance] ")


def make_plugin(**hooks: Any) -> object:
    return type("Plugin", (), {name: staticmethod(hook) for name, hook in hooks.items()})()


def raise_in(name: str, error: BaseException) -> Callable[[pytest.Item], None]:
    """A hook that raises this error for tests whose name contains ``name``."""

    def hook(item: pytest.Item) -> None:
        if name in item.name:
            raise error

    return hook


def expect_failures(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.xfail(strict=False))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def report_passes() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.outcome, report.longrepr = "passed", None
    return report


def report_without_running(item: pytest.Item) -> bool | None:
    if item.name != COUNT:
        return None
    report = pytest.TestReport(item.nodeid, item.location, {}, "passed", None, "call")
    item.ihook.pytest_runtest_logreport(report=report)
    return True


def fail() -> None:
    raise ValueError("for now")


def rerun_until_passed(item: Any, nextitem: pytest.Item | None) -> bool | None:
    if item.name != COUNT:
        return None
    runtest = item.runtest
    item.runtest = fail
    runtestprotocol(item, nextitem=nextitem, log=False)
    item.runtest = runtest
    item._initrequest()
    for report in runtestprotocol(item, nextitem=nextitem, log=False):
        item.ihook.pytest_runtest_logreport(report=report)
    return True


@pytest.hookimpl(trylast=True)
def change_exit_code(session: pytest.Session) -> None:
    session.exitstatus = 0 if session.exitstatus else 7


def signal_this_process() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


CHANGES: dict[str, tuple[str, Callable[..., Any], str]] = {
    "skipped": (
        "runtest_setup", raise_in(COUNT, pytest.skip.Exception("not today")), f"{COUNT} was skipped"
    ),
    "expected failure": (
        "collection_modifyitems", expect_failures,
        f"{GATE} failed and was reported as expected failure",
    ),
    "unexpected pass": (
        "collection_modifyitems", expect_failures,
        f"{COUNT} passed and was reported as unexpected pass",
    ),
    "forgiven": (
        "runtest_call", raise_in(GATE, pytest.xfail.Exception("never mind")),
        f"{GATE} skipped and was reported as expected failure",
    ),
    "missed without a tolerance": (
        "runtest_call", raise_in(COUNT, MissedTolerance("never mind")),
        f"{COUNT} skipped and was reported as expected failure",
    ),
    "missed in setup": (
        "runtest_setup", raise_in(GATE, MissedTolerance("never mind")),
        f"{GATE} skipped and was reported as expected failure",
    ),
    "reported as passed": (
        "runtest_makereport", report_passes, f"{GATE} failed and was reported as passed"
    ),
    "forged": (
        "runtest_protocol", report_without_running, f"{COUNT} not run and was reported as passed"
    ),
    "exit code": ("sessionfinish", change_exit_code, "pytest ended with exit code 7"),
    "interrupted": ("runtest_call", raise_in("is_damaged", KeyboardInterrupt()), INTERRUPTED),
    "signal at the end": ("sessionfinish", signal_this_process, INTERRUPTED),
    "late signal": ("unconfigure", signal_this_process, INTERRUPTED),
}  # fmt: skip
"""The hook that changes a run, its function, and the problem that the run reports."""
CODES = {"pytest ended with exit code 7": 7, INTERRUPTED: 2}


@pytest.mark.parametrize("change", CHANGES)
def test_run_changed_outcome_fails_in_every_output(judge: RunTests, change: str) -> None:
    hook, function, problem = CHANGES[change]
    off_mm = FAR_MM if f"{GATE} failed" in problem else 0

    run = judge(off_mm=off_mm, plugin=make_plugin(**{f"pytest_{hook}": function}))

    assert_fails(run, problem, CODES.get(problem, FAILED))


@pytest.mark.parametrize(
    "arguments",
    [["-k", "not parameter_count"], ["-o", "python_functions=test_mpjpe* test_ev* test_mul*"]],
)
def test_run_left_out_test_fails(judge: RunTests, arguments: list[str]) -> None:
    assert_fails(judge(*arguments), f"{COUNT} was not run")


def test_run_signal_while_writing_passes(judge: RunTests, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(results: Results, path: Path) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        write_results(results, path)

    monkeypatch.setattr("convnextpose_check.run.report.write_results", write)

    run = judge()

    assert run.code == OK, run.output
    assert run.results.passed
    assert run.files.archives[1].is_file()


def test_run_failing_test_outside_validation_fails(judge: RunTests, tmp_path: Path) -> None:
    (tmp_path / "test_elsewhere.py").write_text("def test_bug():\n    assert False\n")
    targets = ("tests/validation", str(tmp_path / "test_elsewhere.py"))

    run = judge("-m", "", targets=targets)

    assert_fails(run, "pytest ended with exit code 1")


def test_run_rerun_until_passed_fails(judge: RunTests) -> None:
    run = judge(plugin=make_plugin(pytest_runtest_protocol=rerun_until_passed))

    assert run.code == FAILED, run.output
    assert [check.test for check in run.results.failed_checks] == [f"test_counts.py::{COUNT}"]
    assert not run.results.passed


def test_run_error_in_teardown_fails(judge: RunTests) -> None:
    fail = pytest.hookimpl(trylast=True)(raise_in(COUNT, ValueError("a bug")))

    run = judge(plugin=make_plugin(pytest_runtest_teardown=fail))

    assert run.code == FAILED
    (check,) = run.results.failed_checks
    assert (check.test, check.message) == (f"test_counts.py::{COUNT}", "ValueError: a bug")
    assert not run.results.passed


def test_run_error_above_five_millimeters_fails_despite_exit_code(judge: RunTests) -> None:
    run = judge(off_mm=-5.01, plugin=make_plugin(pytest_sessionfinish=change_exit_code))

    assert run.code == FAILED
    assert run.results.verdict.startswith(
        "Not reproduced: T (5 mm or more from the expected value); largest: T "
    )
    assert not run.results.passed


def test_run_results_of_another_run_fail(judge: RunTests, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(results: Results, path: Path) -> None:
        write_results(replace(results, run_id="of another run"), path)

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
def test_run_without_executed_tests_fails(judge: RunTests, arguments: list[str], code: int) -> None:
    run = judge(*arguments)

    assert run.code == code, run.output
    assert not run.files.results.exists() or not run.results.passed


@pytest.mark.parametrize(
    "obstacles",
    [("result/per_sample.csv", "result/BENCHMARK_REPORT.md", "log"), ("benchmark_results.zip",)],
)
def test_run_unwritable_fails(judge: RunTests, tmp_path: Path, obstacles: tuple[str, ...]) -> None:
    for name in obstacles:
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a file") if name == "log" else path.mkdir()

    run = judge()

    assert run.code == FAILED, run.output
    assert not run.results.passed
    assert run.results.variants["T"].mpjpe_mm
    problems = run.results.left_out
    assert all(text.startswith("[cannot-write]") for text in problems)
    assert all(any(name in text for text in problems) for name in obstacles), problems
    assert "[cannot-write]" in run.text


def test_run_unwritable_results_fail(judge: RunTests, tmp_path: Path) -> None:
    def block() -> None:
        (tmp_path / "out" / "result").rmdir()
        (tmp_path / "out" / "result").write_text("a file")

    (tmp_path / "out" / "result").mkdir(parents=True)

    run = judge(plugin=make_plugin(pytest_unconfigure=block))

    assert run.code == FAILED, run.output
    assert "[cannot-write]" in run.text
    assert "The run did not pass" in run.text


def test_run_worse_than_baseline_fails(judge: RunTests, tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    first = judge().results
    model = replace(first.variants["T"], parameters=1)
    write_results(replace(first, variants={"T": model}), baseline)

    worse = judge(f"--baseline={baseline}")

    assert_fails(worse, "baseline: T: parameters")
    assert "Comparison with the baseline" in worse.files.report.read_text(encoding="utf-8")
