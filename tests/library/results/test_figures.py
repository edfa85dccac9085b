"""How differences and verdicts are shown, and that verdicts follow from the numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from convnextpose_check.miniature.record import read_record
from convnextpose_check.results.figures import (
    RECORDED_WITHIN_MM,
    badge,
    derived,
    difference,
    identity_badge,
)
from tests.support.results import example_results, example_variant, example_weights


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7.2, "+7.200"), (-0.8, "-0.800"), (1e-5, "+0.00001"), (-0.0031, "-0.003"), (0.0, "+0.000"),
        (-1e-13, "+0.000"), (None, "-"), (4.9999, "+4.9999"), (-4.9996, "-4.9996"), (5.0, "+5.000"),
        (0.0199999, "+0.0199999"), (5 - 4e-10, "+5.000"), (1.0004, "+1.000"),
    ],
)  # fmt: skip
def test_difference_is_rounded_to_nothing_and_over_no_tolerance(
    value: float | None, text: str
) -> None:
    assert difference(value) == text


def test_tolerance_of_recorded_errors_is_that_of_the_record(fixtures: Path) -> None:
    assert read_record(fixtures).tolerance_mm == RECORDED_WITHIN_MM


@pytest.mark.parametrize(
    ("changes", "not_judged", "verdict"),
    [
        ({}, None, "review"),
        ({"verdict": None, "not_judged": "as it was"}, "as it was", None),
        ({"complete": False, "samples": 100}, "subset of 100 samples", None),
        ({"samples": 100}, "subset of 100 samples", None),
    ],
)
def test_verdict_follows_from_the_numbers(
    changes: dict[str, Any], not_judged: str | None, verdict: str | None
) -> None:
    stored = replace(example_variant(57.0, 56.61), mpjpe_mm=66.61, **changes)

    found = derived(example_results(variants={"XS": stored}))

    record = found.variants["XS"]
    assert (record.not_judged, record.verdict) == (not_judged, verdict)
    assert record.difference_mm == 66.61 - 56.61
    assert found.complete == record.complete == (stored.complete and stored.samples == 8695)


def test_written_results_are_derived_unchanged() -> None:
    results = example_results(variants={"XS": example_variant(57.0, 56.61)})

    assert derived(results) == results


OK, NEAR, BAD = "\N{CHECK MARK}", "\N{ALMOST EQUAL TO}", "\N{BALLOT X}"
NONE, WARNING = "\N{WHITE CIRCLE}", "\N{WARNING SIGN}"


@pytest.mark.parametrize(
    ("difference_mm", "kind", "expected"),
    [
        (0.5, "paper", ("good", OK, "excellent")),
        (-1.5, "paper", ("good", OK, "very good")),
        (4.5, "own file", ("fair", NEAR, "acceptable")),
        (-5.0, "paper", ("bad", BAD, "review")),
        (0.015625, "recorded", ("good", OK, "as recorded")),
        (-0.015625, "recorded", ("good", OK, "as recorded")),
        (0.03125, "recorded", ("bad", BAD, "not as recorded")),
        (-0.03125, "recorded", ("bad", BAD, "not as recorded")),
    ],
)
def test_badge_of_a_verdict(difference_mm: float, kind: Any, expected: tuple[str, ...]) -> None:
    tolerance_mm = RECORDED_WITHIN_MM if kind == "recorded" else 5

    assert badge(example_variant(50 + difference_mm, 50.0, kind, tolerance_mm)) == expected


@pytest.mark.parametrize("kind", ["paper", "recorded"])
def test_badge_of_what_was_not_judged_is_gray(kind: Any) -> None:
    record = example_variant(50.0, 50.0, kind, not_judged="subset of 5 samples")

    assert badge(record) == ("none", NONE, "not judged: subset of 5 samples")


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ("verified", ("good", OK)),
        ("not verified", ("none", NONE)),
        ("contradicted", ("fair", WARNING)),
    ],
)
def test_badge_of_an_identity(identity: Any, expected: tuple[str, str]) -> None:
    record = replace(example_weights().weights["XS"], identity=identity)

    assert identity_badge(record) == (*expected, identity)
