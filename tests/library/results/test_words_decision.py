"""The decision of the gate: what passes, and nothing else does."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from convnextpose_check.results.schema import CheckRecord, Results
from convnextpose_check.results.words import decided, is_passed
from tests.support.results import example_results, example_variant, example_weights

FAR = {"XS": example_variant(67.0, 56.61)}
FAILED = (CheckRecord("a", "failed"),)
SKIPPED = (CheckRecord("a", "skipped"),)
FORGIVEN = (CheckRecord("a", "expected failure"),)


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        pytest.param(example_results(), True, id="reproduced"),
        pytest.param(example_results(checks=FORGIVEN), True, id="tighter-tolerance-missed"),
        pytest.param(example_results(finished=False), False, id="unfinished"),
        pytest.param(example_results(checks=FAILED), False, id="failed"),
        pytest.param(example_results(checks=SKIPPED), False, id="skipped"),
        pytest.param(example_results(left_out=("a",)), False, id="left-out"),
        pytest.param(example_results(variants=FAR), False, id="far"),
        pytest.param(example_results(complete=False), False, id="subset"),
        pytest.param(example_results(variants={}), False, id="nothing"),
        pytest.param(example_results(expected_variants=("XS", "S", "M")), False, id="missing"),
        pytest.param(example_results(variants=FAR, gate_mm=None), True, id="no-gate"),
        pytest.param(example_results(gate_mm=None, complete=False), False, id="no-gate-subset"),
        pytest.param(example_results(gate_mm=None, checks=FAILED), False, id="no-gate-failed"),
        pytest.param(example_results("miniature", variants={}), True, id="synthetic-part"),
        pytest.param(example_results("miniature", checks=FAILED), False, id="synthetic-failed"),
        pytest.param(example_results("miniature", finished=False), False, id="synthetic-begun"),
        pytest.param(example_weights(), True, id="weights"),
        pytest.param(example_weights(checks=()), False, id="weights-unchecked"),
        pytest.param(example_weights(checks=FORGIVEN), False, id="weights-forgiven"),
        pytest.param(example_weights(expected_variants=("XS", "S")), False, id="weights-missing"),
        pytest.param(example_weights(complete=True, checks=FAILED), False, id="weights-failed"),
    ],
)
def test_is_passed_only_for_a_finished_run_of_all_that_was_asked_for(
    results: Results, *, expected: bool
) -> None:
    assert is_passed(results) is expected


@pytest.mark.parametrize(
    ("changes", "problems", "passed", "verdict"),
    [
        ({}, (), True, "Reproduced: XS, S are within 5 mm of the paper."),
        ({}, ("a was skipped",), False, "did not pass: 1 check failed or left out."),
        ({"variants": FAR}, (), False, "Not reproduced: XS differs by 5 mm or more."),
    ],
)
def test_decided_adds_problems_run_id_verdict_and_decision(
    changes: dict[str, Any], problems: tuple[str, ...], passed: object, verdict: str
) -> None:
    before = example_results(finished=False, verdict="", passed=not passed, **changes)

    after = decided(before, iter(problems), "an-id")

    assert after.verdict.endswith(verdict)
    assert after == replace(
        before, finished=True, left_out=problems, run_id="an-id", passed=passed,
        verdict=after.verdict,
    )  # fmt: skip


def test_decided_again_forgets_earlier_problems() -> None:
    first = decided(example_results(), ["a was skipped"], "an-id")

    assert decided(first, [], "an-id").passed
