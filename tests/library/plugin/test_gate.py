"""A run in which pytest reports no failure is passed only if nothing was left out or changed."""

from __future__ import annotations

from typing import Any

import pytest

from convnextpose_check.plugin.gate import SHOWN_TESTS, Gate
from convnextpose_check.results.schema import CheckRecord

A, B = "test_a.py::test_a[published]", "test_b.py::test_b[published]"
MORE = tuple(f"test_c.py::test_c[{number}]" for number in range(SHOWN_TESTS + 3))


def gate_of(required: tuple[str, ...] = (A, B), **outcomes: Any) -> Gate:
    """A gate whose tests ended with these outcomes, each run once."""
    gate = Gate(required)
    for test in (A, B):
        if outcome := outcomes.get(test[5], "passed"):
            gate.runs[test] += 1
            gate.record(CheckRecord(test, outcome))
    return gate


@pytest.mark.parametrize(
    ("gate", "problems"),
    [
        (gate_of(), []),
        (gate_of(b="failed"), []),
        (gate_of(b="expected failure"), []),
        (gate_of(required=(), b=None), []),
        (gate_of(b="skipped"), [f"{B} was skipped"]),
        (gate_of(b=None), [f"{B} was not run"]),
        (gate_of(a=None, b=None), ["none of the 2 required tests was run"]),
    ],
)
def test_problems_of_outcomes(gate: Gate, problems: list[str]) -> None:
    assert gate.problems() == problems


def test_problems_many_missing_tests_are_counted() -> None:
    problems = gate_of(required=(A, B, *MORE)).problems()

    assert len(problems) == SHOWN_TESTS + 1
    assert problems[-1] == "3 more required tests were not run"


def test_problems_repeated_test_is_named() -> None:
    gate = gate_of()
    gate.runs[A] += 1

    assert gate.problems() == [f"{A} was run 2 times: each test of the gate runs once"]


def test_problems_changed_outcomes_are_named_once_hidden_failures_first() -> None:
    gate = gate_of(a="skipped", b="failed")
    gate.changed = {A: "was made an expected failure", B: "failed and was reported as passed"}

    assert gate.problems() == [
        f"{B} failed and was reported as passed, by a plugin or conftest.py outside this suite",
        f"{A} was made an expected failure, by a plugin or conftest.py outside this suite",
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
    gate = gate_of(a=first)

    gate.record(CheckRecord(A, second))

    assert gate.records[A].outcome == "failed"
    assert gate.has_failed
    assert not gate_of(a="expected failure", b="skipped").has_failed
