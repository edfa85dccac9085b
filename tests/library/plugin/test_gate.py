"""The gate lists left out and changed tests, and each user error once; it stores values."""

from typing import Any

import pytest

from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.plugin.gate import MAX_SHOWN, Gate, record_values
from convnextpose_check.results.schema import CheckRecord

A, B = "test_a.py::test_a[published]", "test_b.py::test_b[published]"
MORE = tuple(f"test_c.py::test_c[{number}]" for number in range(MAX_SHOWN + 3))


NO_DATA = ConvNeXtPoseCheckError(ErrorCode.DATA_NOT_FOUND, "no folder was given", "Give one")
OTHER = ConvNeXtPoseCheckError(ErrorCode.WRONG_COUNT, "it has 4: expected 3")


def make_gate(required: tuple[str, ...] = (A, B), **outcomes: Any) -> Gate:
    """A gate with these outcomes of tests A and B."""
    gate = Gate(required)
    for test in (A, B):
        if outcome := outcomes.get(test[5], "passed"):
            gate.record(CheckRecord(test, outcome))
    return gate


@pytest.mark.parametrize(
    ("gate", "problems"),
    [
        (make_gate(), []),
        (make_gate(b="failed"), []),
        (make_gate(b="expected failure"), []),
        (make_gate(required=(), b=None), []),
        (make_gate(b="skipped"), [f"{B} was skipped"]),
        (make_gate(b=None), [f"{B} was not run"]),
    ],
)
def test_problems_list_skipped_and_missing_tests(gate: Gate, problems: list[str]) -> None:
    assert list(gate.problems()) == problems


def test_problems_many_missing_tests_are_counted() -> None:
    problems = list(make_gate(required=(A, B, *MORE)).problems())

    assert problems == [f"13 of 15 required tests were not run, such as {MORE[0]}"]


def test_problems_changed_outcomes_are_named_once() -> None:
    gate = make_gate(a="skipped", b="failed")
    gate.changed = {A: "was made an expected failure", B: "failed and was reported as passed"}

    assert list(gate.problems()) == [
        f"{A} was made an expected failure, by a plugin or conftest.py outside this suite",
        f"{B} failed and was reported as passed, by a plugin or conftest.py outside this suite",
    ]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("failed", "passed"),
        ("failed", "expected failure"),
        ("failed", "skipped"),
        ("passed", "failed"),
    ],
)
def test_record_keeps_the_failure(first: Any, second: Any) -> None:
    gate = make_gate(a=first)

    gate.record(CheckRecord(A, second))

    assert gate.records[A].outcome == "failed"


def describe(gate: Gate, *errors: ConvNeXtPoseCheckError) -> list[Any]:
    reports = []
    for letter, error in zip("abcdef", errors, strict=False):
        report = pytest.TestReport(
            "", ("", 0, ""), {}, "failed", "a traceback", "call", sections=[("log", "no folder")]
        )
        gate.describe_user_error(f"x.py::test_{letter}[XS]", report, error)
        reports.append(report)
    return reports


def test_describe_user_error_repeated_message_names_the_first_test() -> None:
    reports = describe(Gate(), NO_DATA, OTHER, NO_DATA)

    assert [str(report.longrepr) for report in reports] == [
        "[data-not-found] no folder was given. Give one.",
        "[wrong-count] it has 4: expected 3.",
        "[data-not-found] same cause as in x.py::test_a[XS]",
    ]
    assert [report.duplicate_of for report in reports] == ["", "", "x.py::test_a[XS]"]
    assert [len(report.sections) for report in reports] == [1, 1, 0]


@pytest.mark.parametrize(
    ("count", "tests"),
    [
        (1, "x.py::test_a[XS]"),
        (2, "x.py::test_a[XS] and 1 more test"),
        (4, "x.py::test_a[XS] and 3 more tests"),
    ],
)
def test_how_to_fix_counts_affected_tests(count: int, tests: str) -> None:
    gate = Gate()

    describe(gate, *[NO_DATA] * count)

    assert gate.how_to_fix() == [
        f"1. [data-not-found] no folder was given. Give one.\nFailed: {tests}."
    ]


def test_how_to_fix_consequence_belongs_to_its_cause() -> None:
    consequence = CheckFailedError(
        ErrorCode.NOT_JUDGED, "it is a subset", follows=ErrorCode.DATA_NOT_FOUND
    )
    gate, alone = Gate(), Gate()

    reports = describe(gate, NO_DATA, consequence)
    describe(alone, consequence)

    assert [report.duplicate_of for report in reports] == ["", "x.py::test_a[XS]"]
    assert len(gate.how_to_fix()) == 1
    assert alone.how_to_fix() == ["1. [not-judged] it is a subset.\nFailed: x.py::test_a[XS]."]


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
