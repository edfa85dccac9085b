"""A run that is over, told again: its error, its verdict and the causes of what is off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from convnextpose_check.diagnosis.authors_output import read_authors_output
from convnextpose_check.diagnosis.case import Case
from convnextpose_check.diagnosis.cause import Cause, Obtained
from convnextpose_check.diagnosis.earlier import read_earlier
from convnextpose_check.diagnosis.means import causes_of_mean
from convnextpose_check.diagnosis.ranking import causes_of
from convnextpose_check.diagnosis.reruns import Reruns, Way, rerun
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.measurements import per_action_mm
from convnextpose_check.evaluation.verdict import TOLERANCES_MM, verdict_word
from convnextpose_check.human36m.samples import Dataset, Sample
from convnextpose_check.paths import Outputs, kept_file
from convnextpose_check.results.per_sample import read_joint_errors_mm
from convnextpose_check.results.schema import METRIC_TITLES, CauseRecord, Results
from convnextpose_check.run.run import Run
from convnextpose_check.variants import Protocol

ENOUGH = 0.9
"""Of the samples: with fewer the error is that of a part."""


@dataclass(frozen=True)
class Told:
    """An earlier run of one variant: its error in a line and by action, notes, and causes.

    ``is_well`` says that nothing is to be explained, ``is_subset`` that no reference holds for it.
    """

    title: str
    per_action_mm: Mapping[str, float]
    notes: tuple[str, ...]
    causes: tuple[Cause, ...]
    is_well: bool
    is_subset: bool


def of_earlier(outputs: Outputs, results: Results, run: Run, variant: str) -> Told:
    """What is to be told of a variant of a run of this suite."""
    record = results.variants[variant]
    notes: list[str] = []
    causes: tuple[Cause, ...] = ()
    if record.reference_mm is not None and not is_well(record.error_mm, record.reference_mm):
        path = outputs.results_dir / kept_file(results.subject, variant)
        if path.exists():
            grid_whd = run.catalogue[variant].architecture.grid_whd
            case, errors_mm, samples = read_earlier(path, run.dataset, grid_whd)
            obtained = Obtained(record.error_mm, errors_mm, record.reference_mm)
            again = _rerun(run, variant, samples, case, obtained, notes)
            dataset = run.dataset
            excess_mm = record.error_mm - record.reference_mm
            known = () if record.complete else known_causes(len(samples), excess_mm, dataset)
            of_part = is_part(len(samples), dataset)
            causes = causes_of(case, obtained, again, known=known, is_part=of_part)
        else:
            notes.append(f"{path} is not there: without positions little can be told")
            actions, errors_mm = read_joint_errors_mm(outputs.per_sample)[variant]
            obtained = Obtained(record.error_mm, errors_mm, record.reference_mm)
            causes = tuple(causes_of_mean(actions, obtained))
    well = is_well(record.error_mm, record.reference_mm)
    title = _title(
        variant, results.protocol, record.error_mm, record.reference_mm, record.verdict_text
    )
    return Told(title, record.per_action_mm, tuple(notes), causes, well, not record.complete)


def with_causes(results: Results, told: Mapping[str, Told]) -> Results:
    """The results with the causes found for each variant, for their pages."""
    variants = {
        name: replace(record, causes=tuple(map(_cause_record, told[name].causes)))
        if name in told
        else record
        for name, record in results.variants.items()
    }
    return replace(results, variants=variants)


def _cause_record(cause: Cause) -> CauseRecord:
    return CauseRecord(
        cause.name, cause.what, cause.evidence, cause.remedy, cause.moved_mm, cause.share
    )


def of_authors_output(path: Path, run: Run, variant: str) -> Told:
    """What is to be told of a file that the authors' test script has left."""
    dataset, reference = run.dataset, run.reference(variant)
    output = read_authors_output(path, dataset)
    errors_mm, case = output.errors_mm, output.case(dataset.protocol)
    reference_mm = reference.value if reference is not None else None
    error_mm = float(errors_mm.mean())
    notes = [f"{output.others:,} of its images are no test samples"] if output.others else []
    if output.missing:
        notes.append(f"{output.missing:,} of {dataset.facts.samples:,} samples are not in it")
    causes: tuple[Cause, ...] = ()
    if reference_mm is not None and not is_well(error_mm, reference_mm):
        obtained = Obtained(error_mm, errors_mm, reference_mm)
        again = _rerun(run, variant, output.samples, case, obtained, notes)
        of_part = is_part(len(output.samples), dataset)
        causes = causes_of(case, obtained, again, is_part=of_part)
    word = (
        "no figure to compare with"
        if reference_mm is None
        else verdict_word(error_mm - reference_mm)
    )
    verdict = "not judged: a subset" if output.missing else word
    title = _title(variant, dataset.protocol, error_mm, reference_mm, verdict)
    well = is_well(error_mm, reference_mm) and not output.missing
    by_action_mm = per_action_mm(errors_mm, case.actions)
    return Told(title, by_action_mm, tuple(notes), causes, well, output.missing > 0)


def _title(
    variant: str, protocol: Protocol, error_mm: float, reference_mm: float | None, verdict: str
) -> str:
    beside = (
        "" if reference_mm is None else f", {error_mm - reference_mm:+.3f} from {reference_mm:.2f}"
    )
    return f"{variant}: {METRIC_TITLES[protocol]} {error_mm:.3f} mm{beside}: {verdict}"


def _rerun(
    run: Run,
    variant: str,
    samples: Sequence[Sample],
    case: Case,
    obtained: Obtained,
    notes: list[str],
) -> Reruns | None:
    """Show pictures again where the variant's file was given; a note where that cannot be."""
    if not run.settings.checkpoints:
        notes.append("no picture was shown again, for no --checkpoints was given")
        return None
    try:
        return rerun(way_of(run, variant, samples), case, obtained.reference_mm)
    except ConvNeXtPoseCheckError as error:
        notes.append(f"no picture was shown again: {error}")
        return None


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


def way_of(run: Run, variant: str, samples: Sequence[Sample]) -> Way:
    """The way of these samples through the variant's network; raises where it cannot be loaded."""
    models = run.models[variant]
    return Way(
        samples,
        run.settings.protocol,
        models.evaluated,
        models.state,
        run.catalogue[variant].architecture,
        run.devices[0],
        run.settings.flip,
    )
