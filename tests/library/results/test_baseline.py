"""Comparison with a baseline: worse and missing values are problems."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from convnextpose_check.results.baseline import compare_runs
from convnextpose_check.results.schema import CheckRecord, DatasetRecord, Deviation, Results
from tests.support.results import example_results, example_variant

EARLIER = example_results(
    checks=(
        CheckRecord(test="counts[XS]", outcome="passed"),
        CheckRecord(test="within-1mm[XS]", outcome="expected failure"),
    )
)

FILE = Path("old.json")


def find_problems(now: Results, earlier: Results = EARLIER) -> list[str]:
    return list(compare_runs(now, earlier, FILE).problems)


def change_xs(
    error_mm: float = 57.0, reference_mm: float | None = 56.61, **changes: Any
) -> Results:
    xs = example_variant(error_mm, reference_mm, **changes)
    return replace(EARLIER, variants={**EARLIER.variants, "XS": xs})


def test_compare_runs_equal_runs_have_no_problems() -> None:
    record = compare_runs(EARLIER, EARLIER, FILE)

    assert (record.file, record.started, record.tolerance_mm) == ("old.json", "1.0", 0.05)
    assert record.problems == ()
    assert not any(d.is_worse for d in record.deviations)
    undated = replace(EARLIER, environment={})
    assert compare_runs(EARLIER, undated, FILE).started == "unknown"


def test_compare_runs_records_each_value_with_the_earlier_one() -> None:
    now = change_xs(67.0, parameters=3_528_000, gmacs=0.9, sha256="b" * 64)
    record = compare_runs(now, EARLIER, FILE)
    before_gmacs = EARLIER.variants["XS"].gmacs

    assert [d for d in record.deviations if d.variant == "XS"] == [
        Deviation("XS", "parameters", 3_528_008, 3_528_000, False),
        Deviation("XS", "state dict", 3_534_140, 3_534_140, False),
        Deviation("XS", "GMACs", before_gmacs, 0.9, True),
        Deviation("XS", "error (mm)", 57.0, 67.0, True),
        Deviation("XS", "verdict", "excellent", "review", True),
        Deviation("XS", "sha256", "a" * 12, "b" * 12, False),
    ]


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"parameters": 3_528_009}, "3528009, in the baseline 3528008"),
        ({"state_elements": 3_534_141}, "XS: state dict"),
        ({"gmacs": 0.9}, "XS: GMACs"),
        ({"error_mm": 57.06}, "XS: error (mm) 57.06, in the baseline 57.0"),
        ({"error_mm": 56.94}, "XS: error (mm) 56.94, in the baseline 57.0"),
        ({"reference_mm": 55.9}, "very good, in the baseline excellent"),
        ({"reference_mm": None}, "XS: verdict not judged"),
        ({"images_sha256": "c" * 64}, "XS was evaluated on other images"),
        ({"parameters": 1}, None),
        ({"gmacs": 0.1}, None),
        ({"error_mm": 57.04}, None),
        ({"error_mm": 56.96}, None),
        ({"batch_size": 99}, None),
        ({"sha256": "b" * 64}, None),
    ],
)
def test_compare_runs_names_worse_values(changes: dict[str, Any], fragment: str | None) -> None:
    found = find_problems(change_xs(**changes))

    assert len(found) == (fragment is not None)
    assert (fragment or "") in "".join(found)


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"variants": {"XS": EARLIER.variants["XS"]}}, ["S was evaluated"]),
        ({"variants": {**EARLIER.variants, "M": example_variant(51.0, 51.05)}}, []),
        ({"checks": EARLIER.checks[:1]}, ["within-1mm[XS] ran"]),
        ({"checks": (*EARLIER.checks, CheckRecord("new", "failed"))}, []),
    ],
)
def test_compare_runs_names_missing_but_not_new(
    changes: dict[str, Any], missing: list[str]
) -> None:
    assert find_problems(replace(EARLIER, **changes)) == [
        f"baseline: {each} in the baseline but not in this run" for each in missing
    ]


@pytest.mark.parametrize(
    ("before", "now", "is_worse"),
    [
        ("passed", "expected failure", True),
        ("passed", "failed", True),
        ("expected failure", "failed", True),
        ("expected failure", "passed", False),
        ("failed", "passed", False),
        ("skipped", "failed", True),
        ("failed", "skipped", False),
    ],
)
def test_compare_runs_names_a_worse_outcome(before: Any, now: Any, is_worse: bool) -> None:
    earlier = replace(EARLIER, checks=(CheckRecord(test="a", outcome=before),))
    found = find_problems(replace(EARLIER, checks=(CheckRecord(test="a", outcome=now),)), earlier)

    assert found == ([f"baseline: a: {now}, in the baseline {before}"] if is_worse else [])


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"target": "synthetic"}, "compared: target published, in the baseline synthetic"),
        ({"protocol": 1}, "compared: protocol 2"),
        ({"bbox": "rootnet"}, "compared: boxes gt"),
        ({"flip": False}, "compared: flip test True"),
        ({"dataset": DatasetRecord("/data", "1" * 64, {}, False)}, "compared: data digest 0000"),
        ({"finished": False}, "no finished evaluation"),
        ({"variants": {}}, "baseline: the earlier run has no finished evaluation"),
    ],
)
def test_compare_runs_refuses_a_baseline_that_cannot_be_compared(
    changes: dict[str, Any], fragment: str
) -> None:
    record = compare_runs(EARLIER, replace(EARLIER, **changes), FILE)

    assert fragment in record.problems[0]
    assert record.deviations == ()
