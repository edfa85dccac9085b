"""The main question: is the error on Human3.6M the one that the paper reports?"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from convnextpose_check.checks import (
    check_dataset_is_complete,
    check_error_is_within,
    check_evaluation_is_complete,
)
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.miniature.record import read_record
from convnextpose_check.subjects import Subject
from convnextpose_check.variants import Variant
from convnextpose_check.verdicts import Judgement

Obtained = Callable[[object], None]


def test_dataset_is_complete(subject: Subject, obtained: Obtained) -> None:
    obtained(f"{check_dataset_is_complete(subject.dataset()):,} samples")


def test_every_sample_is_measured(
    judgement: Judgement, subject: Subject, variant: Variant, obtained: Obtained
) -> None:
    evaluation = subject.evaluation(variant.name)
    count = check_evaluation_is_complete(evaluation, subject.dataset())
    obtained(f"{count:,} samples of {judgement.obtained_mm:.2f} mm")


def test_error_is_the_reference(
    subject: Subject,
    variant: Variant,
    tolerance_mm: int,
    judgement: Judgement,
    obtained: Obtained,
) -> None:
    """A tolerance tighter than the gate may be missed: the run then shows by how much."""
    obtained(f"{judgement.obtained_mm:.3f} mm")
    where = f"{subject.name} {variant.name}"
    try:
        check_error_is_within(judgement, tolerance_mm, where)
    except CheckFailedError as error:
        if judgement.is_information or (
            tolerance_mm < subject.settings.gate and error.code == "off-reference"
        ):
            pytest.xfail(str(error))
        raise


@pytest.mark.only("miniature")
def test_error_is_the_recorded_one(
    variant: Variant, judgement: Judgement, obtained: Obtained, pytestconfig: pytest.Config
) -> None:
    """Tight enough that any change in the arithmetic shows."""
    tolerance_mm = read_record(pytestconfig.rootpath / "fixtures").tolerance_mm
    difference_mm = check_error_is_within(judgement, tolerance_mm, f"miniature {variant.name}")
    obtained(f"{difference_mm:+.5f} mm")
