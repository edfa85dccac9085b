"""A run held against an earlier one: what worsened or vanished is named, the rest is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from convnextpose_check.results.baseline import Baseline, compare
from convnextpose_check.results.results_file import write_results
from convnextpose_check.results.schema import CheckRecord, DatasetRecord, Deviation, Results
from tests.support.results import example_results, example_variant, example_weights

EARLIER = example_results(
    checks=(
        CheckRecord(test="counts[XS]", outcome="passed"),
        CheckRecord(test="within-1mm[XS]", outcome="expected failure"),
    )
)


def problems(now: Results, earlier: Results = EARLIER, tolerance_mm: float = 0.05) -> list[str]:
    return list(compare(now, Baseline(Path("old.json"), earlier, tolerance_mm)).problems)


def changed(**changes: Any) -> Results:
    """The earlier run with another XS."""
    xs = replace(EARLIER.variants["XS"], **changes)
    return replace(EARLIER, variants={**EARLIER.variants, "XS": xs})


def test_the_same_run_again_has_no_problem() -> None:
    record = compare(EARLIER, Baseline(Path("old.json"), EARLIER, 0.0))
    undated = compare(EARLIER, Baseline(Path("old.json"), replace(EARLIER, environment={}), 0.0))

    assert undated.started == "unknown"
    assert (record.file, record.started, record.tolerance_mm) == ("old.json", "1.0", 0.0)
    assert record.problems == ()
    assert [d.figure for d in record.deviations if d.variant == "XS"] == [
        "parameters", "state dict", "GMACs", "error (mm)", "verdict", "sha256",
    ]  # fmt: skip
    assert not any(d.is_worse for d in record.deviations)


def test_each_figure_is_recorded_beside_the_earlier_one() -> None:
    now = changed(parameters=3_528_000, gmacs=0.9, mpjpe_mm=57.5, verdict="review")
    record = compare(now, Baseline(Path("old.json"), EARLIER, 0.25))
    before_gmacs = EARLIER.variants["XS"].gmacs

    assert [d for d in record.deviations if d.variant == "XS"] == [
        Deviation("XS", "parameters", 3_528_008, 3_528_000, -8, "not more", False),
        Deviation("XS", "state dict", 3_534_140, 3_534_140, 0, "not more", False),
        Deviation("XS", "GMACs", before_gmacs, 0.9, 0.9 - before_gmacs, "not more", True),
        Deviation("XS", "error (mm)", 57.0, 57.5, 0.5, "within 0.25 mm", True),
        Deviation("XS", "verdict", "excellent", "review", None, "not worse", True),
        Deviation("XS", "sha256", "a" * 12, "a" * 12, None, "same file", False),
    ]


def test_compare_reports_another_checkpoint_without_failing() -> None:
    another = "a" * 63 + "b"
    record = compare(changed(sha256=another), Baseline(Path("old.json"), EARLIER, 0.05))

    reported = {d.variant: d.allowed for d in record.deviations if d.figure == "sha256"}
    assert reported == {"XS": "another file, reported only", "S": "same file"}
    assert record.problems == ()


def test_baseline_is_read_from_its_file(tmp_path: Path) -> None:
    file = tmp_path / "old.json"
    write_results(EARLIER, file)

    assert Baseline.read(file, 0.25) == Baseline(file, EARLIER, 0.25)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"parameters": 3_528_009}, "XS has worse parameters than the baseline: 3528009, before"),
        ({"state_elements": 3_534_141}, "worse state dict"),
        ({"gmacs": 0.9}, "worse GMACs"),
        ({"mpjpe_mm": 57.06}, "worse error"),
        ({"mpjpe_mm": 56.94}, "worse error"),
        ({"verdict": "very good"}, "worse verdict than the baseline: very good, before excellent"),
        (
            {"verdict": None, "not_judged": "no figure"},
            "worse verdict than the baseline: not judged",
        ),
        ({"images_sha256": "c" * 64}, "XS was evaluated on other images"),
    ],
)
def test_what_worsened_is_named(changes: dict[str, Any], said: str) -> None:
    found = problems(changed(**changes))

    assert len(found) == 1
    assert said in found[0]


@pytest.mark.parametrize(
    "changes",
    [{"parameters": 1}, {"gmacs": 0.1}, {"mpjpe_mm": 57.04}, {"mpjpe_mm": 56.96}, {"seconds": 99}],
)
def test_what_is_better_or_within_the_tolerance_is_no_problem(changes: dict[str, Any]) -> None:
    assert problems(changed(**changes)) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (
            {"variants": {"XS": EARLIER.variants["XS"]}},
            ["baseline: S was evaluated for the baseline and not now"],
        ),
        ({"variants": {**EARLIER.variants, "M": example_variant(51.0, 51.05)}}, []),
        (
            {"checks": EARLIER.checks[:1]},
            ["baseline: within-1mm[XS] was run for the baseline and not now"],
        ),
        ({"checks": (*EARLIER.checks, CheckRecord("new", "failed"))}, []),
    ],
)
def test_what_vanished_is_named_and_what_is_new_is_not(
    changes: dict[str, Any], found: list[str]
) -> None:
    assert problems(replace(EARLIER, **changes)) == found


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
def test_check_that_worsened_is_named(before: Any, now: Any, is_worse: bool) -> None:
    earlier = replace(EARLIER, checks=(CheckRecord(test="a", outcome=before),))
    found = problems(replace(EARLIER, checks=(CheckRecord(test="a", outcome=now),)), earlier)

    assert found == ([f"baseline: a was {before} and is {now}"] if is_worse else [])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"subject": "miniature"}, "subject is miniature, in the baseline published"),
        ({"protocol": 1}, "protocol is 1"),
        ({"bbox": "rootnet"}, "boxes is rootnet"),
        ({"flip": False}, "flip test is False"),
        ({"dataset": DatasetRecord("/data", "1" * 64, {}, False)}, "data digest is 1111"),
    ],
)
def test_runs_that_measured_something_else_are_not_compared(
    changes: dict[str, Any], said: str
) -> None:
    record = compare(replace(EARLIER, **changes), Baseline(Path("old.json"), EARLIER, 0.05))

    assert said in record.problems[0]
    assert "cannot be compared" in record.problems[0]
    assert record.deviations == ()


@pytest.mark.parametrize(
    ("earlier", "problem"),
    [
        (replace(EARLIER, finished=False), "did not finish"),
        (replace(EARLIER, variants={}), "did not finish"),
        (example_weights(), "baseline: it is of a run that measured no error"),
    ],
)
def test_run_without_all_errors_is_no_baseline(earlier: Results, problem: str) -> None:
    assert problem in problems(EARLIER, earlier)[0]


def test_difference_has_a_paired_interval_where_both_runs_left_their_samples(
    tmp_path: Path,
) -> None:
    def written(file: Path, added_mm: float) -> Path:
        rows = [
            f"XS,s_09_act_02_subact_{i:02}_ca_01_000001.jpg,{40 + i * i + added_mm}"
            for i in range(20)
        ]
        file.write_text("\n".join(["variant,file_name,mean_mm", *rows]) + "\n", encoding="utf-8")
        return file

    now = written(tmp_path / "now.csv", 0.5)
    written(tmp_path / "per_sample.old.csv", 0.0)
    baseline = Baseline(tmp_path / "benchmark_results.old.json", EARLIER, 0.05)

    def interval(record: Any) -> Any:
        return next(
            d.interval for d in record.deviations if (d.variant, d.figure) == ("XS", "error (mm)")
        )

    assert interval(compare(EARLIER, baseline, now)) == pytest.approx((0.5, 0.5))
    assert interval(compare(EARLIER, baseline)) is None
    assert interval(compare(EARLIER, Baseline(Path("old.json"), EARLIER, 0.05), now)) is None
