"""The gate's record of a check has its values, and forgives a missed tighter tolerance alone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.evaluation.verdict import Judgement
from convnextpose_check.plugin.check_record import (
    check_record,
    complete_properties,
    raw_outcome,
    reported_outcome,
)
from convnextpose_check.variants import Catalogue, Figure


@pytest.fixture
def item(request: pytest.FixtureRequest, catalogue: Catalogue) -> Any:
    """This test itself, with a variant among its parameters as a validation test has."""
    node = request.node
    if not hasattr(node, "callspec"):
        node.callspec = SimpleNamespace(params={})
    node.callspec.params["variant"] = catalogue["XS"]
    return node


def report_of(item: Any, outcome: Any = "passed", **recorded: object) -> Any:
    return pytest.TestReport(
        item.nodeid, item.location, {}, outcome, None, "call", user_properties=recorded.items()
    )


def call_of(error: BaseException | None = None, when: str = "call") -> Any:
    """A phase of a test in which this was raised."""
    if error is None:
        return SimpleNamespace(when=when, excinfo=None)
    raised = SimpleNamespace(value=error, exconly=lambda: f"{type(error).__name__}: {error}")
    return SimpleNamespace(when=when, excinfo=raised)


NO_DATA = ConvNeXtPoseCheckError(ErrorCode.DATA_NOT_FOUND, "none")
WITHOUT_VALUES = CheckFailedError(ErrorCode.WRONG_COUNT, "wrong")


@pytest.mark.parametrize(
    ("recorded", "error", "completed"),
    [
        (
            {"obtained": 57.0, "expected": 56.5, "unit": "mm"}, None,
            {"obtained": 57.0, "expected": 56.5, "unit": "mm", "difference": 0.5},
        ),
        ({"obtained": 3.0}, None, {"obtained": 3.0}),
        ({"obtained": "a", "expected": "b"}, None, {"obtained": "a", "expected": "b"}),
        (
            {}, CheckFailedError(ErrorCode.WRONG_COUNT, "wrong", "", 3, 5),
            {"obtained": 3, "expected": 5, "difference": -2},
        ),
        (
            {"obtained": 7}, CheckFailedError(ErrorCode.WRONG_COUNT, "wrong", "", (1, 2), None),
            {"obtained": "(1, 2)", "expected": "None"},
        ),
        ({"obtained": 7}, NO_DATA, {"obtained": 7}),
        ({"obtained": 7}, WITHOUT_VALUES, {"obtained": 7}),
    ],
)  # fmt: skip
def test_complete_properties_adds_variant_and_difference(
    item: Any, recorded: dict[str, Any], error: BaseException | None, completed: dict[str, Any]
) -> None:
    report = report_of(item, **recorded)

    complete_properties(item, report, error)

    assert dict(report.user_properties) == {**completed, "variant": "XS"}


def test_check_record_has_each_property_in_its_field(item: Any) -> None:
    report = report_of(item, obtained=57.0, expected=56.5, difference=0.5, unit="mm")

    record = check_record(item, report, call_of(), "passed")

    assert record.test == f"test_check_record.py::{item.name}"
    assert (record.obtained, record.expected, record.difference) == (57.0, 56.5, 0.5)
    assert (record.unit, record.outcome, record.message) == ("mm", "passed", "")
    assert (record.told_by, record.tolerance_mm) == ("", None)


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
def test_check_record_has_the_message_of_its_outcome(
    item: Any, outcome: Any, longrepr: Any, recorded: dict[str, Any], shown: str, message: str
) -> None:
    report = report_of(item, "passed" if outcome == "passed" else "failed", **recorded)
    report.longrepr = longrepr
    item.callspec.params["tolerance_mm"] = 1

    record = check_record(item, report, call_of(ValueError("no")), outcome)

    assert (record.outcome, record.message, record.tolerance_mm) == (shown, message, 1)


MISSED = pytest.xfail.Exception("missed")
MADE = "was made an expected failure"


@pytest.mark.parametrize(
    ("error", "when", "tolerance_mm", "outcome"),
    [
        pytest.param(None, "call", 1, ("passed", ""), id="passed"),
        pytest.param(ValueError(), "call", 1, ("failed", ""), id="failed"),
        pytest.param(pytest.skip.Exception("no"), "call", 1, ("skipped", ""), id="skipped"),
        pytest.param(MISSED, "call", 1, ("expected failure", ""), id="tighter-tolerance"),
        pytest.param(MISSED, "call", 5, ("skipped", MADE), id="the-gate-itself"),
        pytest.param(MISSED, "call", None, ("skipped", MADE), id="another-test"),
        pytest.param(MISSED, "setup", 1, ("skipped", MADE), id="a-fixture"),
    ],
)
def test_raw_outcome_forgives_missed_tighter_tolerance_alone(
    item: Any,
    error: BaseException | None,
    when: str,
    tolerance_mm: int | None,
    outcome: tuple[str, str],
) -> None:
    judgement = Judgement(50.0, Figure(48.5, "a test"), None, is_information=False)
    run: Any = SimpleNamespace(
        finished_evaluations=["XS"],
        judgement=lambda _variant: judgement,
        settings=SimpleNamespace(gate=5),
    )
    item.callspec.params["tolerance_mm"] = tolerance_mm

    assert raw_outcome(item, call_of(error, when), run) == outcome


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
def test_reported_outcome_distinguishes_expected_failures(
    item: Any, outcome: str, is_expected: bool, reported: str
) -> None:
    report = report_of(item, outcome)
    if is_expected:
        report.wasxfail = "a reason"

    assert reported_outcome(report) == reported
