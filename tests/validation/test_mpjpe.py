"""Is the error on Human3.6M the one that the paper reports?

The reported values and their sources stand in ``convnextpose_check/variants.json``: 56.61 mm for
XS, 51.80 for S, 51.05 for M, 49.75 for L under protocol 2. Cases of the published models carry the
marker ``gpu``; the others hold the synthetic models to their recorded errors.
"""

from __future__ import annotations

import pytest

from convnextpose_check.checks.dataset import check_dataset_is_complete
from convnextpose_check.checks.error import (
    check_error_is_within,
    check_evaluation_is_complete,
    check_images_are_distinct,
    check_images_are_undamaged,
)
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.verdict import Judgement, may_be_missed
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.plugin.recording import Obtained
from convnextpose_check.results.figures import RECORDED_WITHIN_MM
from convnextpose_check.trial.trial import Trial
from convnextpose_check.variants import Variant


def test_dataset_is_complete(human36m: Dataset, obtained: Obtained) -> None:
    obtained(check_dataset_is_complete(human36m), human36m.facts.samples, "samples")


@pytest.mark.usefixtures("variant")
def test_every_sample_is_measured(
    evaluation: Evaluation, human36m: Dataset, obtained: Obtained
) -> None:
    count = check_evaluation_is_complete(evaluation, human36m)
    obtained(count, human36m.facts.samples, "samples")


@pytest.mark.usefixtures("variant")
def test_no_image_is_damaged(evaluation: Evaluation, obtained: Obtained) -> None:
    obtained(check_images_are_undamaged(evaluation), len(evaluation.image_ids), "images")


@pytest.mark.usefixtures("variant")
def test_no_image_stands_for_another(evaluation: Evaluation, obtained: Obtained) -> None:
    count = check_images_are_distinct(evaluation)
    obtained(count, len(evaluation.image_ids), "images")


@pytest.mark.parametrize("tolerance_mm", [1, 2, 5], ids="{}mm".format)
def test_mpjpe_is_within_tolerance_of_reported_value(
    trial: Trial,
    variant: Variant,
    judgement: Judgement,
    tolerance_mm: int,
    obtained: Obtained,
) -> None:
    """A missed tolerance tighter than the gate is an expected failure, shown with its value."""
    reported = judgement.reference
    obtained(judgement.obtained_mm, reported and reported.value, "mm")
    where = f"{trial.name} {variant.name}"
    try:
        check_error_is_within(judgement, tolerance_mm, where, trial.settings.results_dir)
    except CheckFailedError as error:
        if may_be_missed(judgement, tolerance_mm, trial.settings.gate):
            pytest.xfail(str(error))
        raise


def test_mpjpe_is_the_recorded_value(
    trial: Trial, variant: Variant, judgement: Judgement, obtained: Obtained
) -> None:
    """Tight enough that any change in the arithmetic shows."""
    recorded = judgement.reference
    obtained(judgement.obtained_mm, recorded and recorded.value, "mm")
    where = f"{trial.name} {variant.name}"
    check_error_is_within(judgement, RECORDED_WITHIN_MM, where, trial.settings.results_dir)
