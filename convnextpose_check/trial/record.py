"""From a trial to its results, and to the logs and per-sample errors beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec

from convnextpose_check.checks.identity import identity_of
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.devices import device_title
from convnextpose_check.evaluation.failures import told_as_failure
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.verdict import Judgement, judge
from convnextpose_check.human36m.displaced import Displaced
from convnextpose_check.human36m.samples import Dataset, Exclusion
from convnextpose_check.network.cost import multiply_add_count, parameter_count, state_element_count
from convnextpose_check.network.keymap import key_style
from convnextpose_check.paths import Outputs
from convnextpose_check.results.bootstrap import bootstrap_interval_mm, performance
from convnextpose_check.results.examples import find_examples
from convnextpose_check.results.per_sample import write_per_sample
from convnextpose_check.results.schema import (
    DatasetRecord,
    DisplacedRecord,
    FileRecord,
    ProvenanceRecord,
    Results,
    VariantResult,
    with_variants,
)
from convnextpose_check.results.unevaluated import unevaluated
from convnextpose_check.trial.log import provenance_record, tell_evaluation, tell_files, variant_log
from convnextpose_check.trial.once import Failed
from convnextpose_check.trial.trial import Trial
from convnextpose_check.variants import Figure
from convnextpose_check.wording import printable


def write_evaluations(trial: Trial, outputs: Outputs) -> None:
    """Write the log of each variant that was to be evaluated, and the errors of all samples.

    Raises ``ConvNeXtPoseCheckError`` (``cannot-write``).
    """
    for variant, outcome in trial.outcomes.items():
        with variant_log(outputs.log(variant), variant) as log:
            with suppress(ConvNeXtPoseCheckError):  # then the outcome says why
                tell_files(trial, variant, provenance_record(trial, variant), log)
            if isinstance(outcome, Failed):
                error = outcome.error
                for line in (str(error), *getattr(error, "trace", "").splitlines()):
                    log.error("%s", line)
            else:
                tell_evaluation(outcome, judge(outcome, trial.reference(variant)), log)
    if evaluations := trial.evaluations:
        write_per_sample(evaluations, trial.files.dataset(), outputs.per_sample)


def results_of(trial: Trial) -> Results:
    """Everything that is known of the trial, before the gate decides."""
    if trial.is_weights_only:
        return _results_of_weights(trial)
    if not trial.evaluations:
        return nothing_evaluated(trial)
    variants = {
        variant: variant_result(
            trial,
            variant,
            evaluation,
            judge(evaluation, trial.reference(variant)),
            provenance_record(trial, variant),
        )
        for variant, evaluation in trial.evaluations.items()
    }
    return with_variants(_empty(trial), variants)


def _results_of_weights(trial: Trial) -> Results:
    """What each file is, of a run that judges weights alone, and no error."""
    weights = {}
    for variant in trial.files.chosen:
        with suppress(ConvNeXtPoseCheckError):  # then its checks say why
            origin = provenance_record(trial, variant)
            with told_as_failure("building the network"):
                weights[variant] = FileRecord(**_of_the_file(trial, variant, origin))
    results = msgspec.structs.replace(nothing_evaluated(trial), weights=weights)
    with suppress(ConvNeXtPoseCheckError):
        device = device_title(*trial.networks.devices())
        return msgspec.structs.replace(results, device=device)
    return results


def nothing_evaluated(trial: Trial) -> Results:
    """The results of a trial before anything was evaluated."""
    files, settings = trial.files, trial.settings
    samples = files.facts.protocols[settings.protocol].samples
    return unevaluated(trial.name, settings, samples, files.chosen)


def _empty(trial: Trial) -> Results:
    dataset = trial.files.dataset()
    return msgspec.structs.replace(
        nothing_evaluated(trial),
        device=device_title(*trial.networks.devices()),
        dataset=DatasetRecord(
            root=str(dataset.layout.root),
            digest=dataset.digest,
            excluded=_by_reason(dataset.excluded),
            limited=dataset.limited,
            boxes=str(dataset.rootnet or "the ground truth's boxes"),
            displaced=_displaced(trial.files.facts.displaced, dataset),
        ),
    )


def _of_the_file(trial: Trial, variant: str, origin: ProvenanceRecord | None) -> dict[str, Any]:
    """What a record says of a variant's checkpoint and of its network."""
    checkpoint, module = trial.files.checkpoint(variant), trial.networks.counted(variant)
    identity = identity_of(
        trial.catalogue[variant],
        checkpoint,
        trial.fingerprints.get(variant),
        is_own=trial.name == "published" and trial.settings.has_own_models,
    )
    return {
        "identity": identity.status,
        "identity_reason": identity.reason,
        "matched": identity.matched,
        "file": printable(checkpoint.path.name),
        "form": checkpoint.form,
        "epoch": checkpoint.epoch,
        "sha256": checkpoint.sha256,
        "head_keys": key_style(checkpoint.network),
        "parameters": parameter_count(module),
        "state_elements": state_element_count(module.state_dict()),
        "gmacs": multiply_add_count(module) / 1e9,
        "provenance": origin,
    }


def variant_result(
    trial: Trial,
    variant: str,
    evaluation: Evaluation,
    judgement: Judgement,
    origin: ProvenanceRecord | None,
) -> VariantResult:
    """All that is known of a variant, as the results have it."""
    files, facts = trial.files, trial.catalogue[variant]
    dataset, paper = files.dataset(), facts.paper
    reference, displaced = judgement.reference, files.facts.displaced
    sequences = [performance(name) for name in evaluation.file_names]
    errors_mm = evaluation.errors_mm.mean(axis=1)
    interval_mm, sequence_count = bootstrap_interval_mm(errors_mm, sequences)
    error: dict[str, Any] = {
        "mpjpe_mm" if evaluation.protocol == 2 else "pa_mpjpe_mm": evaluation.error_mm
    }
    return VariantResult(
        **_of_the_file(trial, variant, origin),
        paper_parameters_millions=_value(paper.parameters_millions),
        paper_gmacs=_value(paper.gmacs),
        interval_mm=interval_mm,
        sequences=sequence_count,
        reference_mm=_value(reference),
        reference_source=reference.source if reference else None,
        reference_kind=trial.reference_kind if reference else None,
        difference_mm=judgement.difference_mm,
        verdict=judgement.verdict,
        per_action_mm=evaluation.per_action_mm(),
        per_joint_mm=evaluation.per_joint_mm(),
        samples=len(evaluation.image_ids),
        complete=evaluation.complete,
        unreadable=_by_reason(evaluation.unreadable),
        images_sha256=evaluation.images_sha256,
        seconds=evaluation.seconds,
        reading_seconds=evaluation.reading_seconds,
        images_per_second=evaluation.images_per_second,
        batch_size=evaluation.batch_size,
        resumed_samples=evaluation.resumed,
        soft_argmax=trial.networks.soft_argmax(variant),
        without_displaced_mm=(
            displaced.error_without_mm(evaluation.errors_mm, evaluation.file_names)
            if displaced
            else None
        ),
        repeated_images=evaluation.repeated,
        examples=find_examples(
            evaluation,
            dataset,
            facts.architecture.grid_whd,
            with_crops=trial.name == "miniature" or trial.settings.embed_images,
        ),
        **error,
    )


def _value(figure: Figure | None) -> float | None:
    return figure.value if figure else None


def _displaced(known: Displaced | None, dataset: Dataset) -> DisplacedRecord | None:
    if known is None:
        return None
    takes = known.found([sample.path.name for sample in dataset.samples])
    return DisplacedRecord(takes, known.source) if takes else None


def _by_reason(exclusions: Iterable[Exclusion]) -> dict[str, int]:
    return dict(Counter(exclusion.reason for exclusion in exclusions).most_common())
