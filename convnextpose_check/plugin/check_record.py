"""The values that a validation test records, and its record in the results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from _pytest.outcomes import XFailed

from convnextpose_check.results.schema import CheckRecord
from convnextpose_check.results.schema import Outcome as CheckOutcome

Outcome = Literal["passed", "failed", "expected failure", "skipped"]
"""The outcomes that pytest knows."""

UNVERIFIED: tuple[CheckOutcome, ...] = ("warning", "not verified")
"""Recorded by a test that passed: then it is not shown as passed."""


class MissedTolerance(XFailed):
    """Raised by the suite itself if an error misses a tolerance tighter than the gate."""


@dataclass(frozen=True)
class Recorder:
    """Adds the value that a check obtained to a test's ``user_properties``.

    pytest writes these into JUnit's file as well.
    """

    properties: list[tuple[str, object]]

    def __call__(
        self,
        obtained: object,
        expected: object = None,
        unit: str = "",
        *,
        warning: str = "",
        unverified: str = "",
    ) -> None:
        """Record the values, their difference if both are numbers, and the unit.

        Replaces values recorded earlier. With a ``warning``, or the reason why the claim is
        ``unverified``, a test that passes is not shown as passed.
        """
        values = {"obtained": obtained, "expected": expected, "difference": None}
        if isinstance(obtained, (int, float)) and isinstance(expected, (int, float)):
            values["difference"] = obtained - expected
        marks = {"unit": unit, "warning": warning, "not verified": unverified}
        values |= {name: text for name, text in marks.items() if text}
        self.properties[:] = [each for each in self.properties if each[0] not in values] + [
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


def raw_outcome(call: pytest.CallInfo[None]) -> tuple[Outcome, str]:
    """The outcome of a phase by what was raised, before any plugin changed it, and a remark.

    Only a missed tighter tolerance is an expected failure; any other is skipped, with a remark.
    """
    error = call.excinfo.value if call.excinfo is not None else None
    match error:
        case None:
            return "passed", ""
        case MissedTolerance() if call.when == "call":
            return "expected failure", ""
        case XFailed():
            return "skipped", "was made an expected failure"
        case pytest.skip.Exception():
            return "skipped", ""
    return "failed", ""


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
    shown: CheckOutcome = outcome
    message = "" if call.excinfo is None else call.excinfo.exconly()
    if outcome == "expected failure" and call.excinfo is not None:
        message = str(call.excinfo.value)
    elif outcome != "passed" and isinstance(report.longrepr, str):
        message = report.longrepr
    elif outcome == "passed" and (marks := [mark for mark in UNVERIFIED if mark in recorded]):
        shown, message = marks[0], recorded[marks[0]]
    fields = ("obtained", "expected", "difference", "variant")
    return CheckRecord(
        test=name_of(item),
        outcome=shown,
        unit=recorded.get("unit", ""),
        message=message,
        told_by=getattr(report, "told_by", ""),
        tolerance_mm=parameters_of(item).get("tolerance_mm"),
        **{field: recorded.get(field) for field in fields},
    )
