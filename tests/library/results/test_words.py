"""The verdict's sentence and the terminal's table never say more than what was judged."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from convnextpose_check.results.schema import CheckRecord
from convnextpose_check.results.words import (
    interval,
    is_passed,
    is_reproduced,
    number,
    terminal_lines,
    uncertain,
    verdict_chip,
    verdict_sentence,
    weights_hold,
)
from tests.support.results import example_results, example_variant, example_weights


def test_reproduced_models_are_named() -> None:
    sentence = verdict_sentence(example_results())

    assert sentence == "Reproduced: XS, S are within 5 mm of the paper."


def test_verdict_names_what_was_taken_from_the_cache() -> None:
    variants = {
        "XS": example_variant(57.0, 56.61, resumed_samples=8695),
        "S": example_variant(51.0, 51.80, resumed_samples=1200),
        "M": example_variant(44.0, 44.67),
    }

    assert verdict_sentence(example_results(variants=variants)) == (
        "Reproduced: XS, S, M are within 5 mm of the paper. Taken from an earlier run's cache: XS,"
        " 1,200 of 8,695 samples of S; image contents were not read again."
    )
    variants = {"XS": example_variant(99.0, 56.61, resumed_samples=8695)}
    sentence = verdict_sentence(example_results(variants=variants))
    assert sentence.startswith("Not reproduced: XS differs by 5 mm or more. Taken from")


def test_miniature_never_speaks_for_the_published_models() -> None:
    sentence = verdict_sentence(example_results("miniature"))

    assert "No published model was judged" in sentence
    assert "Reproduced" not in sentence


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"variants": {}}, "Nothing was evaluated", id="nothing"),
        pytest.param(
            {"expected_variants": ("XS", "S", "M")}, "Not judged: M could not", id="one-missing"
        ),
        pytest.param(
            {"complete": False, "samples": 100}, "Not judged: subset, 100 of 8,695", id="subset"
        ),
        pytest.param(
            {"variants": {"XS": example_variant(61.61, 56.61)}},
            "Not reproduced: XS differs by 5 mm",
            id="too-much",
        ),
        pytest.param(
            {"variants": {"XS": example_variant(51.0, 56.61)}},
            "Not reproduced: XS",
            id="too-good",
        ),
        pytest.param(
            {"variants": {"XS": example_variant(34.0, None, verdict="not judged: no figure")}},
            "No verdict on XS: no figure",
            id="no-reference",
        ),
    ],
)
def test_sentence_says_why_there_is_no_success(changes: dict[str, Any], said: str) -> None:
    sentence = verdict_sentence(example_results(**changes))

    assert said in sentence
    assert "Reproduced" not in sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"checks": (CheckRecord(test="a", outcome="failed"),)},
        {"checks": (CheckRecord(test="a", outcome="skipped"),)},
        {"left_out": ("a was not run",)},
    ],
)
def test_sentence_says_that_something_did_not_pass(changes: dict[str, Any]) -> None:
    assert "did not pass: 1 check " in verdict_sentence(example_results(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"checks": ()},
        {"checks": (CheckRecord(test="a", outcome="failed"),)},
        {"checks": (CheckRecord(test="a", outcome="expected failure"),)},
        {"left_out": ("a was not run",)},
        {"expected_variants": ("XS", "S")},
    ],
)
def test_weights_of_which_something_is_missing_do_not_hold(changes: dict[str, Any]) -> None:
    results = example_weights(**changes)

    assert weights_hold(example_weights())
    assert not weights_hold(results)
    assert verdict_sentence(results).startswith("Weights only: not passed")


def test_weights_alone_are_never_reproduced() -> None:
    results = example_weights()

    assert not is_reproduced(results)
    assert "eproduced" not in verdict_sentence(results)
    assert verdict_chip(results).look == "none"
    assert terminal_lines(results)[1].split()[:2] == ["XS", "3,528,008"]


def test_expected_failure_is_no_failure() -> None:
    checks = (CheckRecord(test="a", outcome="expected failure"),)

    assert "did not pass" not in verdict_sentence(example_results(checks=checks))


@pytest.mark.parametrize(
    ("kind", "source", "figure"),
    [
        ("own file", "paper, table 5", "its figure"),
        ("own file", "our last run", "its figure"),
        ("paper", "table 5", "the paper"),
        (None, "paper, table 5", "the paper"),  # as earlier versions wrote it
        (None, "our last run", "its figure"),
    ],
)
def test_only_a_value_of_the_packages_own_file_is_the_papers(
    kind: Any, source: str, figure: str
) -> None:
    own = example_variant(57.0, 56.61, reference_source=source, reference_kind=kind)

    sentence = verdict_sentence(example_results(variants={"XS": own}))

    assert sentence == f"Reproduced: XS is within 5 mm of {figure}."


def test_one_value_that_is_not_the_papers_makes_none_of_them_the_papers() -> None:
    variants = {
        "XS": example_variant(57.0, 56.61, reference_kind="paper"),
        "T": example_variant(51.0, 51.8, reference_kind="own file"),
    }

    sentence = verdict_sentence(example_results(variants=variants))

    assert sentence == "Reproduced: XS, T are within 5 mm of their figures."


def test_weights_sentence_says_what_was_verified_and_what_was_not() -> None:
    xs = example_weights().weights["XS"]
    every: Any = ("architecture", "counts", "epoch", "training record", "tensors")
    weights = {
        "XS": replace(xs, identity="verified", matched=every),
        "S": replace(xs, identity_reason="no published tensors on record", matched=every[:3]),
    }
    results = example_weights(weights=weights, expected_variants=("XS", "S"))

    assert verdict_sentence(results) == (
        "Weights only: XS matches every published property on record. S: architecture, counts and"
        " epoch match; training record and identity not verified (no published tensors on record)."
        " MPJPE was not measured."
    )


def test_warning_is_neither_green_nor_red() -> None:
    checks = (CheckRecord(test="a", outcome="warning", message="the record of S is odd"),)

    for results in (example_weights(checks=checks), example_results(checks=checks)):
        assert "Warning: the record of S is odd." in verdict_sentence(results)
        assert "not pass" not in verdict_sentence(results)
    assert verdict_chip(example_weights(checks=checks)).look == "fair"


def test_one_without_a_figure_does_not_hide_one_that_is_off() -> None:
    variants = {
        "XS": example_variant(57.0, None, verdict="not judged: no figure"),
        "S": example_variant(62.0, 51.8, verdict="review"),
    }

    assert "Not reproduced: S" in verdict_sentence(example_results(variants=variants))


def test_gate_decides_the_sentence() -> None:
    variants = {"XS": example_variant(58.2, 56.61)}

    assert "Reproduced" in verdict_sentence(example_results(variants=variants, gate_mm=2))
    assert "Not reproduced" in verdict_sentence(example_results(variants=variants, gate_mm=1))


@pytest.mark.parametrize("subject", ["published", "miniature"])
@pytest.mark.parametrize("error_mm", [56.61, 99.0])
def test_without_a_gate_there_is_no_verdict(subject: str, error_mm: float) -> None:
    variants = {"XS": example_variant(error_mm, 56.61)}
    results = example_results(subject, variants=variants, gate_mm=None)

    assert verdict_sentence(results) == "No verdict on XS: none was asked for (--gate none)."
    assert not is_reproduced(results)
    assert uncertain(results) == []
    assert verdict_chip(results).look == "none"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, True, id="whole"),
        pytest.param({"complete": False}, False, id="subset"),
        pytest.param({"expected_variants": ("XS", "S")}, False, id="one-variant-missing"),
        pytest.param({"variants": {}, "expected_variants": ()}, False, id="nothing"),
        pytest.param({"variants": {"XS": example_variant(61.62, 56.61)}}, False, id="off"),
        pytest.param({"variants": {"XS": example_variant(51.60, 56.61)}}, False, id="off-below"),
        pytest.param(
            {"variants": {"XS": example_variant(56.61, 56.61, verdict="not judged: no figure")}},
            False,
            id="not-judged",
        ),
    ],
)
def test_reproduced_is_only_what_was_measured_whole_and_is_within_the_gate(
    changes: dict[str, Any], expected: bool
) -> None:
    whole: dict[str, Any] = {"variants": {"XS": example_variant(56.7, 56.61)}}
    whole["expected_variants"] = ("XS",)

    assert is_reproduced(example_results(**(whole | changes))) is expected


@pytest.mark.parametrize(
    ("difference_mm", "half_width_mm", "crosses"),
    [(0.3, 2.0, False), (4.9, 2.0, True), (5.1, 2.0, True), (9.0, 2.0, False), (0.0, 9.0, True)],
)
def test_interval_on_both_sides_of_the_gate_is_named(
    difference_mm: float, half_width_mm: float, crosses: bool
) -> None:
    obtained_mm = 50 + difference_mm
    ends = (obtained_mm - half_width_mm, obtained_mm + half_width_mm)
    variants = {"XS": example_variant(obtained_mm, 50.0, interval_mm=ends)}

    assert uncertain(example_results(variants=variants)) == (["XS"] if crosses else [])


def test_terminal_table_fits_80_columns_and_shows_every_figure() -> None:
    header, first, second, speeds = terminal_lines(example_results())

    assert max(map(len, (header, first, second, speeds))) <= 80
    assert speeds == "images/s: XS 695.6, S 695.6"
    assert first.split() == [
        "XS", "3,528,008", "0.82", "57.000", "56.610", "+0.390", "-1.6", "to", "+2.4", "excellent",
    ]  # fmt: skip
    assert "-0.800" in second


def test_missing_reference_and_interval_are_dashes() -> None:
    variants = {"XS": example_variant(57.0, None, interval_mm=None)}

    assert terminal_lines(example_results(variants=variants))[1].split()[4:7] == ["-", "-", "-"]


def test_interval_without_a_reference_is_absolute() -> None:
    assert interval(example_variant(57.0, None)) == "55.0 to 59.0"


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (-0.0001, "+.3f", "+0.000"),
        (-0.0001, "+.4f", "-0.0001"),
        (1.25, "8.3f", "   1.250"),
        (None, "8.3f", "       -"),
        (None, ".3f", "-"),
    ],
)
def test_numbers_keep_their_width_and_have_no_negative_zero(
    value: float | None, form: str, text: str
) -> None:
    assert number(value, form) == text


@pytest.mark.parametrize(
    ("subject", "changes", "expected"),
    [
        ("published", {}, True),
        ("published", {"finished": False}, False),
        ("published", {"left_out": ("a was not run",)}, False),
        ("published", {"checks": (CheckRecord(test="a", outcome="failed"),)}, False),
        ("published", {"variants": {"XS": example_variant(99.0, 56.61)}}, False),
        ("published", {"variants": {"XS": example_variant(99.0, 56.61)}, "gate_mm": None}, True),
        ("published", {"gate_mm": None, "complete": False}, False),
        ("miniature", {"variants": {}, "complete": False}, True),
        ("miniature", {"finished": False}, False),
        ("miniature", {"checks": (CheckRecord(test="a", outcome="skipped"),)}, False),
    ],
)
def test_run_passes_only_if_finished_without_a_failure_and_reproduced(
    subject: str, changes: dict[str, Any], expected: bool
) -> None:
    assert is_passed(example_results(subject, **changes)) is expected


def test_weights_pass_only_if_all_of_them_hold() -> None:
    assert is_passed(example_weights())
    assert not is_passed(example_weights(expected_variants=("XS", "S")))


@pytest.mark.parametrize(
    "changes",
    [
        {"variants": {"XS": example_variant(99.0, 56.61)}},
        {"checks": (CheckRecord(test="a", outcome="failed"),)},
        {"left_out": ("a was not run",)},
    ],
)
def test_chip_of_a_run_that_did_not_pass_is_red(changes: dict[str, Any]) -> None:
    results = example_results(**changes)

    assert verdict_chip(results) == ("bad", "\N{BALLOT X}", results.verdict)


def test_terminal_table_wraps_speeds_and_is_empty_without_variants() -> None:
    names = [f"V{i:02}" for i in range(6)] + ["V0600"]  # which would end in column 81
    variants = {name: example_variant(50.0, 50.0) for name in names}

    lines = terminal_lines(example_results(variants=variants))[1 + len(names) :]

    assert [len(line) for line in lines] == [75, 11]
    assert terminal_lines(example_results(variants={})) == []
