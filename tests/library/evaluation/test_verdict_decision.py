"""Passed, failed or expected failure: every case of the decision, asked of the test that makes it.

The gate of a run is 1, 2 or 5 mm or none, and each error is held against 1, 2 and 5 mm.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from convnextpose_check.errors import CheckFailedError
from convnextpose_check.evaluation.verdict import TOLERANCES_MM, Judgement, judge
from convnextpose_check.variants import Figure
from tests.library.evaluation.test_verdict import INFORMATION, PAPER, evaluation
from tests.validation.test_mpjpe import (
    test_mpjpe_is_within_tolerance_of_reported_value as ask_the_test,
)

NAN, INFINITE = float("nan"), float("inf")
P, F, X = "passed", "failed", "expected failure"
GATES = (1, 2, 5, None)


def decided(judgement: Judgement, tolerance_mm: int, gate_mm: int | None) -> str:
    """What becomes of the validation test."""
    given: Any = {
        "run": SimpleNamespace(
            name="published",
            settings=SimpleNamespace(gate=gate_mm, results_dir=Path("output")),
            reference=lambda _variant: judgement.reference,
            judgement=lambda _variant: judgement,
        ),
        "variant": SimpleNamespace(name="XS"),
        "tolerance_mm": tolerance_mm,
        "evaluations": {"XS": SimpleNamespace(error_mm=judgement.obtained_mm)},
        "record": lambda *_: None,
    }
    try:
        ask_the_test(**given)
    except CheckFailedError:
        return F
    except pytest.xfail.Exception:
        return X
    return P


def all_decided(judgement: Judgement) -> dict[int | None, str]:
    """For each gate what becomes of the tests of 1, 2 and 5 mm, a letter each."""
    letters = {P: "P", F: "F", X: "X"}
    return {
        gate: "".join(letters[decided(judgement, mm, gate)] for mm in TOLERANCES_MM)
        for gate in GATES
    }


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("difference_mm", "expected"),
    [
        pytest.param(0.0, ("PPP", "PPP", "PPP", "PPP"), id="none"),
        pytest.param(0.99, ("PPP", "PPP", "PPP", "PPP"), id="just-inside-1"),
        pytest.param(1.0, ("FPP", "XPP", "XPP", "XPP"), id="on-1"),
        pytest.param(1.01, ("FPP", "XPP", "XPP", "XPP"), id="just-outside-1"),
        pytest.param(1.99, ("FPP", "XPP", "XPP", "XPP"), id="just-inside-2"),
        pytest.param(2.0, ("FFP", "XFP", "XXP", "XXP"), id="on-2"),
        pytest.param(2.01, ("FFP", "XFP", "XXP", "XXP"), id="just-outside-2"),
        pytest.param(4.99, ("FFP", "XFP", "XXP", "XXP"), id="just-inside-5"),
        pytest.param(5.0, ("FFF", "XFF", "XXF", "XXX"), id="on-5"),
        pytest.param(5.01, ("FFF", "XFF", "XXF", "XXX"), id="just-outside-5"),
        pytest.param(1e6, ("FFF", "XFF", "XXF", "XXX"), id="far"),
        pytest.param(INFINITE, ("FFF", "FFF", "FFF", "FFF"), id="infinite"),
        pytest.param(NAN, ("FFF", "FFF", "FFF", "FFF"), id="no-number"),
    ],
)
def test_error_held_against_the_papers_figure(
    sign: int, difference_mm: float, expected: tuple[str, ...]
) -> None:
    judgement = judge(evaluation(PAPER.value + sign * difference_mm), PAPER)

    assert all_decided(judgement) == dict(zip(GATES, expected, strict=True))


MEASURED = evaluation(INFORMATION.value)
LIMITED = evaluation(PAPER.value, complete=False)


@pytest.mark.parametrize(
    ("judgement", "expected"),
    [
        pytest.param(judge(MEASURED, INFORMATION), ("FFF", "XFF", "XXF", "XXX"), id="information"),
        pytest.param(
            judge(replace(MEASURED, protocol=1), None),
            ("FFF", "XFF", "XXF", "XXX"),
            id="no-figure-under-protocol-1",
        ),
        pytest.param(judge(MEASURED, None), ("FFF", "FFF", "FFF", "XXX"), id="no-figure"),
        pytest.param(judge(LIMITED, PAPER), ("FFF", "FFF", "FFF", "FFF"), id="subset"),
        pytest.param(
            judge(LIMITED, Figure(50.0, "paper", "unlike")),
            ("FFF", "FFF", "FFF", "FFF"),
            id="subset-for-information",
        ),
        pytest.param(
            judge(evaluation(NAN), INFORMATION), ("FFF", "FFF", "FFF", "FFF"), id="no-number"
        ),
    ],
)
def test_error_that_is_not_judged(judgement: Judgement, expected: tuple[str, ...]) -> None:
    assert all_decided(judgement) == dict(zip(GATES, expected, strict=True))
