"""The causes of a variant's difference from its reference, of all that a trial has at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.diagnosis.cause import Cause, Obtained
from convnextpose_check.diagnosis.ranking import causes_of
from convnextpose_check.diagnosis.reruns import Way, rerun
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.verdict import TOLERANCES_MM, Judgement
from convnextpose_check.human36m.samples import Dataset, Sample
from convnextpose_check.trial.trial import Trial

ENOUGH = 0.9
"""Of the samples: with fewer the error is that of a part."""


def known_causes(evaluation: Evaluation, dataset: Dataset, reference_mm: float) -> Iterator[Cause]:
    """What is wrong for sure: samples that are missing, and images in another's place."""
    excess_mm = evaluation.error_mm - reference_mm
    if is_part(len(evaluation.image_ids), dataset):
        yield Cause(
            "subset",
            f"{len(evaluation.image_ids):,} of {dataset.facts.samples:,} samples were measured",
            "the reference is the error of all",
            "Fetch what is missing, and leave --limit out",
            excess_mm,
            1.0,
        )
    if evaluation.misplaced:
        names = {name for name, _ in evaluation.misplaced}
        names |= {name for _, name in evaluation.misplaced}
        kept = [name not in names for name in evaluation.file_names]
        without_mm = float(evaluation.errors_mm[kept].mean()) if any(kept) else reference_mm
        moved_mm = evaluation.error_mm - without_mm
        yield Cause(
            "copied-image",
            f"images stand in the place of others ({' and '.join(evaluation.misplaced[0])})",
            f"without these the error is {without_mm:.2f} mm",
            "Fetch these images again",
            moved_mm,
            moved_mm / excess_mm if excess_mm else 0.0,
        )


def diagnose(
    trial: Trial, variant: str, evaluation: Evaluation, judgement: Judgement
) -> tuple[Cause, ...]:
    """The causes of the variant's difference from its reference, ranked; the trial remembers them.

    None where it is less than the tightest tolerance, or where no verdict is meant to rest on it. A
    few pictures are shown to the network again, which takes up to a minute.
    """
    reference = judgement.reference
    if reference is None or judgement.is_information:
        return ()
    if is_well(judgement.obtained_mm, reference.value):
        return ()
    dataset = trial.files.dataset()
    known = known_causes(evaluation, dataset, reference.value)
    of_part = is_part(len(evaluation.image_ids), dataset)
    samples = dataset.samples_of(evaluation.image_ids)
    grid_whd = trial.networks.judged(variant).architecture.grid_whd
    case = Case.at(samples, evaluation.cells_xyz, grid_whd, dataset.protocol)
    obtained = Obtained(judgement.obtained_mm, evaluation.errors_mm, reference.value)
    # Who asked for few samples is told so at once.
    again = None
    if not dataset.limited:
        again = rerun(way_of(trial, variant, samples), case, reference.value)
    trial.causes[variant] = causes_of(case, obtained, again, known=known, is_part=of_part)
    return trial.causes[variant]


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
