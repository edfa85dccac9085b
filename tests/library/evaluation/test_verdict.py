"""From a difference to a word, at and beside every boundary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from convnextpose_check.checks.error import check_error_is_within
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.verdict import (
    REVIEW,
    TOLERANCES_MM,
    Judgement,
    judge,
    verdict_word,
)
from convnextpose_check.variants import Figure, Protocol

PAPER = Figure(50.0, "paper, table 5")
INFORMATION = Figure(34.5, "paper, table 4", "trained on six subjects")


def evaluation(error_mm: float, complete: bool = True) -> Evaluation:
    return Evaluation(
        protocol=2,
        errors_mm=np.full((4, 17), error_mm),
        cells_xyz=np.zeros((4, 18, 3), np.float32),
        image_ids=(1, 2, 3, 4),
        file_names=("a.jpg", "b.jpg", "c.jpg", "d.jpg"),
        actions=("Posing",) * 4,
        unreadable=(),
        complete=complete,
        images_sha256="",
        seconds=1.0,
        batch_size=4,
    )


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("difference_mm", "word"),
    [
        (0.0, "excellent"),
        (0.9999, "excellent"),
        (1.0, "very good"),
        (1.9999, "very good"),
        (2.0, "acceptable"),
        (4.9999, "acceptable"),
        (5.0, "review"),
        (1e9, "review"),
        (float("inf"), "review"),
    ],
)
def test_word_changes_at_the_tolerance_whichever_the_sign(
    sign: int, difference_mm: float, word: str
) -> None:
    assert verdict_word(sign * difference_mm) == word
    judgement = judge(evaluation(50.0 + sign * difference_mm), PAPER)
    assert judgement.verdict == word
    assert passes(judgement, 5) == (word != REVIEW)


def test_difference_that_is_no_number_needs_review() -> None:
    assert verdict_word(float("nan")) == REVIEW
    assert not passes(judge(evaluation(float("nan")), PAPER), 5)


OUT = Path("an output")


def passes(judgement: Judgement, tolerance_mm: int) -> bool:
    """Whether the check lets it pass."""
    try:
        check_error_is_within(judgement, tolerance_mm, "XS", OUT)
    except CheckFailedError:
        return False
    return True


@pytest.mark.parametrize("tolerance_mm", TOLERANCES_MM)
@pytest.mark.parametrize("sign", [1, -1])
def test_within_excludes_the_tolerance_itself(tolerance_mm: int, sign: int) -> None:
    assert passes(judge(evaluation(50.0 + sign * (tolerance_mm - 0.001)), PAPER), tolerance_mm)
    assert not passes(judge(evaluation(50.0 + sign * tolerance_mm), PAPER), tolerance_mm)


def test_difference_is_obtained_minus_reference() -> None:
    assert judge(evaluation(48.5), PAPER).difference_mm == -1.5
    assert judge(evaluation(48.5), PAPER).obtained_mm == 48.5


@pytest.mark.parametrize("reference", [PAPER, INFORMATION, None])
def test_subset_is_never_judged(reference: Figure | None) -> None:
    judgement = judge(evaluation(50.0, complete=False), reference)
    assert judgement.verdict == "not judged: subset of 4 samples"
    assert not any(passes(judgement, mm) for mm in TOLERANCES_MM)


def test_judgement_remembers_a_subset_as_one() -> None:
    assert judge(evaluation(50.0, complete=False), PAPER).is_subset is True
    assert judge(evaluation(50.0), PAPER).is_subset is False


@pytest.mark.parametrize("protocol", [1, 2])
def test_missing_figure_is_information_under_protocol_1_alone(protocol: Protocol) -> None:
    judgement = judge(replace(evaluation(50.0), protocol=protocol), None)
    assert judgement.is_information is (protocol == 1)
    assert judgement.verdict == "not judged: no figure to compare with"


def test_without_reference_there_is_nothing_to_judge() -> None:
    judgement = judge(evaluation(50.0), None)
    assert judgement.verdict == "not judged: no figure to compare with"
    assert judgement.difference_mm is None
    assert not passes(judgement, 5)


def test_figure_for_information_shows_its_difference_without_a_verdict() -> None:
    judgement = judge(evaluation(34.5), INFORMATION)
    assert judgement.verdict == "not judged: information only, trained on six subjects"
    assert judgement.difference_mm == 0
    assert judgement.is_information
    assert not passes(judgement, 5)


def test_figure_for_information_without_a_reason_is_not_judged_either() -> None:
    judgement = judge(evaluation(34.5), Figure(34.5, "paper", ""))
    assert judgement.is_information
    assert judgement.verdict.startswith("not judged: information only")


def test_judged_figure_is_not_information() -> None:
    assert not judge(evaluation(50.0), PAPER).is_information


def test_check_returns_the_difference() -> None:
    assert check_error_is_within(judge(evaluation(50.75), PAPER), 1, "XS", OUT) == 0.75
    assert check_error_is_within(judge(evaluation(49.25), PAPER), 1, "XS", OUT) == -0.75


@pytest.mark.parametrize(("obtained_mm", "difference"), [(52.0, "+2.0000"), (47.5, "-2.5000")])
def test_failed_check_says_obtained_expected_and_difference(
    obtained_mm: float, difference: str
) -> None:
    with pytest.raises(CheckFailedError) as caught:
        check_error_is_within(judge(evaluation(obtained_mm), PAPER), 2, "XS", OUT)
    assert caught.value.code == "off-reference"
    assert caught.value.remedy.endswith("python -m convnextpose_check diagnose 'an output'")
    assert f"XS has {obtained_mm:.4f} mm: expected 50.0000 +/- 2 mm" in caught.value.problem
    assert "(paper, table 5)" in caught.value.problem
    assert f"the difference is {difference} mm" in caught.value.problem
    assert (caught.value.obtained, caught.value.expected) == (obtained_mm, 50.0)


def test_check_fails_for_an_error_that_is_no_number() -> None:
    with pytest.raises(CheckFailedError):
        check_error_is_within(judge(evaluation(float("nan")), PAPER), 5, "XS", OUT)


@pytest.mark.parametrize(
    ("judgement", "reason"),
    [
        (judge(evaluation(50.0, complete=False), PAPER), "subset of 4 samples"),
        (judge(evaluation(50.0), None), "no figure to compare with"),
        (judge(evaluation(34.5), INFORMATION), "trained on six subjects"),
        (Judgement(50.0, None, None, False), "not judged"),
    ],
    ids=["subset", "no-reference", "information", "bare"],
)
def test_check_fails_where_nothing_can_be_judged(judgement: Judgement, reason: str) -> None:
    with pytest.raises(CheckFailedError, match=reason) as caught:
        check_error_is_within(judgement, 5, "XS", OUT)
    assert caught.value.code == "not-judged"
    assert f"{judgement.obtained_mm:.2f} mm" in caught.value.problem
    assert (caught.value.obtained, caught.value.expected) == (judgement.verdict, "a verdict")
    assert ("--gate none" in caught.value.remedy) is not judgement.is_subset
    assert bool(caught.value.remedy) is not judgement.is_subset
