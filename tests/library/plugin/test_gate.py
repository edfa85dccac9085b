"""A run in which pytest reports no failure is passed only if nothing was left out or changed."""

from __future__ import annotations

from typing import Any

import pytest

from convnextpose_check.plugin.gate import SHOWN_TESTS, Gate
from convnextpose_check.results.schema import CheckRecord

A, B = "test_a.py::test_a[published]", "test_b.py::test_b[published]"


def gate_of(required: tuple[str, ...] = (A, B), **outcomes: Any) -> Gate:
    """A gate whose tests ended with these outcomes, each run once."""
    gate = Gate(required)
    for test in (A, B):
        if outcome := outcomes.get(test[5], "passed"):
            gate.runs[test] += 1
            gate.record(CheckRecord(test, outcome))
    return gate


def test_problems_complete_run_has_none() -> None:
    gate = gate_of()

    assert gate.problems() == []
    assert not gate.has_failed


def test_problems_skipped_test_is_named() -> None:
    assert gate_of(b="skipped").problems() == [f"{B} was skipped"]


def test_problems_missing_test_is_named() -> None:
    assert gate_of(b=None).problems() == [f"{B} was not run"]


def test_problems_no_test_run_is_one_sentence() -> None:
    assert gate_of(a=None, b=None).problems() == ["none of the 2 required tests was run"]


def test_problems_many_missing_tests_are_counted() -> None:
    more = tuple(f"test_c.py::test_c[{number}]" for number in range(SHOWN_TESTS + 3))

    problems = gate_of(required=(A, B, *more)).problems()

    assert len(problems) == SHOWN_TESTS + 1
    assert problems[-1] == "3 more required tests were not run"


def test_problems_failed_test_is_no_problem_of_its_own() -> None:
    gate = gate_of(b="failed")

    assert gate.problems() == []
    assert gate.has_failed


def test_problems_expected_failure_is_none() -> None:
    gate = gate_of(b="expected failure")

    assert gate.problems() == []
    assert not gate.has_failed


def test_problems_part_of_synthetic_target_may_be_run_alone() -> None:
    assert gate_of(required=(), b=None).problems() == []


def test_problems_repeated_test_is_named() -> None:
    gate = gate_of()
    gate.runs[A] += 1

    assert gate.problems() == [f"{A} was run 2 times: each test of the gate runs once"]


def test_problems_changed_outcome_is_named_once() -> None:
    gate = gate_of(b="skipped")
    gate.changed[B] = "failed and was reported as passed"

    assert gate.problems() == [
        f"{B} failed and was reported as passed, by a plugin or conftest.py outside this suite"
    ]


@pytest.mark.parametrize("better", ["passed", "expected failure", "skipped"])
def test_record_better_outcome_does_not_replace_failure(better: Any) -> None:
    gate = gate_of(a="failed")

    gate.record(CheckRecord(A, better))

    assert gate.records[A].outcome == "failed"


def test_record_worse_outcome_replaces_pass() -> None:
    gate = gate_of()

    gate.record(CheckRecord(A, "failed"))

    assert gate.records[A].outcome == "failed"
