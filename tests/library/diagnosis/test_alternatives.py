"""Other means and comparisons are recognized from the run's errors and positions."""

from __future__ import annotations

import numpy as np
import pytest

from convnextpose_check.diagnosis.alternatives import (
    COMPARISONS,
    CONVERSIONS,
    Alternative,
    compute_other_means,
    explain_errors,
    explain_result,
)
from tests.support.sample_tables import make_sample_table

TABLE = make_sample_table().select(np.arange(0, 720, 30))
MEANS = compute_other_means(TABLE.errors_mm, TABLE)
USED = [*COMPARISONS, *CONVERSIONS]
SAME = {"poses are not aligned", "poses are compared with those at a test-frame offset of {}"}
"""Alternatives that do not change these samples."""


@pytest.mark.parametrize("text", [t for t, mm in MEANS.items() if abs(mm - TABLE.error_mm) > 0.1])
def test_explain_result_other_mean_is_named(text: str) -> None:
    finding = explain_result(MEANS[text], TABLE.errors_mm, TABLE)

    assert finding is not None
    assert finding.what == f"the result is {text}"
    assert finding.grade == "reproduces"


def test_explain_result_unknown_value_holds_after_errors() -> None:
    finding = explain_result(TABLE.error_mm + 7.77, TABLE.errors_mm, TABLE)

    assert finding is not None
    assert finding.grade == "holds"
    assert finding.explained_mm == pytest.approx(7.77)


def test_explain_agreeing_result_and_errors_have_no_finding() -> None:
    assert not explain_result(TABLE.error_mm, TABLE.errors_mm, TABLE)
    assert not explain_errors(TABLE, TABLE.errors_mm)


@pytest.mark.parametrize(
    "used",
    [e for e in USED if e.what not in SAME and not ("origin" in e.what and "Hip" not in e.what)],
    ids=lambda e: e.what,
)
def test_explain_errors_other_comparison_is_named(used: Alternative) -> None:
    value = used.values[-3] if used.values[1:] else 0.0
    errors_mm = used.change(TABLE, value).errors_mm

    finding = explain_errors(TABLE, errors_mm)

    assert finding is not None
    assert finding.grade == "reproduces"
    assert finding.what == used.what.format(f"{value:.3g}")


def test_explain_errors_unknown_comparison_is_located() -> None:
    errors_mm = np.random.default_rng(0).uniform(0, 200, TABLE.errors_mm.shape)

    finding = explain_errors(TABLE, errors_mm)

    assert finding is not None
    assert (finding.grade, finding.link) == ("holds", "comparison")
