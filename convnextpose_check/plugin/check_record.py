"""From pytest's report of a validation test to the record of a check."""

from __future__ import annotations

from typing import Any, cast

import pytest

from convnextpose_check.errors import CheckFailedError
from convnextpose_check.plugin.mistakes import told_by
from convnextpose_check.results.schema import CheckRecord
from convnextpose_check.trial.trial import SubjectName


def subject_of(item: pytest.Item) -> SubjectName:
    """The subject that a validation test is about."""
    return cast(SubjectName, _parameters(item)["trial"])


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
    item: pytest.Item, report: pytest.TestReport, call: pytest.CallInfo[None]
) -> CheckRecord:
    """What became of the test, with its completed properties."""
    properties = dict(report.user_properties)
    outcome: Any = report.outcome
    message = "" if report.passed or call.excinfo is None else call.excinfo.exconly()
    if isinstance(report.longrepr, str):
        message = report.longrepr
    if hasattr(report, "wasxfail"):
        outcome, message = "expected failure", report.wasxfail
    return CheckRecord(
        test=f"{item.path.name}::{item.name}",
        outcome=outcome,
        obtained=cast(Any, properties.get("obtained")),
        expected=cast(Any, properties.get("expected")),
        difference=cast(Any, properties.get("difference")),
        unit=str(properties.get("unit", "")),
        message=message,
        told_by=told_by(report) or "",
    )


def _parameters(item: pytest.Item) -> dict[str, Any]:
    assert isinstance(item, pytest.Function)
    return dict(item.callspec.params)
