"""How figures are written and judged, in one way everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from convnextpose_check.miniature.record import read_record
from convnextpose_check.results.figures import (
    RECORDED_WITHIN_MM,
    asked_mm,
    chip,
    derived,
    difference,
)
from convnextpose_check.results.schema import CheckRecord
from convnextpose_check.variants import REFERENCE
from tests.support.results import example_results, example_variant


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


def test_tolerance_of_the_miniature_is_the_recorded_one(fixtures: Path) -> None:
    record = read_record(fixtures)

    assert record.tolerance_mm == RECORDED_WITHIN_MM
    assert REFERENCE in (fixtures / "miniature.json").read_text()


@pytest.mark.parametrize(
    ("asked", "expected"),
    [([1, 2, 5], (1, 2, 5)), ([2], (2,)), ([5, 1], (1, 5)), ([], (1, 2, 5))],
)
def test_bands_are_the_tolerances_that_were_asked(
    asked: list[int], expected: tuple[int, ...]
) -> None:
    checks = tuple(CheckRecord(f"a.py::test_b[published-XS-within-{x}mm]", "passed") for x in asked)

    typed = tuple(CheckRecord(f"a.py::test_b[{x}]", "passed", tolerance_mm=x) for x in asked)

    assert asked_mm(example_results(checks=checks)) == expected  # as earlier versions wrote it
    assert asked_mm(example_results(checks=typed)) == expected
    assert asked_mm(example_results("miniature", checks=checks)) == (RECORDED_WITHIN_MM,)


@pytest.mark.parametrize(
    ("changes", "record", "expected"),
    [
        ({}, {"verdict": "excellent"}, "review"),
        ({}, {"verdict": "not judged: as it was"}, "not judged: as it was"),
        ({}, {"complete": False, "samples": 100}, "not judged: subset of 100 samples"),
        ({}, {"samples": 100}, "not judged: subset of 100 samples"),
        ({}, {"reference_mm": None}, "not judged: no figure to compare with"),
    ],
)
def test_verdict_follows_from_the_figures(
    changes: dict[str, Any], record: dict[str, Any], expected: str
) -> None:
    stored = replace(example_variant(66.61, 56.61, difference_mm=0.0), **record)
    found = derived(example_results(variants={"XS": stored}, **changes))

    assert found.variants["XS"].verdict == expected
    assert found.complete == (stored.complete and stored.samples == 8695)


def test_what_was_written_by_a_run_is_derived_as_it_was() -> None:
    results = example_results()

    assert derived(results) == results


@pytest.mark.parametrize(
    ("difference_mm", "look", "sign"),
    [
        (0.019, "good", "\N{CHECK MARK}"),
        (-0.019, "good", "\N{CHECK MARK}"),
        (RECORDED_WITHIN_MM, "bad", "\N{BALLOT X}"),
        (-0.021, "bad", "\N{BALLOT X}"),
    ],
)
def test_chip_of_the_miniature_is_green_only_below_the_recorded_tolerance(
    difference_mm: float, look: str, sign: str
) -> None:
    record = example_variant(50.0, 50.0, difference_mm=difference_mm)

    assert chip(example_results("miniature"), record)[:2] == (look, sign)


@pytest.mark.parametrize("subject", ["published", "miniature"])
def test_chip_of_what_was_not_judged_is_gray(subject: str) -> None:
    record = example_variant(50.0, 50.0, verdict="not judged: subset of 5 samples")

    assert chip(example_results(subject), record) == ("none", "\N{WHITE CIRCLE}", record.verdict)


def test_chip_of_an_unknown_verdict_is_gray() -> None:
    record = example_variant(50.0, 50.0, verdict="splendid")

    assert chip(example_results(), record) == ("none", "\N{WHITE CIRCLE}", "splendid")
