"""Whether a run in which pytest reports no failure may be called passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import pytest
from msgspec.structs import replace

from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.interrupts import Interrupted
from convnextpose_check.plugin.check_record import (
    Recorder,
    check_record,
    raw_outcome,
    reported_outcome,
)
from convnextpose_check.results.schema import CheckRecord

SHOWN_TESTS = 10
"""More missing tests than these are only counted."""

_RANKS = {
    "passed": 0,
    "not verified": 1,
    "warning": 2,
    "expected failure": 3,
    "skipped": 4,
    "failed": 5,
}


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

    @property
    def has_failed(self) -> bool:
        """True if a test failed, whatever pytest made of it."""
        return any(record.outcome == "failed" for record in self.records.values())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Record the outcome of a phase of a test, before other plugins change its report."""
        if (name := self.names.get(item.nodeid)) is None:
            return (yield)
        error = call.excinfo.value if call.excinfo is not None else None
        if isinstance(error, CheckFailedError) and error.obtained is not None:
            Recorder(item.user_properties)(error.obtained, error.expected)
        report = yield
        if isinstance(error, ConvNeXtPoseCheckError) and report.failed:
            self.describe(name, report, error)
        outcome, remark = raw_outcome(call)
        vars(report)["raw_outcome"] = outcome
        self.runs[name] += call.when == "setup"
        if remark:
            self.changed[name] = remark
        if call.when == "call" or outcome != "passed":
            self.record(check_record(item, report, call, outcome))
        return report

    def describe(self, name: str, report: pytest.TestReport, error: ConvNeXtPoseCheckError) -> None:
        """Show a mistake in its own words in the first test that it fails; others name that one.

        A mistake met in a fixture fails the test: it is not an error of the suite.
        """
        first = self.mistakes.setdefault(str(error), [])
        first.append(name)
        report.when = "call"
        report.longrepr = str(error)
        vars(report)["told_by"] = ""
        if len(first) > 1:
            report.longrepr = f"[{error.code}] as {first[0]} says"
            vars(report)["told_by"] = first[0]
            report.sections.clear()  # captured output repeats the mistake

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
        if earlier is None or _RANKS[check.outcome] >= _RANKS[earlier.outcome]:
            self.records[check.test] = check

    def problems(self) -> Iterator[str]:
        """Reasons why the run is not passed, besides failed tests."""
        for test, record in self.records.items():
            if record.outcome == "skipped" and test not in self.changed:
                yield f"{test} was skipped"
        # What hides a failure comes first: a terminal shows only some of them.
        ranks = {test: _RANKS[record.outcome] for test, record in self.records.items()}
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
        for test in missing[:SHOWN_TESTS]:
            yield f"{test} was not run"
        if len(missing) > SHOWN_TESTS:
            yield f"{len(missing) - SHOWN_TESTS} more required tests were not run"

    def how_to_fix(self) -> list[str]:
        """Each mistake and the tests that it failed, in the order in which they came."""
        return [f"{text} It fails {_failed(tests)}." for text, tests in self.mistakes.items()]


def _failed(tests: list[str]) -> str:
    """The first test and how many more there are."""
    if len(tests) == 1:
        return tests[0]
    more = "1 test that needs" if len(tests) == 2 else f"{len(tests) - 1} tests that need"
    return f"{tests[0]} and {more} the same"
