"""Causes that a diagnosis wrote into results are shown on their pages."""

from __future__ import annotations

from convnextpose_check.pages.html import summary_html
from convnextpose_check.pages.markdown import markdown
from tests.support.results import example_cause, example_results, example_variant


def test_pages_show_the_causes_of_each_variant_with_their_evidence() -> None:
    variants = {
        "XS": example_variant(66.5, 56.61, causes=(example_cause(),)),
        "S": example_variant(61.3, 51.80, causes=(example_cause(),)),
        "M": example_variant(51.2, 51.05),
    }
    results = example_results(variants=variants)

    page, text = summary_html([(results, {})]), markdown(results)

    for told in (page, text):
        assert "The likeliest cause for XS, S: " in told
        assert told.count("Give them red first.") == 3  # for both, and for each
    assert "Why it is off" in page
    assert "<strong>pixels are blue &lt;first&gt;</strong> (+9.500 mm): 24 samples say so." in page
    assert page.count('class="measured"') == page.count('class="undone"') == 2 * 17
    assert "R Wrist: 16.0 mm, undone 1.0 mm" in page
    assert "## Why XS is off" in text
    assert "24 samples say so" in text


def test_pages_of_a_sound_run_say_nothing_of_causes() -> None:
    results = example_results()

    assert "it is off" not in summary_html([(results, {})])
    assert "is off" not in markdown(results)
