"""Record the outcomes of the validation tests, and find reasons why a run has not passed."""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from _pytest.outcomes import XFailed

from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.evaluation.predict import NetworkFailedError
from convnextpose_check.results.schema import OUTCOMES, CheckRecord, Outcome
from convnextpose_check.text import format_count

MAX_SHOWN = 10
"""Maximum number of missing tests, or of problems on the terminal, that are listed."""


@dataclass(eq=False)
class Gate:
    """The pytest plugin that records the outcomes of one run's validation tests.

    All fields but ``names`` use test names, such as ``test_counts.py::test_multiply_adds[...]``.

    ``required``: the tests that must run, selected or not (see ``required.py``); empty for the
    synthetic target, whose tests may be run separately.
    ``names``: maps the node id of each selected test to its name.
    ``records``: the worst outcome of each test, so that a repetition cannot hide a failure.
    ``changed``: maps each test whose outcome an outside plugin changed to the change.
    ``user_errors``: maps each user error's message to the tests that failed because of it.
    ``messages``: maps each error code to the first message with it.
    ``traces``: maps each variant to the tracebacks of its failed networks.
    ``stop_reason``: the reason why the remaining tests were not run, '' if they were.
    """

    required: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    records: dict[str, CheckRecord] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    user_errors: dict[str, list[str]] = field(default_factory=dict)
    traces: dict[str, list[str]] = field(default_factory=dict)
    messages: dict[ErrorCode, str] = field(default_factory=dict)
    stop_reason: str = ""
    is_interrupted: bool = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Record the outcome of a test phase before other plugins change its report."""
        if (name := self.names.get(item.nodeid)) is None:
            return (yield)
        error = call.excinfo.value if call.excinfo is not None else None
        if isinstance(error, CheckFailedError) and error.obtained is not None:
            record_values(item.user_properties, error.obtained, error.expected)
        report = yield
        if isinstance(error, ConvNeXtPoseCheckError) and report.failed:
            self.describe_user_error(name, report, error)
            variant = get_parameters(item).get("variant")
            if isinstance(error, NetworkFailedError) and variant is not None:
                self.traces.setdefault(variant.name, []).append(error.trace)
        outcome = vars(report)["raw_outcome"] = determine_raw_outcome(item, call)
        if call.when == "call" or outcome != "passed":
            self.record(build_check_record(item, report, call, outcome))
        return report

    def describe_user_error(
        self, name: str, report: pytest.TestReport, error: ConvNeXtPoseCheckError
    ) -> None:
        """Replace the traceback by the message, and a repeated message by the first test's name.

        An error that follows from an earlier one counts as its repetition. A user error in a
        fixture is reported as a failed test; pytest's "error" would suggest a bug in the suite.
        """
        cause = str(error)
        if error.follows is not None:
            cause = self.messages.get(error.follows, cause)
        tests = self.user_errors.setdefault(cause, [])
        self.messages.setdefault(error.code, str(error))
        report.when, report.longrepr = "call", str(error)
        tests.append(name)
        vars(report)["duplicate_of"] = tests[0] if tests[0] != name else ""
        if tests[0] != name:
            report.longrepr = f"[{error.code}] same cause as in {tests[0]}"
            report.sections.clear()  # captured output repeats the message

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record a test whose reported outcome differs from the raw one."""
        if (name := self.names.get(report.nodeid)) is None:
            return
        raw, reported = getattr(report, "raw_outcome", "not run"), get_reported_outcome(report)
        if raw != reported:
            self.changed.setdefault(name, f"{raw} and was reported as {reported}")

    def record(self, check: CheckRecord) -> None:
        """Store the record unless the same test already has a worse one."""
        earlier = self.records.get(check.test)
        if earlier is None or OUTCOMES.index(check.outcome) >= OUTCOMES.index(earlier.outcome):
            self.records[check.test] = check

    def problems(self) -> Iterator[str]:
        """Yield the reasons, other than failed tests, why the run has not passed."""
        for test, record in self.records.items():
            if record.outcome == "skipped" and test not in self.changed:
                yield f"{test} was skipped"
        for test, change in self.changed.items():
            yield f"{test} {change}, by a plugin or conftest.py outside this suite"
        if self.is_interrupted:
            yield "the run was interrupted"
        if self.stop_reason:
            yield f"the run was stopped: {self.stop_reason}"
            return
        missing = [test for test in self.required if test not in self.records]
        if len(missing) > MAX_SHOWN:
            yield (
                f"{len(missing)} of {len(self.required)} required tests were not run, such as"
                f" {missing[0]}"
            )
        else:
            yield from (f"{test} was not run" for test in missing)

    def how_to_fix(self) -> list[str]:
        """Format each user error and the tests that failed because of it, the earliest first."""
        texts = []
        for number, (text, (first, *others)) in enumerate(self.user_errors.items(), start=1):
            more = f" and {format_count(len(others), 'more test')}" if others else ""
            texts.append(f"{number}. {text}\nFailed: {first}{more}.")
        return texts


class MissedTolerance(XFailed):
    """Raised by the suite if an error misses a tolerance tighter than the gate."""


Recorder = Callable[..., None]
"""``record_values`` for one test."""


def record_values(
    properties: list[tuple[str, object]],
    obtained: object,
    expected: object = None,
    unit: str = "",
    *,
    warning: str = "",
    unverified: str = "",
) -> None:
    """Store a check's values in a test's ``user_properties``, which JUnit XML includes.

    Adds the difference if both values are numbers, and replaces values stored earlier. A passed
    test with a ``warning``, or with a reason in ``unverified``, is shown as such, not as passed.
    """
    values = {"obtained": obtained, "expected": expected, "difference": None}
    if isinstance(obtained, (int, float)) and isinstance(expected, (int, float)):
        values["difference"] = obtained - expected
    marks = {"unit": unit, "warning": warning, "not verified": unverified}
    values |= {name: text for name, text in marks.items() if text}
    properties[:] = [each for each in properties if each[0] not in values] + [
        (name, value if isinstance(value, (int, float)) else str(value))
        for name, value in values.items()
        if value is not None
    ]


def get_parameters(item: pytest.Item) -> Mapping[str, Any]:
    """Return the parameters of a validation test by name."""
    assert isinstance(item, pytest.Function)
    return item.callspec.params


def get_test_name(item: pytest.Item) -> str:
    """Return the test's name in the results: file name and test id, without the folder."""
    return f"{item.path.name}::{item.name}"


def determine_raw_outcome(item: pytest.Item, call: pytest.CallInfo[None]) -> Outcome:
    """Return the outcome of a test phase from its exception, before any plugin changes it.

    Only a tolerance test that raises ``MissedTolerance`` is an expected failure. Other expected
    failures count as skipped.
    """
    match call.excinfo and call.excinfo.value:
        case None:
            return "passed"
        case MissedTolerance() if call.when == "call" and "tolerance_mm" in get_parameters(item):
            return "expected failure"
        case XFailed() | pytest.skip.Exception():
            return "skipped"
    return "failed"


def get_reported_outcome(report: pytest.TestReport) -> str:
    """Return the outcome that pytest shows."""
    if hasattr(report, "wasxfail"):
        return "expected failure" if report.skipped else "unexpected pass"
    return report.outcome


def build_check_record(
    item: pytest.Item, report: pytest.TestReport, call: pytest.CallInfo[None], outcome: Outcome
) -> CheckRecord:
    """Return the record of a test phase, with the values that the test stored."""
    recorded: dict[str, Any] = dict(report.user_properties)
    message = "" if call.excinfo is None else call.excinfo.exconly()
    if outcome == "expected failure" and call.excinfo is not None:
        message = str(call.excinfo.value)
    elif outcome != "passed" and isinstance(report.longrepr, str):
        message = report.longrepr
    elif outcome == "passed" and (mark := get_unverified_status(report)):
        outcome, message = mark, recorded[mark]
    return CheckRecord(
        test=get_test_name(item),
        outcome=outcome,
        unit=recorded.get("unit", ""),
        message=message,
        duplicate_of=getattr(report, "duplicate_of", ""),
        tolerance_mm=get_parameters(item).get("tolerance_mm"),
        obtained=recorded.get("obtained"),
        expected=recorded.get("expected"),
        difference=recorded.get("difference"),
        variant=recorded.get("variant"),
    )


def get_unverified_status(report: Any) -> Outcome | None:
    """Return ``warning`` or ``not verified`` if a passed test stored one, else None."""
    recorded = dict(getattr(report, "user_properties", ()))
    states: tuple[Outcome, ...] = ("warning", "not verified")
    return next((state for state in states if state in recorded), None) if report.passed else None
