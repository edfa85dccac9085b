"""Verdicts from differences, and the outcomes of the tolerance tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.checks.error import check_error_is_within
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.verdict import (
    TOLERANCES_MM,
    Judgment,
    is_miss_allowed,
    judge,
    judge_difference,
)
from convnextpose_check.variants import ReportedValue
from tests.support.runs import make_evaluation

PAPER = ReportedValue(50.0, "paper, table 5")
INFORMATION = ReportedValue(34.5, "paper, table 4", "trained on six subjects")
NAN, INFINITY = float("nan"), float("inf")
OUTPUT = Path("an output")


def run_tolerance_test(judgment: Judgment, tolerance_mm: int, gate_mm: int | None) -> str:
    """The outcome of a test with this tolerance: P passed, F failed, X expected failure."""
    try:
        check_error_is_within(judgment, tolerance_mm, "XS", OUTPUT)
    except CheckFailedError:
        return "X" if is_miss_allowed(judgment, tolerance_mm, gate_mm) else "F"
    return "P"


def run_tolerance_tests(judgment: Judgment) -> str:
    """Outcomes of the 1, 2 and 5 mm tests, for the gates 1, 2, 5 mm and none."""
    outcomes = [
        "".join(run_tolerance_test(judgment, mm, gate_mm) for mm in TOLERANCES_MM)
        for gate_mm in (1, 2, 5, None)
    ]
    return " ".join(outcomes)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("difference_mm", "word", "expected"),
    [
        (0.0, "excellent", "PPP PPP PPP PPP"),
        (0.9999, "excellent", "PPP PPP PPP PPP"),
        (1.0, "very good", "FPP XPP XPP XPP"),
        (1.9999, "very good", "FPP XPP XPP XPP"),
        (2.0, "acceptable", "FFP XFP XXP XXP"),
        (4.9999, "acceptable", "FFP XFP XXP XXP"),
        (5.0, "review", "FFF XFF XXF XXX"),
        (1e6, "review", "FFF XFF XXF XXX"),
        (INFINITY, "review", "FFF FFF FFF FFF"),
        (NAN, "review", "FFF FFF FFF FFF"),
    ],
)
def test_judge_around_tolerances(sign: int, difference_mm: float, word: str, expected: str) -> None:
    judgment = judge(make_evaluation(50.0 + sign * difference_mm), PAPER)

    assert judge_difference(sign * difference_mm) == judgment.verdict == word
    assert judgment.difference_mm == pytest.approx(sign * difference_mm, nan_ok=True)
    assert not judgment.is_information
    assert not judgment.is_subset
    assert run_tolerance_tests(judgment) == expected


ALWAYS_FAILS = "FFF FFF FFF FFF"
OUTSIDE_TOLERANCE = "FFF XFF XXF XXX"
NO_REFERENCE = "no reported value to compare with"
PROTOCOL_1_ITERATIONS = "information only, trained on six subjects"
COMPLETE, SUBSET = make_evaluation(50.0), make_evaluation(50.0, complete=False)
SURPLUS = make_evaluation(50.0, complete=False, surplus=2)


@pytest.mark.parametrize(
    ("measured", "reference", "reason", "is_information", "expected"),
    [
        (SUBSET, PAPER, "the 4 samples are not those of", False, ALWAYS_FAILS),
        (SURPLUS, PAPER, "the 4 samples are not those of", False, ALWAYS_FAILS),
        (SUBSET, INFORMATION, "the 4 samples are not those of", True, ALWAYS_FAILS),
        (SUBSET, None, "the 4 samples are not those of", False, ALWAYS_FAILS),
        (COMPLETE, None, NO_REFERENCE, False, "FFF FFF FFF XXX"),
        (make_evaluation(50.0, protocol=1), None, NO_REFERENCE, True, OUTSIDE_TOLERANCE),
        (make_evaluation(34.5), INFORMATION, PROTOCOL_1_ITERATIONS, True, OUTSIDE_TOLERANCE),
        (COMPLETE, ReportedValue(50.0, "paper", ""), "information only, ", True, OUTSIDE_TOLERANCE),
        (make_evaluation(NAN), INFORMATION, PROTOCOL_1_ITERATIONS, True, ALWAYS_FAILS),
    ],
)
def test_check_error_is_within_without_verdict_never_passes(
    measured: Evaluation, reference: Any, reason: str, is_information: bool, expected: str
) -> None:
    judgment = judge(measured, reference)

    assert judgment.verdict is None
    assert str(judgment).startswith(f"not judged: {reason}")
    assert judgment.is_information is is_information
    assert judgment.is_subset is not measured.complete
    assert (judgment.difference_mm is None) is (reference is None)
    assert run_tolerance_tests(judgment) == expected
    with pytest.raises(CheckFailedError, match=f"not-judged.*{reason}") as caught:
        check_error_is_within(judgment, 5, "XS", OUTPUT)
    assert (caught.value.obtained, caught.value.expected) == (str(judgment), "a verdict")
    assert ("--gate none" in caught.value.remedy) is measured.complete
    assert (caught.value.follows is None) is measured.complete


@pytest.mark.parametrize(("obtained_mm", "difference"), [(52.0, "+2.0000"), (47.5, "-2.5000")])
def test_check_error_is_within_failure_reports_values(obtained_mm: float, difference: str) -> None:
    judgment = judge(make_evaluation(obtained_mm), PAPER)
    assert check_error_is_within(judgment, 5, "XS", OUTPUT) == float(difference)
    with pytest.raises(CheckFailedError, match="outside-tolerance") as caught:
        check_error_is_within(judgment, 2, "XS", OUTPUT)

    assert str(caught.value).endswith("\n  python -m convnextpose_check diagnose 'an output'")
    assert caught.value.problem == (
        f"XS has {obtained_mm:.4f} mm: expected 50.0000 +/- 2 mm (paper, table 5),"
        f" the difference is {difference} mm"
    )
    assert (caught.value.obtained, caught.value.expected) == (obtained_mm, 50.0)
