"""Values and verdicts as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from convnextpose_check.evaluation.verdict import RECORDED_TOLERANCE_MM, format_difference
from convnextpose_check.results.text import format_number
from convnextpose_check.synthetic.record import read_record


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7.2, "+7.200"), (-0.8, "-0.800"), (1e-5, "+0.00001"), (-0.0031, "-0.003"), (0.0, "+0.000"),
        (-1e-13, "+0.000"), (None, "-"), (4.9999, "+4.9999"), (-4.9996, "-4.9996"), (5.0, "+5.000"),
        (0.0199999, "+0.0199999"), (1.0004, "+1.000"),
    ],
)  # fmt: skip
def test_format_difference_never_rounds_across_tolerance(value: float | None, text: str) -> None:
    assert format_difference(value) == text


def test_recorded_tolerance_equals_record(fixtures: Path) -> None:
    assert read_record(fixtures).tolerance_mm == RECORDED_TOLERANCE_MM


@pytest.mark.parametrize(
    ("value", "text"), [(-0.0001, "0.000"), (1.25, "1.250"), (None, "-"), (-2.0, "-2.000")]
)
def test_format_number_has_no_negative_zero(value: float | None, text: str) -> None:
    assert format_number(value) == text
