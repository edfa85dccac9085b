"""Values and verdicts as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from convnextpose_check.evaluation.verdict import RECORDED_TOLERANCE_MM, format_difference
from convnextpose_check.results.text import (
    ICONS,
    format_interval,
    format_number,
    format_terminal_table,
    identity_badge,
    variant_badge,
)
from convnextpose_check.synthetic.record import read_record
from tests.support.results import example_results, example_variant, example_weights


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
    ("difference_mm", "kind", "expected"),
    [
        (0.5, "paper", ("good", "excellent")),
        (-1.5, "paper", ("good", "very good")),
        (4.5, "own file", ("fair", "acceptable")),
        (-5.0, "paper", ("bad", "review")),
        (-0.015625, "recorded", ("good", "as recorded")),
        (0.03125, "recorded", ("bad", "not as recorded")),
    ],
)
def test_variant_badge_verdict(difference_mm: float, kind: Any, expected: tuple[str, ...]) -> None:
    tolerance_mm = RECORDED_TOLERANCE_MM if kind == "recorded" else 5

    assert variant_badge(example_variant(50 + difference_mm, 50.0, kind, tolerance_mm)) == expected


@pytest.mark.parametrize("kind", ["paper", "recorded"])
def test_variant_badge_without_verdict_is_gray_with_reason(kind: Any) -> None:
    record = example_variant(50.0, 50.0, kind, not_judged="subset of 5 samples")

    assert variant_badge(record) == ("none", "not judged: subset of 5 samples")


@pytest.mark.parametrize(
    ("identity", "severity", "icon"),
    [
        ("verified", "good", "\N{CHECK MARK}"),
        ("not verified", "none", "\N{WHITE CIRCLE}"),
        ("contradicted", "fair", "\N{WARNING SIGN}"),
    ],
)
def test_identity_badge_has_severity_and_icon(identity: Any, severity: str, icon: str) -> None:
    found = identity_badge(replace(example_weights().weights["XS"], identity=identity))

    assert (*found, ICONS[found.severity]) == (severity, identity, icon)


def test_format_terminal_table_fits_80_columns() -> None:
    variants = {"XS": example_variant(57.0, 56.61), "S": example_variant(57.0, None)}
    variants["S"] = replace(variants["S"], interval_mm=None)
    header, first, second, speeds = format_terminal_table(example_results(variants=variants))

    assert max(map(len, (header, first, speeds))) <= 80
    assert speeds == "images/s: XS 695.6, S 695.6"
    assert first.split() == [
        "XS", "3,528,008", "0.82", "57.000", "56.610", "+0.390", "-1.6", "to", "+2.4", "excellent",
    ]  # fmt: skip
    assert second.split()[4:7] == ["-", "-", "-"]


def test_format_terminal_table_of_weights_has_no_error() -> None:
    (_, row) = format_terminal_table(example_weights())

    assert row.split() == [
        "XS", "3,528,008", "0.82", "68", "not", "verified", "a" * 12, "ConvNeXtPose_XS.tar",
    ]  # fmt: skip


def test_format_terminal_table_wraps_speeds() -> None:
    names = [f"V{i:02}" for i in range(6)] + ["V0600"]  # which would end in column 81
    variants = {name: example_variant(50.0, 50.0) for name in names}

    lines = format_terminal_table(example_results(variants=variants))[1 + len(names) :]

    assert [len(line) for line in lines] == [75, 11]
    assert format_terminal_table(example_results(variants={})) == []
    assert format_interval(example_variant(57.0, None)) == "55.0 to 59.0"


@pytest.mark.parametrize(
    ("value", "text"), [(-0.0001, "0.000"), (1.25, "1.250"), (None, "-"), (-2.0, "-2.000")]
)
def test_format_number_has_no_negative_zero(value: float | None, text: str) -> None:
    assert format_number(value) == text
