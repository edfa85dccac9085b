"""The verdict's sentence never says more than what was judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.report import (
    judged_subject,
    summary_html,
    terminal_lines,
    verdict_sentence,
)
from tests.library.results import example_results, example_variant

BOTH = ("XS", "S")


def test_reproduced_models_are_named() -> None:
    sentence = verdict_sentence(example_results(), BOTH, 0)

    assert sentence == "Reproduced: XS, S are within 5 mm of the paper."


def test_miniature_never_speaks_for_the_published_models() -> None:
    sentence = verdict_sentence(example_results("miniature"), BOTH, 0)

    assert "No published model was judged" in sentence
    assert "Reproduced" not in sentence


@pytest.mark.parametrize(
    ("changes", "expected", "problems", "said"),
    [
        pytest.param({"variants": {}}, BOTH, 0, "Nothing was evaluated", id="nothing"),
        pytest.param({}, ("XS", "S", "M"), 0, "Not judged: M could not", id="one-missing"),
        pytest.param(
            {"complete": False, "samples": 100}, BOTH, 0, "Not judged: 100 of 8,695", id="subset"
        ),
        pytest.param(
            {"variants": {"XS": example_variant(61.61, 56.61)}},
            ("XS",),
            0,
            "Not reproduced: XS differ by 5 mm",
            id="too-much",
        ),
        pytest.param(
            {"variants": {"XS": example_variant(51.0, 56.61)}},
            ("XS",),
            0,
            "Not reproduced: XS",
            id="too-good",
        ),
        pytest.param(
            {"variants": {"XS": example_variant(34.0, None, verdict="not judged: no figure")}},
            ("XS",),
            0,
            "No verdict on XS: no figure",
            id="no-reference",
        ),
        pytest.param({}, BOTH, 3, "did not pass: 3 checks", id="failures"),
    ],
)
def test_sentence_says_why_there_is_no_success(
    changes: dict[str, Any], expected: tuple[str, ...], problems: int, said: str
) -> None:
    sentence = verdict_sentence(example_results(**changes), expected, problems)

    assert said in sentence
    if not problems:
        assert "Reproduced" not in sentence


def test_figures_of_ones_own_are_not_called_the_papers() -> None:
    own = example_variant(57.0, 56.61, reference_source="our last run")

    sentence = verdict_sentence(example_results(variants={"XS": own}), ("XS",), 0)

    assert sentence == "Reproduced: XS are within 5 mm of their figures."


def test_one_without_a_figure_does_not_hide_one_that_is_off() -> None:
    variants = {
        "XS": example_variant(57.0, None, verdict="not judged: no figure"),
        "S": example_variant(62.0, 51.8, verdict="review"),
    }

    assert "Not reproduced: S" in verdict_sentence(example_results(variants=variants), BOTH, 0)


def test_gate_decides_the_sentence() -> None:
    results = example_results(variants={"XS": example_variant(58.2, 56.61)})

    assert "Reproduced" in verdict_sentence({**results, "gate_mm": 2}, ("XS",), 0)
    assert "Not reproduced" in verdict_sentence({**results, "gate_mm": 1}, ("XS",), 0)


def test_terminal_table_fits_80_columns_and_shows_every_figure() -> None:
    header, first, second = terminal_lines(example_results())

    assert max(map(len, (header, first, second))) <= 80
    assert first.split() == [
        "XS", "3,528,008", "3,534,140", "0.815", "57.000", "56.610", "+0.390", "excellent",
    ]  # fmt: skip
    assert "-0.800" in second
    assert terminal_lines({}) == []


def test_missing_reference_is_a_dash() -> None:
    results = example_results(variants={"XS": example_variant(57.0, None)})

    assert terminal_lines(results)[1].split()[5:7] == ["-", "-"]
    assert "<svg" not in summary_html(results, "")


def test_html_shows_names_as_text() -> None:
    """Paths and messages come from outside: nothing in them may become markup."""
    results = example_results(
        variants={"<b>": example_variant(57.0, 56.61, file="<script>alert(1)</script>.tar")}
    )

    page = summary_html(results, "<i>verdict</i>")

    assert "<script>" not in page
    assert "<i>" not in page
    assert "&lt;script&gt;" in page
    assert "<b>" not in page


@pytest.mark.parametrize(
    ("difference_mm", "place"), [(0.0, "0.0"), (5.0, "50.0"), (-5.0, "-50.0"), (900.0, "60.0")]
)
def test_difference_is_drawn_to_scale(difference_mm: float, place: str) -> None:
    results = example_results(variants={"XS": example_variant(50 + difference_mm, 50.0)})

    assert f'<circle cx="{place}"' in summary_html(results, "")


def test_report_remembers_whom_it_judged(tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text(summary_html(example_results(), ""))
    nothing = tmp_path / "nothing.html"
    nothing.write_text(summary_html({}, ""))

    assert judged_subject(report) == "published"
    assert judged_subject(nothing) is None
    assert judged_subject(tmp_path / "missing.html") is None
