"""The causes of a variant's difference from its reference, of all that a trial has at hand."""

from __future__ import annotations

from collections.abc import Iterator

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.diagnosis.cause import Cause
from convnextpose_check.diagnosis.ranking import Obtained, causes_of
from convnextpose_check.diagnosis.reruns import Way, rerun
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.verdict import TOLERANCES_MM, Judgement
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.trial.trial import Trial


def known_causes(evaluation: Evaluation, dataset: Dataset, reference_mm: float) -> Iterator[Cause]:
    """What is wrong for sure: samples that are missing, and images in another's place."""
    excess_mm = evaluation.error_mm - reference_mm
    if not evaluation.complete:
        yield Cause(
            "subset",
            f"{len(evaluation.image_ids)} of the protocol's {dataset.facts.samples} samples were"
            " measured: their error is another",
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
            f"images stand in the place of others ({' and '.join(evaluation.misplaced[0])}):"
            f" without these the error is {without_mm:.2f} mm",
            "Fetch these images again",
            moved_mm,
            moved_mm / excess_mm if excess_mm else 0.0,
        )


def diagnose(
    trial: Trial,
    variant: str,
    evaluation: Evaluation,
    judgement: Judgement,
    tolerance_mm: float = min(TOLERANCES_MM),
) -> tuple[Cause, ...]:
    """The causes of the variant's difference from its reference, ranked.

    None where it is less than the tolerance, or where there is no reference. Pictures are shown to
    the network again, which takes up to a minute.
    """
    reference = judgement.reference
    if reference is None or not abs(judgement.obtained_mm - reference.value) >= tolerance_mm:
        return ()
    dataset, networks = trial.files.dataset(), trial.networks
    judged = networks.judged(variant)
    architecture = trial.catalogue[variant].architecture
    case = Case.of(evaluation, dataset, judged.architecture.grid_whd)
    by_id = {sample.image_id: sample for sample in dataset.samples}
    way = Way(
        [by_id[image_id] for image_id in evaluation.image_ids],
        dataset.protocol,
        judged,
        trial.files.state(variant),
        architecture,
        networks.device(),
        trial.settings.flip,
    )
    return causes_of(
        case,
        Obtained(judgement.obtained_mm, evaluation.errors_mm, reference.value),
        rerun(way, case, reference.value),
        tolerance_mm,
        known_causes(evaluation, dataset, reference.value),
    )
