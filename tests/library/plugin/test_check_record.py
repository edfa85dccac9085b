"""Records have a check's values; only a missed tighter tolerance is an expected failure."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from convnextpose_check.plugin.gate import (
    MissedTolerance,
    build_check_record,
    determine_raw_outcome,
    get_reported_outcome,
    record_values,
)


@pytest.fixture
def item(request: pytest.FixtureRequest) -> Any:
    """The item of the running test, with a tolerance like a validation test."""
    node = request.node
    if not hasattr(node, "callspec"):
        node.callspec = SimpleNamespace(params={})
    node.callspec.params["tolerance_mm"] = 1
    return node


def make_report(item: Any, outcome: Any = "passed", **recorded: object) -> Any:
    return pytest.TestReport(
        item.nodeid, item.location, {}, outcome, None, "call", user_properties=recorded.items()
    )


def make_call(error: BaseException | None = None, when: str = "call") -> Any:
    """The call of a test phase that raised ``error``."""
    if error is None:
        return SimpleNamespace(when=when, excinfo=None)
    raised = SimpleNamespace(value=error, exconly=lambda: f"{type(error).__name__}: {error}")
    return SimpleNamespace(when=when, excinfo=raised)


@pytest.mark.parametrize(
    ("values", "marks", "recorded"),
    [
        (
            (57.0, 56.5, "mm"), {},
            {"obtained": 57.0, "expected": 56.5, "unit": "mm", "difference": 0.5},
        ),
        ((3.0,), {}, {"obtained": 3.0}),
        (("a", (1, 2)), {}, {"obtained": "a", "expected": "(1, 2)"}),
        (("a",), {"warning": "w"}, {"obtained": "a", "warning": "w"}),
        (("a",), {"unverified": "u"}, {"obtained": "a", "not verified": "u"}),
    ],
)  # fmt: skip
def test_record_values_adds_difference_of_numbers(
    values: Any, marks: dict[str, str], recorded: dict[str, object]
) -> None:
    properties: list[tuple[str, object]] = [("variant", "XS")]

    record_values(properties, *values, **marks)

    assert dict(properties) == {"variant": "XS", **recorded}


def test_record_values_again_replaces_values_and_keeps_unit() -> None:
    properties: list[tuple[str, object]] = []
    record_values(properties, 57.0, 56.5, "mm")

    record_values(properties, 58.0)

    assert properties == [("unit", "mm"), ("obtained", 58.0)]


def test_check_record_has_recorded_values(item: Any) -> None:
    report = make_report(
        item, obtained=57.0, expected=56.5, difference=0.5, unit="mm", variant="XS"
    )

    record = build_check_record(item, report, make_call(), "passed")

    assert record.test == f"test_check_record.py::{item.name}"
    assert (record.obtained, record.expected, record.difference) == (57.0, 56.5, 0.5)
    assert (record.unit, record.outcome, record.message) == ("mm", "passed", "")
    assert (record.duplicate_of, record.tolerance_mm, record.variant) == ("", 1, "XS")


@pytest.mark.parametrize(
    ("outcome", "longrepr", "recorded", "shown", "message"),
    [
        ("passed", None, {"warning": "a reason"}, "warning", "a reason"),
        ("passed", None, {"not verified": "a reason"}, "not verified", "a reason"),
        ("failed", None, {"not verified": "a reason"}, "failed", "ValueError: no"),
        ("failed", "[wrong-count] wrong", {}, "failed", "[wrong-count] wrong"),
        ("expected failure", "a traceback", {}, "expected failure", "no"),
    ],
)
def test_check_record_has_message_of_outcome(
    item: Any, outcome: Any, longrepr: Any, recorded: dict[str, Any], shown: str, message: str
) -> None:
    report = make_report(item, "passed" if outcome == "passed" else "failed", **recorded)
    report.longrepr = longrepr

    record = build_check_record(item, report, make_call(ValueError("no")), outcome)

    assert (record.outcome, record.message) == (shown, message)


@pytest.mark.parametrize(
    ("error", "when", "outcome"),
    [
        (None, "call", "passed"),
        (ValueError(), "call", "failed"),
        (pytest.skip.Exception("no"), "call", "skipped"),
        (MissedTolerance("missed"), "call", "expected failure"),
        (MissedTolerance("missed"), "setup", "skipped"),
        (pytest.xfail.Exception("never mind"), "call", "skipped"),
    ],
)
def test_raw_outcome_only_missed_tolerance_is_an_expected_failure(
    item: Any, error: BaseException | None, when: str, outcome: str
) -> None:
    assert determine_raw_outcome(item, make_call(error, when)) == outcome
    del item.callspec.params["tolerance_mm"]  # then no failure is expected
    expected = outcome.replace("expected failure", "skipped")
    assert determine_raw_outcome(item, make_call(error, when)) == expected


@pytest.mark.parametrize(
    ("outcome", "is_expected", "reported"),
    [
        ("passed", False, "passed"),
        ("failed", False, "failed"),
        ("skipped", False, "skipped"),
        ("skipped", True, "expected failure"),
        ("passed", True, "unexpected pass"),
    ],
)
def test_get_reported_outcome(item: Any, outcome: str, is_expected: bool, reported: str) -> None:
    report = make_report(item, outcome)
    if is_expected:
        report.wasxfail = "a reason"

    assert get_reported_outcome(report) == reported
