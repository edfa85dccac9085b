"""From pytest's report of a validation test to the record of a check."""

from __future__ import annotations

from typing import Any, Literal, cast

import pytest

from convnextpose_check.errors import CheckFailedError
from convnextpose_check.evaluation.verdict import may_be_missed
from convnextpose_check.plugin.mistakes import told_by
from convnextpose_check.results.schema import CheckRecord
from convnextpose_check.results.schema import Outcome as CheckOutcome
from convnextpose_check.run.run import Run

Outcome = Literal["passed", "failed", "expected failure", "skipped"]
"""What pytest knows of a test."""

_UNVERIFIED: tuple[CheckOutcome, ...] = ("warning", "not verified")
"""Recorded by a test that passed: then it is not shown as passed."""


def name_of(item: pytest.Item) -> str:
    """File and test as the results name them, whatever folder the file was reached by."""
    return f"{item.path.name}::{item.name}"


def raw_outcome(item: pytest.Item, call: pytest.CallInfo[None], run: Run) -> tuple[Outcome, str]:
    """The outcome of a phase by what was raised, before any plugin changed it, and a remark.

    Only a missed tighter tolerance may be an expected failure. Everything else that asks pytest
    to expect a failure counts as skipped, with the remark that says so.
    """
    error = call.excinfo.value if call.excinfo is not None else None
    if error is None:
        return "passed", ""
    if isinstance(error, pytest.xfail.Exception):
        if call.when == "call" and _is_missed_tolerance(item, run):
            return "expected failure", ""
        return "skipped", "was made an expected failure"
    if isinstance(error, pytest.skip.Exception):
        return "skipped", ""
    return "failed", ""


def _is_missed_tolerance(item: pytest.Item, run: Run) -> bool:
    """True if the test is about a tolerance that the run may miss."""
    parameters = _parameters(item)
    if (tolerance_mm := parameters.get("tolerance_mm")) is None:
        return False
    variant = parameters["variant"].name
    if variant not in run.finished_evaluations:
        return False
    return may_be_missed(run.judgement(variant), tolerance_mm, run.settings.gate)


def reported_outcome(report: pytest.TestReport) -> str:
    """The outcome that pytest shows."""
    if hasattr(report, "wasxfail"):
        return "expected failure" if report.skipped else "unexpected pass"
    return report.outcome


def complete_properties(
    item: pytest.Item, report: pytest.TestReport, error: BaseException | None
) -> None:
    """Add to what the test recorded its variant, what a failed check obtained, the difference."""
    recorded = dict(report.user_properties)
    if isinstance(error, CheckFailedError) and error.obtained is not None:
        for name, value in (("obtained", error.obtained), ("expected", error.expected)):
            recorded[name] = value if isinstance(value, (int, float)) else str(value)
    if (variant := _parameters(item).get("variant")) is not None:
        recorded["variant"] = variant.name
    obtained, expected = recorded.get("obtained"), recorded.get("expected")
    if isinstance(obtained, (int, float)) and isinstance(expected, (int, float)):
        recorded["difference"] = obtained - expected
    report.user_properties = list(recorded.items())


def check_record(
    item: pytest.Item, report: pytest.TestReport, call: pytest.CallInfo[None], outcome: Outcome
) -> CheckRecord:
    """What became of the test, with its completed properties."""
    properties = dict(report.user_properties)
    message = "" if call.excinfo is None else call.excinfo.exconly()
    if outcome == "expected failure" and call.excinfo is not None:
        message = str(call.excinfo.value)
    elif outcome != "passed" and isinstance(report.longrepr, str):
        message = report.longrepr
    shown: CheckOutcome = outcome
    if outcome == "passed":
        for each in _UNVERIFIED:
            if each in properties:
                shown, message = each, str(properties[each])
                break
    return CheckRecord(
        test=name_of(item),
        outcome=shown,
        obtained=cast(Any, properties.get("obtained")),
        expected=cast(Any, properties.get("expected")),
        difference=cast(Any, properties.get("difference")),
        unit=str(properties.get("unit", "")),
        message=message,
        told_by=told_by(report) or "",
        tolerance_mm=_parameters(item).get("tolerance_mm"),
        variant=cast(Any, properties.get("variant")),
    )


def _parameters(item: pytest.Item) -> dict[str, Any]:
    assert isinstance(item, pytest.Function)
    return dict(item.callspec.params)
