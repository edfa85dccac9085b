"""A run in which nothing failed is passed only if nothing was left out."""

from __future__ import annotations

import pytest

from convnextpose_check.plugin.gate import Gate

FILES = ("test_a.py", "test_b.py")


def full_gate() -> Gate:
    """A run of two published tests that both ran."""
    return Gate(
        published={"a[published]", "b[published]"},
        files=set(FILES),
        selected={"a[published]", "b[published]"},
        finished={"a[published]", "b[published]"},
    )


def test_complete_run_has_no_problems() -> None:
    assert full_gate().problems(FILES, None) == {}


@pytest.mark.parametrize(
    ("left_out", "problem"),
    [
        pytest.param({"skipped": {"b[published]"}}, "b[published] was skipped", id="skipped"),
        pytest.param(
            {"finished": {"a[published]"}}, "b[published] was not run", id="deselected-or-stopped"
        ),
        pytest.param(
            {"finished": {"a[miniature]"}, "selected": {"b[published]"}},
            "none of the 2 tests of published models was run",
            id="nothing-executed",
        ),
        pytest.param(
            {"files": {"test_a.py"}},
            "no test of published models in test_b.py was collected",
            id="file",
        ),
    ],
)
def test_what_was_left_out_is_named(left_out: dict[str, set[str]], problem: str) -> None:
    gate = full_gate()
    for name, tests in left_out.items():
        setattr(gate, name, tests)

    assert gate.problems(FILES, None) == {problem: "published"}


def test_failed_test_is_not_called_left_out() -> None:
    gate = full_gate()
    gate.finished, gate.failed = {"a[published]"}, {"b[published]"}

    assert gate.problems(FILES, None) == {}


def test_verdict_other_than_reproduced_is_a_problem_of_its_own() -> None:
    assert full_gate().problems(FILES, "not reproduced") == {"not reproduced": "published"}


def test_verdict_is_not_held_against_a_run_that_failed_anyway() -> None:
    gate = full_gate()
    gate.failed = {"b[published]"}

    assert gate.problems(FILES, "not reproduced") == {}


def test_verdict_on_published_models_does_not_matter_to_a_run_of_the_miniature() -> None:
    gate = Gate(files=set(FILES), finished={"a[miniature]"})

    assert gate.problems(FILES, "no published model was evaluated") == {}


def test_part_of_the_miniature_may_be_run_alone() -> None:
    gate = Gate(
        published={"a[published]"},
        files={"test_a.py"},
        finished={"a[miniature]"},
    )

    assert gate.problems(FILES, None) == {}


def test_skipped_miniature_test_is_not_passed() -> None:
    gate = Gate(files=set(FILES), skipped={"a[miniature]"})

    assert gate.problems(FILES, None) == {"a[miniature] was skipped": "miniature"}
