"""What a diagnosis needs of a trial."""

from __future__ import annotations

from collections.abc import Sequence

from convnextpose_check.diagnosis.cause import Cause
from convnextpose_check.diagnosis.reruns import Way
from convnextpose_check.evaluation.verdict import TOLERANCES_MM
from convnextpose_check.human36m.samples import Dataset, Sample
from convnextpose_check.trial.trial import Trial

ENOUGH = 0.9
"""Of the samples: with fewer the error is that of a part."""


def known_causes(count: int, excess_mm: float, dataset: Dataset) -> tuple[Cause, ...]:
    """What explains a difference of ``excess_mm`` for certain: ``count`` samples are not all."""
    if not is_part(count, dataset):
        return ()
    return (
        Cause(
            "subset",
            f"{count:,} of {dataset.facts.samples:,} samples were measured",
            "the reference is the error of all",
            "Fetch what is missing, and leave --limit out",
            excess_mm,
            1.0,
        ),
    )


def is_part(count: int, dataset: Dataset) -> bool:
    """Whether so few of the samples were measured that the error of all says nothing of these."""
    return count < ENOUGH * dataset.facts.samples


def is_well(obtained_mm: float, reference_mm: float | None) -> bool:
    """Whether nothing is to be explained."""
    return reference_mm is not None and abs(obtained_mm - reference_mm) < min(TOLERANCES_MM)


def way_of(trial: Trial, variant: str, samples: Sequence[Sample]) -> Way:
    """The way of these samples through the variant's network; raises where it cannot be loaded."""
    networks = trial.networks
    return Way(
        samples,
        trial.settings.protocol,
        networks.judged(variant),
        trial.files.state(variant),
        trial.catalogue[variant].architecture,
        networks.device(),
        trial.settings.flip,
    )
