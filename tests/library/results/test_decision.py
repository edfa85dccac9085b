"""The decision, color and verdict sentence of every kind of run."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from convnextpose_check.results.decision import add_decision, decide, format_run_verdict, is_passed
from convnextpose_check.results.schema import CheckRecord, Results
from convnextpose_check.results.text import run_badge
from tests.support.results import example_results, example_variant, example_weights

NEAR, FAR = example_variant(57.0, 56.61), example_variant(67.0, 56.61)
UNKNOWN = example_variant(57.0, None)
AS_RECORDED = {"A": example_variant(50.01, 50.0, "recorded", 0.02)}
NOT_AS_RECORDED = {"A": example_variant(50.02, 50.0, "recorded", 0.02)}
OWN = example_variant(57.0, 56.61, "own file")
FAILED = (CheckRecord("a", "failed"),)
SKIPPED = (CheckRecord("a", "skipped"),)
FORGIVEN = (CheckRecord("a", "expected failure"),)
WARNING = (CheckRecord("a", "warning", message="the record of S is odd"),)

NO_PROBLEM = "Reproduced: 2 excellent; largest difference from the paper: S -0.80 mm."
PROBLEM = "The run did not pass."

DECISIONS = {
    "reproduced": (example_results(), "reproduced", True, "good", NO_PROBLEM),
    "tighter tolerance missed":
        (example_results(checks=FORGIVEN), "reproduced", True, "good", NO_PROBLEM),
    "own model":
        (example_results(variants={"T": OWN}), "reproduced", True, "good",
         "Reproduced: 1 excellent; largest difference from the reported value: T +0.39 mm."),
    "own model beside the paper's":
        (example_results(variants={"XS": NEAR, "T": OWN}), "reproduced", True, "good",
         "largest difference from the reported value: XS +0.39 mm."),
    "warning":
        (example_results(checks=WARNING), "reproduced", True, "good",
         f"{NO_PROBLEM} Warning: the record of S is odd."),
    "unfinished": (example_results(finished=False), "reproduced", False, "bad", NO_PROBLEM),
    "failed": (example_results(checks=FAILED), "reproduced", False, "bad", PROBLEM),
    "skipped": (example_results(checks=SKIPPED), "reproduced", False, "bad", PROBLEM),
    "left out":
        (example_results(left_out=("a", "b")), "reproduced", False, "bad", PROBLEM),
    "above": (example_results(variants={"XS": FAR}), "off", False, "bad",
              "Not reproduced: XS (5 mm or more from the expected value); largest:"
         " XS +10.39 mm."),
    "below": (example_results(variants={"XS": example_variant(51.0, 56.61)}), "off", False, "bad",
              "Not reproduced: XS (5 mm or more"),
    "on the gate":
        (example_results(variants={"XS": example_variant(55.0, 50.0), "S": FAR}), "off", False,
         "bad", "Not reproduced: XS, S (5 mm or more from the expected value); largest:"
         " S +10.39 mm."),
    "other gate":
        (example_results(gate_mm=1, variants={"XS": example_variant(51.0, 50.0, tolerance_mm=1)}),
         "off", False, "bad", "Not reproduced: XS (1 mm or more from the expected value); largest:"
         " XS +1.00 mm."),
    "no reference":
        (example_results(variants={"XS": UNKNOWN}), "not judged", False, "bad",
         "No verdict on XS: no reported value to compare with."),
    "no reference beside one that is off":
        (example_results(variants={"XS": UNKNOWN, "S": FAR}), "off", False, "bad",
         "Not reproduced: S (5 mm or more"),
    "subset":
        (example_results(complete=False, samples=100), "subset", False, "bad",
         "Not judged: 100 samples were evaluated, expected 8,695."),
    "surplus":
        (example_results(complete=False, samples=8703), "subset", False, "bad",
         "Not judged: 8,703 samples were evaluated, expected 8,695."),
    "missing":
        (example_results(expected_variants=("XS", "S", "M")), "missing", False, "bad",
         "Not judged: M could not be evaluated."),
    "nothing":
        (example_results(variants={}), "nothing", False, "bad",
         "No verdict: nothing was evaluated."),
    "no gate":
        (example_results(variants={"XS": FAR}, gate_mm=None), "no gate", True, "none",
         "No verdict on XS: --gate none was given."),
    "no gate, subset":
        (example_results(gate_mm=None, complete=False), "subset", False, "bad", "Not judged"),
    "synthetic":
        (example_results("synthetic", variants=AS_RECORDED), "reproduced", True, "good",
         "The suite works on this machine: the synthetic data gives the recorded errors of A. No"
         " published model was judged."),
    "synthetic, off":
        (example_results("synthetic", variants=NOT_AS_RECORDED, checks=FAILED), "off", False,
         "bad", "Not reproduced: A (0.02 mm or more from the expected value); largest:"
         " A +0.02 mm."),
    "synthetic, off, its test not run":
        (example_results("synthetic", variants=NOT_AS_RECORDED), "off", True, "bad", "A ("),
    "synthetic, a part":
        (example_results("synthetic", variants={}), "nothing", True, "none", "nothing was"),
    "synthetic, failed":
        (example_results("synthetic", checks=FAILED), "reproduced", False, "bad", PROBLEM),
    "weights": (example_weights(), "weights hold", True, "none", "MPJPE was not measured."),
    "weights, warning":
        (example_weights(checks=WARNING), "weights hold", True, "fair",
         "Warning: the record of S is odd. MPJPE was not measured."),
    "weights, unchecked":
        (example_weights(checks=()), "weights fail", False, "bad",
         "Weights only: not passed. MPJPE was not measured."),
    "weights, forgiven":
        (example_weights(checks=FORGIVEN), "weights fail", False, "bad", "not passed."),
    "weights, failed":
        (example_weights(complete=True, checks=FAILED), "weights fail", False, "bad",
         "not passed."),
    "weights, left out":
        (example_weights(left_out=("a",)), "weights fail", False, "bad", "not passed."),
    "weights, missing":
        (example_weights(expected_variants=("XS", "S")), "weights fail", False, "bad",
         "not passed."),
}  # fmt: skip


@pytest.mark.parametrize(
    ("results", "decision", "passed", "severity", "fragment"), DECISIONS.values(), ids=DECISIONS
)
def test_decide_and_verdict_of_each_kind_of_run(
    results: Results, decision: str, severity: str, fragment: str, *, passed: bool
) -> None:
    sentence = format_run_verdict(results)

    assert decide(results)[0] == decision
    assert is_passed(results) is passed
    assert run_badge(results).severity == severity
    assert fragment in sentence
    assert sentence.startswith("Reproduced") == (
        decision == "reproduced" and results.target == "published"
    )


@pytest.mark.parametrize(
    ("earlier", "problems", "passed", "verdict"),
    [((), ("a was skipped",), False, PROBLEM), (("earlier",), (), True, NO_PROBLEM)],
)
def test_add_decision_replaces_problems_run_id_verdict_and_decision(
    earlier: tuple[str, ...], problems: tuple[str, ...], passed: object, verdict: str
) -> None:
    before = example_results(finished=False, verdict="", passed=not passed, left_out=earlier)

    after = add_decision(before, iter(problems), "an-id")

    assert after.verdict.endswith(verdict)
    assert after == replace(
        before, finished=True, left_out=problems, run_id="an-id", passed=passed,
        verdict=after.verdict,
    )  # fmt: skip


def test_verdict_names_cached_samples() -> None:
    variants = {
        "XS": example_variant(57.0, 56.61, resumed_samples=8695),
        "S": example_variant(51.0, 51.80, resumed_samples=1200),
        "M": example_variant(51.0, 51.05),
    }

    assert format_run_verdict(example_results(variants=variants)) == (
        "Reproduced: 3 excellent; largest difference from the paper: S -0.80 mm. Taken from an"
        " earlier run's cache: XS, 1,200 of 8,695 samples of S; their images were not read again."
    )


def test_verdict_names_what_files_do_not_record() -> None:
    lacking: dict[str, Any] = {"epoch": None, "not_recorded": ("epoch", "optimizer steps")}
    expected = "Not recorded in the files, so not checked: XS: epoch, optimizer steps"
    measured = example_results(variants={"XS": replace(NEAR, **lacking), "S": NEAR})
    assert format_run_verdict(measured).endswith(f" XS +0.39 mm. {expected}.")

    record = replace(example_weights().weights["XS"], identity="verified", **lacking)
    other = replace(record, not_recorded=("optimizer steps",))
    verdict = format_run_verdict(example_weights(weights={"XS": record, "S": other}))
    assert verdict.endswith(f" {expected}; S: optimizer steps. MPJPE was not measured.")


EVERY: Any = ("architecture", "counts", "epoch", "training record", "tensors")


@pytest.mark.parametrize(
    ("changes", "finding"),
    [
        (
            {"identity": "verified", "matched": EVERY},
            "architecture, counts, epoch, training record, tensors match. Identity verified.",
        ),
        ({}, "nothing matches. Identity not verified (not recorded)."),
        (
            {"identity_reason": "no tensors on record", "matched": EVERY[:3]},
            "architecture, counts, epoch match. Identity not verified (no tensors on record).",
        ),
        (
            {"identity": "contradicted", "identity_reason": "why", "matched": EVERY[:1]},
            "architecture matches. Identity contradicted.",
        ),
    ],
)
def test_weights_verdict_names_what_was_verified(changes: dict[str, Any], finding: str) -> None:
    record = replace(example_weights().weights["XS"], **changes)
    results = example_weights(weights={"XS": record, "S": record})
    found = f"XS: {finding} S: {finding}"

    assert format_run_verdict(results) == f"Weights only: {found} MPJPE was not measured."
