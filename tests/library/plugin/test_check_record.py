"""What a validation test recorded reaches the books and the report's table as it was."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.evaluation.verdict import Judgement
from convnextpose_check.plugin.check_record import (
    check_record,
    complete_properties,
    raw_outcome,
    reported_outcome,
    target_of,
)
from convnextpose_check.plugin.report import (
    COLUMNS,
    pytest_html_results_table_header,
    pytest_html_results_table_row,
)
from convnextpose_check.variants import Catalogue, Figure


@pytest.fixture(params=["XS"])
def item(request: pytest.FixtureRequest, catalogue: Catalogue) -> pytest.Item:
    """This test itself, with a variant among its parameters as a validation test has."""
    node: pytest.Item = request.node
    assert isinstance(node, pytest.Function)
    node.callspec.params["variant"] = catalogue[request.param]
    return node


def report_of(item: pytest.Item, outcome: Any = "passed", **recorded: object) -> Any:
    return pytest.TestReport(
        item.nodeid, item.location, {}, outcome, None, "call", user_properties=recorded.items()
    )


def completed(item: pytest.Item, error: BaseException | None = None, **recorded: object) -> Any:
    report = report_of(item, **recorded)
    complete_properties(item, report, error)
    return dict(report.user_properties)


def test_difference_is_obtained_minus_expected(item: pytest.Item) -> None:
    assert completed(item, obtained=57.0, expected=56.5, unit="mm") == {
        "obtained": 57.0, "expected": 56.5, "unit": "mm", "variant": "XS", "difference": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize("recorded", [{"obtained": 3.0}, {"obtained": "a", "expected": "b"}])
def test_without_two_numbers_there_is_no_difference(
    item: pytest.Item, recorded: dict[str, Any]
) -> None:
    assert completed(item, **recorded) == {**recorded, "variant": "XS"}


def test_failed_check_tells_what_it_obtained_and_expected(item: pytest.Item) -> None:
    numbers = completed(item, CheckFailedError("count", "wrong", "", 3, 5))
    words = completed(item, CheckFailedError("count", "wrong", "", (1, 2), None), obtained=7)

    assert (numbers["obtained"], numbers["expected"], numbers["difference"]) == (3, 5, -2)
    assert (words["obtained"], words["expected"]) == ("(1, 2)", "None")


def test_other_errors_leave_what_was_recorded(item: pytest.Item) -> None:
    for error in (ConvNeXtPoseCheckError("no-data", "none"), CheckFailedError("count", "wrong")):
        assert completed(item, error, obtained=7) == {"obtained": 7, "variant": "XS"}


def test_record_of_a_check_holds_each_property_in_its_place(item: pytest.Item) -> None:
    report = report_of(item, obtained=57.0, expected=56.5, unit="mm")
    complete_properties(item, report, None)

    record = check_record(item, report, SimpleNamespace(excinfo=None), "passed")  # type: ignore[arg-type]

    assert (record.obtained, record.expected, record.difference) == (57.0, 56.5, 0.5)
    assert (record.unit, record.outcome, record.message) == ("mm", "passed", "")
    assert record.test == f"test_check_record.py::{item.name}"


def test_record_without_properties_is_empty(item: pytest.Item) -> None:
    call: Any = SimpleNamespace(excinfo=None)

    record = check_record(item, report_of(item), call, "passed")

    assert (record.obtained, record.expected, record.difference, record.unit) == (None,) * 3 + ("",)


def test_record_passed_check_has_no_message(item: pytest.Item) -> None:
    call: Any = SimpleNamespace(excinfo=None)

    assert check_record(item, report_of(item), call, "passed").message == ""


@pytest.mark.parametrize("word", ["warning", "not verified"])
def test_record_passed_check_that_verified_nothing_is_not_passed(
    item: pytest.Item, word: str
) -> None:
    call: Any = SimpleNamespace(excinfo=None)
    raised: Any = SimpleNamespace(excinfo=SimpleNamespace(exconly=lambda: "ValueError: no"))
    recorded = {word: "no tensors on record"}

    record = check_record(item, report_of(item, **recorded), call, "passed")
    failed = check_record(item, report_of(item, "failed", **recorded), raised, "failed")

    assert (record.outcome, record.message) == (word, "no tensors on record")
    assert (failed.outcome, failed.message) == ("failed", "ValueError: no")


def test_record_expected_failure_has_its_reason(item: pytest.Item) -> None:
    error = pytest.xfail.Exception("off by 1.5 mm")
    call: Any = SimpleNamespace(excinfo=SimpleNamespace(value=error, exconly=lambda: "XFailed"))
    report = report_of(item, "skipped")
    report.longrepr = "a traceback"
    assert isinstance(item, pytest.Function)
    item.callspec.params["tolerance_mm"] = 1

    record = check_record(item, report, call, "expected failure")

    assert (record.outcome, record.message) == ("expected failure", "off by 1.5 mm")
    assert record.tolerance_mm == 1


def test_record_names_the_test_that_tells_its_mistake(item: pytest.Item) -> None:
    report, call = report_of(item, "failed"), SimpleNamespace(excinfo=None)
    report.told_by = "another"

    assert check_record(item, report, call, "failed").told_by == "another"  # type: ignore[arg-type]
    assert check_record(item, report_of(item), call, "passed").told_by == ""  # type: ignore[arg-type]


def test_subject_is_the_tests_own(item: pytest.Item) -> None:
    assert isinstance(item, pytest.Function)
    item.callspec.params["trial"] = "miniature"

    assert target_of(item) == "miniature"


def test_record_failed_check_has_its_message(item: pytest.Item) -> None:
    report = report_of(item, "failed")
    call: Any = SimpleNamespace(excinfo=SimpleNamespace(exconly=lambda: "ValueError: no"))

    assert check_record(item, report, call, "failed").message == "ValueError: no"
    report.longrepr = "[count] wrong"
    assert check_record(item, report, call, "failed").message == "[count] wrong"


def judged(reference_mm: float) -> Judgement:
    """An error of 50 mm of a whole data set, held against a reference."""
    return Judgement(50.0, Figure(reference_mm, "a test"), None, is_information=False)


def call_of(error: BaseException | None, when: str = "call") -> Any:
    """What pytest knows of a phase in which this was raised."""
    return SimpleNamespace(
        when=when, excinfo=None if error is None else SimpleNamespace(value=error)
    )


FORGIVEN = pytest.xfail.Exception("missed")


@pytest.mark.parametrize(
    ("error", "when", "tolerance_mm", "outcome", "remark"),
    [
        pytest.param(None, "call", 1, "passed", "", id="passed"),
        pytest.param(ValueError(), "call", 1, "failed", "", id="failed"),
        pytest.param(pytest.skip.Exception("no"), "call", 1, "skipped", "", id="skipped"),
        pytest.param(FORGIVEN, "call", 1, "expected failure", "", id="tighter-tolerance"),
        pytest.param(FORGIVEN, "call", 5, "skipped", "was made an expected", id="the-gate-itself"),
        pytest.param(FORGIVEN, "call", None, "skipped", "was made an expected", id="another-test"),
        pytest.param(FORGIVEN, "setup", 1, "skipped", "was made an expected", id="a-fixture"),
    ],
)
def test_raw_outcome_forgives_missed_tighter_tolerance_alone(
    item: pytest.Item,
    error: BaseException | None,
    when: str,
    tolerance_mm: int | None,
    outcome: str,
    remark: str,
) -> None:
    assert isinstance(item, pytest.Function)
    item.funcargs["judgement"] = judged(48.5)
    item.callspec.params["tolerance_mm"] = tolerance_mm

    obtained, told = raw_outcome(item, call_of(error, when), gate_mm=5)

    assert obtained == outcome
    assert told.startswith(remark)
    assert bool(told) == bool(remark)


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
def test_reported_outcome_tells_expected_failures_apart(
    item: pytest.Item, outcome: str, is_expected: bool, reported: str
) -> None:
    report = report_of(item, outcome)
    if is_expected:
        report.wasxfail = "a reason"

    assert reported_outcome(report) == reported


def test_reports_table_shows_each_value_under_its_title(item: pytest.Item) -> None:
    header = ["<th>Result</th>", "<th>Test</th>", "<th>Duration</th>"]
    row = ["<td>Passed</td>", "", "<td>0 ms</td>"]
    report = report_of(
        item, variant="XS", obtained=57.25, expected=56.5, difference=-0.75, unit="mm"
    )

    pytest_html_results_table_header(header)
    pytest_html_results_table_row(report, row)

    assert COLUMNS == ("variant", "obtained", "expected", "difference")
    for place, (title, text) in enumerate(
        zip(COLUMNS, ("XS", "57.250 mm", "56.500 mm", "-0.750 mm"), strict=True), start=2
    ):
        assert f">{title.capitalize()}</th>" in header[place]
        assert row[place].startswith(f'<td class="col-{title}">')
        assert row[place].endswith(f"{text}</td>")
    assert len(header) == len(row) == 7
