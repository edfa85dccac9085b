"""The records of the validation tests, and whether their run may be called passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from _pytest.outcomes import XFailed
from msgspec.structs import replace

from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.interrupts import Interrupted
from convnextpose_check.results.schema import OUTCOMES, CheckRecord, Outcome

MAX_SHOWN = 10
"""More missing tests, or problems on the terminal, are only counted."""


@dataclass(eq=False)
class Gate:
    """The pytest plugin that records what happened to the validation tests of one run.

    ``names`` holds the selected tests by node id, everything else is by test name.
    ``required`` are all tests that the target needs, whether or not they were selected: see
    ``required.py``. It is empty for the synthetic target, parts of which may be run alone.
    ``records`` holds the worst outcome of each test, so that a repetition cannot hide a failure.
    ``changed`` holds tests whose outcome was changed by something outside the suite, and how.
    ``runs`` counts how often each test was begun. ``mistakes`` holds, for each mistake of the user,
    the tests that it failed. ``failed_elsewhere`` counts failed tests outside tests/validation.
    ``interruption`` is what an interrupted evaluation has saved, empty if another part of the run
    was interrupted, and None if nothing was.
    """

    required: tuple[str, ...] = ()
    names: dict[str, str] = field(default_factory=dict)
    records: dict[str, CheckRecord] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)
    mistakes: dict[str, list[str]] = field(default_factory=dict)
    failed_elsewhere: int = 0
    interruption: str | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Record the outcome of a phase of a test, before other plugins change its report."""
        if (name := self.names.get(item.nodeid)) is None:
            return (yield)
        error = call.excinfo.value if call.excinfo is not None else None
        if isinstance(error, CheckFailedError) and error.obtained is not None:
            record_values(item.user_properties, error.obtained, error.expected)
        report = yield
        if isinstance(error, ConvNeXtPoseCheckError) and report.failed:
            self.describe(name, report, error)
        outcome = vars(report)["raw_outcome"] = raw_outcome(item, call)
        self.runs[name] += call.when == "setup"
        if call.when == "call" or outcome != "passed":
            self.record(check_record(item, report, call, outcome))
        return report

    def describe(self, name: str, report: pytest.TestReport, error: ConvNeXtPoseCheckError) -> None:
        """Show a mistake in its own words in the first test that it fails; others name that one.

        A mistake met in a fixture fails the test: it is not an error of the suite.
        """
        tests = self.mistakes.setdefault(str(error), [])
        report.when, report.longrepr = "call", str(error)
        vars(report)["duplicate_of"] = tests[0] if tests else ""
        if tests:
            report.longrepr = f"[{error.code}] as {tests[0]} says"
            report.sections.clear()  # captured output repeats the mistake
        tests.append(name)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Compare the reported outcome with the raw one: only the suite itself may forgive."""
        if (name := self.names.get(report.nodeid)) is None:
            self.failed_elsewhere += report.failed
            return
        raw, reported = getattr(report, "raw_outcome", "not run"), reported_outcome(report)
        if raw == reported:
            return
        self.changed.setdefault(name, f"{raw} and was reported as {reported}")
        if reported == "failed" and name in self.records:
            message = str(report.longrepr)
            self.record(replace(self.records[name], outcome="failed", message=message))

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Remember that the run was interrupted, and what an evaluation has saved."""
        self.interruption = str(excinfo.value) if isinstance(excinfo.value, Interrupted) else ""

    def record(self, check: CheckRecord) -> None:
        """Keep the record unless a worse one of the same test is there."""
        earlier = self.records.get(check.test)
        if earlier is None or OUTCOMES.index(check.outcome) >= OUTCOMES.index(earlier.outcome):
            self.records[check.test] = check

    def problems(self) -> Iterator[str]:
        """Reasons why the run is not passed, besides failed tests."""
        for test, record in self.records.items():
            if record.outcome == "skipped" and test not in self.changed:
                yield f"{test} was skipped"
        # What hides a failure comes first: a terminal shows only some of them.
        ranks = {test: OUTCOMES.index(check.outcome) for test, check in self.records.items()}
        for test, change in sorted(self.changed.items(), key=lambda item: -ranks.get(item[0], 0)):
            yield f"{test} {change}, by a plugin or conftest.py outside this suite"
        for test, count in self.runs.items():
            if count > 1:
                yield f"{test} was run {count} times: each test of the gate runs once"
        if self.failed_elsewhere:
            yield f"{self.failed_elsewhere} tests outside tests/validation failed"
        if self.interruption is not None:
            yield "the run was interrupted"
        missing = [test for test in self.required if test not in self.records]
        if self.required and len(missing) == len(self.required):
            yield f"none of the {len(missing)} required tests was run"
            return
        yield from (f"{test} was not run" for test in missing[:MAX_SHOWN])
        if len(missing) > MAX_SHOWN:
            yield f"{len(missing) - MAX_SHOWN} more required tests were not run"

    def how_to_fix(self) -> list[str]:
        """Each mistake and the tests that it failed, in the order in which they came."""
        return [f"{text} It fails {_failed(tests)}." for text, tests in self.mistakes.items()]


def _failed(tests: list[str]) -> str:
    """The first test and how many more there are."""
    if len(tests) == 1:
        return tests[0]
    more = "1 test that needs" if len(tests) == 2 else f"{len(tests) - 1} tests that need"
    return f"{tests[0]} and {more} the same"


class MissedTolerance(XFailed):
    """Raised by the suite itself if an error misses a tolerance tighter than the gate."""


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
    """Add a check's values to a test's ``user_properties``, which JUnit's file shows as well.

    Records the difference if both values are numbers. Replaces values recorded earlier. With a
    ``warning``, or the reason why the claim is ``unverified``, a test that passes is not shown as
    passed.
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


def parameters_of(item: pytest.Item) -> Mapping[str, Any]:
    """The parameters of a validation test."""
    assert isinstance(item, pytest.Function)
    return item.callspec.params


def name_of(item: pytest.Item) -> str:
    """File and test as the results name them, whatever folder the file was reached by."""
    return f"{item.path.name}::{item.name}"


def raw_outcome(item: pytest.Item, call: pytest.CallInfo[None]) -> Outcome:
    """The outcome of a phase by what was raised, before any plugin changed it.

    Only a missed tighter tolerance is an expected failure, and only in a test of one. A test that
    something else made an expected failure counts as skipped.
    """
    match call.excinfo and call.excinfo.value:
        case None:
            return "passed"
        case MissedTolerance() if call.when == "call" and "tolerance_mm" in parameters_of(item):
            return "expected failure"
        case XFailed() | pytest.skip.Exception():
            return "skipped"
    return "failed"


def reported_outcome(report: pytest.TestReport) -> str:
    """The outcome that pytest shows."""
    if hasattr(report, "wasxfail"):
        return "expected failure" if report.skipped else "unexpected pass"
    return report.outcome


def check_record(
    item: pytest.Item, report: pytest.TestReport, call: pytest.CallInfo[None], outcome: Outcome
) -> CheckRecord:
    """The record of a test with what it recorded."""
    recorded: dict[str, Any] = dict(report.user_properties)
    message = "" if call.excinfo is None else call.excinfo.exconly()
    if outcome == "expected failure" and call.excinfo is not None:
        message = str(call.excinfo.value)
    elif outcome != "passed" and isinstance(report.longrepr, str):
        message = report.longrepr
    elif outcome == "passed" and (mark := unverified_status(report)):
        outcome, message = mark, recorded[mark]
    return CheckRecord(
        test=name_of(item),
        outcome=outcome,
        unit=recorded.get("unit", ""),
        message=message,
        duplicate_of=getattr(report, "duplicate_of", ""),
        tolerance_mm=parameters_of(item).get("tolerance_mm"),
        obtained=recorded.get("obtained"),
        expected=recorded.get("expected"),
        difference=recorded.get("difference"),
        variant=recorded.get("variant"),
    )


def unverified_status(report: Any) -> Outcome | None:
    """``warning`` or ``not verified`` for a passed check that recorded one, else None."""
    recorded = dict(getattr(report, "user_properties", ()))
    words: tuple[Outcome, ...] = ("warning", "not verified")
    return next((word for word in words if word in recorded), None) if report.passed else None
