"""From a difference to a verdict, and to a passed, failed or expectedly failed test."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from convnextpose_check.checks.error import check_error_is_within
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.verdict import TOLERANCES_MM, Judgement, judge, verdict_word
from convnextpose_check.variants import ReportedValue
from tests.support.runs import make_evaluation
from tests.validation.test_mpjpe import (
    test_mpjpe_is_within_tolerance_of_reported_value as run_test_mpjpe,
)

PAPER = ReportedValue(50.0, "paper, table 5")
INFORMATION = ReportedValue(34.5, "paper, table 4", "trained on six subjects")
NAN, INFINITY = float("nan"), float("inf")
OUTPUT = Path("an output")


def outcome(judgement: Judgement, tolerance_mm: int, gate_mm: int | None) -> str:
    """The outcome of the validation test: passed, failed or expected failure (X)."""
    arguments: Any = {
        "run": SimpleNamespace(
            name="published",
            settings=SimpleNamespace(gate=gate_mm, results_dir=OUTPUT),
            reference=lambda _variant: judgement.reference,
            judgement=lambda _variant: judgement,
        ),
        "variant": SimpleNamespace(name="XS"),
        "tolerance_mm": tolerance_mm,
        "evaluations": {"XS": SimpleNamespace(error_mm=judgement.obtained_mm)},
        "record": lambda *_: None,
    }
    try:
        run_test_mpjpe(**arguments)
    except CheckFailedError:
        return "F"
    except pytest.xfail.Exception:
        return "X"
    return "P"


def outcomes(judgement: Judgement) -> str:
    """The outcomes of the tests of 1, 2 and 5 mm, with a gate of 1, 2, 5 mm and without one."""
    return " ".join(
        "".join(outcome(judgement, tolerance_mm, gate_mm) for tolerance_mm in TOLERANCES_MM)
        for gate_mm in (1, 2, 5, None)
    )


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
def test_verdict_and_outcome_change_at_each_tolerance(
    sign: int, difference_mm: float, word: str, expected: str
) -> None:
    judgement = judge(make_evaluation(50.0 + sign * difference_mm), PAPER)

    assert verdict_word(sign * difference_mm) == judgement.verdict == word
    assert judgement.difference_mm == pytest.approx(sign * difference_mm, nan_ok=True)
    assert not judgement.is_information
    assert not judgement.is_subset
    assert outcomes(judgement) == expected


ALWAYS_FAILS = "FFF FFF FFF FFF"
LIKE_A_MISS = "FFF XFF XXF XXX"
NO_FIGURE = "no reported value to compare with"
SIX_SUBJECTS = "information only, trained on six subjects"
MADE, SUBSET = make_evaluation(50.0), make_evaluation(50.0, complete=False)


@pytest.mark.parametrize(
    ("measured", "reference", "reason", "is_information", "expected"),
    [
        (SUBSET, PAPER, "subset of 4 samples", False, ALWAYS_FAILS),
        (SUBSET, INFORMATION, "subset of 4 samples", True, ALWAYS_FAILS),
        (SUBSET, None, "subset of 4 samples", False, ALWAYS_FAILS),
        (MADE, None, NO_FIGURE, False, "FFF FFF FFF XXX"),
        (make_evaluation(50.0, protocol=1), None, NO_FIGURE, True, LIKE_A_MISS),
        (make_evaluation(34.5), INFORMATION, SIX_SUBJECTS, True, LIKE_A_MISS),
        (MADE, ReportedValue(50.0, "paper", ""), "information only, ", True, LIKE_A_MISS),
        (make_evaluation(NAN), INFORMATION, SIX_SUBJECTS, True, ALWAYS_FAILS),
    ],
)
def test_error_without_verdict_never_passes(
    measured: Evaluation,
    reference: ReportedValue | None,
    reason: str,
    is_information: bool,
    expected: str,
) -> None:
    judgement = judge(measured, reference)

    assert judgement.verdict is None
    assert str(judgement) == f"not judged: {reason}"
    assert judgement.is_information is is_information
    assert judgement.is_subset is not measured.complete
    assert (judgement.difference_mm is None) is (reference is None)
    assert outcomes(judgement) == expected
    with pytest.raises(CheckFailedError, match=reason) as caught:
        check_error_is_within(judgement, 5, "XS", OUTPUT)
    assert caught.value.code == "not-judged"
    assert caught.value.expected == "a verdict"
    assert caught.value.obtained == str(judgement)
    assert ("--gate none" in caught.value.remedy) is measured.complete


@pytest.mark.parametrize(("obtained_mm", "difference"), [(52.0, "+2.0000"), (47.5, "-2.5000")])
def test_failed_check_reports_obtained_expected_and_difference(
    obtained_mm: float, difference: str
) -> None:
    judgement = judge(make_evaluation(obtained_mm), PAPER)
    assert check_error_is_within(judgement, 5, "XS", OUTPUT) == float(difference)
    with pytest.raises(CheckFailedError) as caught:
        check_error_is_within(judgement, 2, "XS", OUTPUT)

    assert caught.value.code == "outside-tolerance"
    assert caught.value.remedy.endswith("python -m convnextpose_check diagnose 'an output'")
    assert f"XS has {obtained_mm:.4f} mm: expected 50.0000 +/- 2 mm" in caught.value.problem
    assert "(paper, table 5)" in caught.value.problem
    assert f"the difference is {difference} mm" in caught.value.problem
    assert (caught.value.obtained, caught.value.expected) == (obtained_mm, 50.0)
