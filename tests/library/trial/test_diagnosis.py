"""A run whose error is off says why: in its results, its pages, its log and its failing test."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from convnextpose_check.checks.error import check_error_is_within
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.files.json_files import read_json
from convnextpose_check.pages.html import summary_html
from convnextpose_check.pages.markdown import markdown
from convnextpose_check.results.schema import Results
from convnextpose_check.trial import record
from convnextpose_check.trial.trial import Trial
from convnextpose_check.variants import Architecture, Catalogue, Figure
from tests.support.datasets import FACTS, Handmade
from tests.support.full_size import write_own_model
from tests.support.results import example_cause, example_results, example_variant
from tests.support.trials import recorder_of, trial_of


def judged(
    root: Path, folder: Path, tiny: Architecture, reference_mm: float, **given: str
) -> tuple[Results, Trial]:
    """A tiny model, held against this figure."""
    folder.mkdir()
    (folder / "own.json").write_text(json.dumps(write_own_model(tiny, folder)))
    recorder = recorder_of(folder / "out")
    trial = trial_of(
        {"results_dir": str(folder / "out"), **given},
        read_json(folder / "own.json", Catalogue),
        FACTS,
        root,
        folder,
        reference=lambda _: Figure(reference_mm, "a paper"),
        on_outcome=recorder.hear,
    )
    trial.judgement("T")
    assert recorder.results is not None
    return recorder.results, trial


def test_a_part_of_the_samples_is_named_and_nothing_else(
    tiny: Architecture, tmp_path: Path
) -> None:
    root = Handmade().write(tmp_path / "set")

    results, trial = judged(root, tmp_path / "in", tiny, 1.0, limit="2")

    (cause,) = results.variants["T"].causes
    assert cause.what == f"2 of {FACTS.protocols[2].samples} samples were measured"
    assert [each.name for each in trial.causes["T"]] == ["subset"]
    assert "cause, " in (tmp_path / "in" / "out" / "log" / "test_T.log").read_text()


def test_an_error_within_the_tolerance_has_no_cause(tiny: Architecture, tmp_path: Path) -> None:
    root = Handmade().write(tmp_path / "set")
    first, _ = judged(root, tmp_path / "first", tiny, 1.0, limit="2")
    error_mm = first.variants["T"].error_mm

    results, trial = judged(root, tmp_path / "in", tiny, error_mm + 0.9, limit="2")

    assert results.variants["T"].causes == ()
    assert trial.causes == {}


def test_what_goes_wrong_in_a_diagnosis_costs_nothing_that_was_measured(
    tiny: Architecture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(record, "diagnose", broken)
    root = Handmade().write(tmp_path / "set")

    results, _ = judged(root, tmp_path / "in", tiny, 1.0)

    assert results.variants["T"].causes == ()
    log = (tmp_path / "in" / "out" / "log" / "test_T.log").read_text()
    assert "it could not be said why the error is off" in log


def test_the_failing_test_names_the_first_cause(tiny: Architecture, tmp_path: Path) -> None:
    root = Handmade().write(tmp_path / "set")
    _, trial = judged(root, tmp_path / "in", tiny, 1.0, limit="2")
    judgement = replace(trial.judgement("T"), not_judged=None)

    with pytest.raises(CheckFailedError) as raised:
        check_error_is_within(judgement, 1, "T", trial.causes["T"])

    (cause,) = trial.causes["T"]
    assert f"; the likeliest cause: {cause.what}" in str(raised.value)
    assert cause.remedy in str(raised.value)


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
