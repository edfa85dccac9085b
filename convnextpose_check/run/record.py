"""From a run to its results, and to the logs and per-sample errors beside them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec

from convnextpose_check.checks.identity import identity_of
from convnextpose_check.environment import environment
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.devices import device_title
from convnextpose_check.evaluation.failures import told_as_failure
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.verdict import RECORDED_TOLERANCE_MM, Judgement, judge
from convnextpose_check.human36m.displaced import Displaced
from convnextpose_check.human36m.samples import Dataset, Exclusion
from convnextpose_check.network.cost import multiply_add_count, parameter_count, state_element_count
from convnextpose_check.network.keymap import key_style
from convnextpose_check.paths import Outputs
from convnextpose_check.results.bootstrap import bootstrap_interval_mm, performance
from convnextpose_check.results.decision import NOTHING_EVALUATED
from convnextpose_check.results.examples import find_examples
from convnextpose_check.results.per_sample import write_per_sample
from convnextpose_check.results.schema import (
    DatasetRecord,
    DisplacedRecord,
    FileRecord,
    ReferenceRecord,
    Results,
    VariantResult,
    with_variants,
)
from convnextpose_check.run.log import provenance_text, tell_evaluation, tell_files, variant_log
from convnextpose_check.run.run import Run
from convnextpose_check.variants import Figure
from convnextpose_check.wording import printable


def write_evaluations(run: Run, outputs: Outputs) -> None:
    """Write the log of each variant that was to be evaluated, and the errors of all samples.

    Raises ``ConvNeXtPoseCheckError`` (``cannot-write``).
    """
    for variant, outcome in run.outcomes.items():
        with variant_log(outputs.log(variant), variant) as log:
            with suppress(ConvNeXtPoseCheckError):  # then the outcome says why
                tell_files(run, variant, log)
            if isinstance(outcome, Exception):
                for line in (str(outcome), *getattr(outcome, "trace", "").splitlines()):
                    log.error("%s", line)
            else:
                tell_evaluation(outcome, judge(outcome, run.reference(variant)), log)
    if evaluations := run.finished_evaluations:
        write_per_sample(evaluations, run.dataset, outputs.per_sample)


def results_of(run: Run) -> Results:
    """Everything that is known of the run, before the gate decides."""
    if run.is_weights_only:
        return _results_of_weights(run)
    if not run.finished_evaluations:
        return nothing_evaluated(run)
    variants = {
        variant: variant_result(run, variant, evaluation, judge(evaluation, run.reference(variant)))
        for variant, evaluation in run.finished_evaluations.items()
    }
    return with_variants(_empty(run), variants)


def _results_of_weights(run: Run) -> Results:
    """What each file is, of a run that judges weights alone, and no error."""
    weights = {}
    for variant in run.variants:
        # A failure is reported by the checks of the file.
        with suppress(ConvNeXtPoseCheckError), told_as_failure("building the network"):
            weights[variant] = FileRecord(**_of_the_file(run, variant))
    results = msgspec.structs.replace(nothing_evaluated(run), weights=weights)
    with suppress(ConvNeXtPoseCheckError):
        device = device_title(*run.devices)
        return msgspec.structs.replace(results, device=device)
    return results


def nothing_evaluated(run: Run) -> Results:
    """The results of a run before anything was evaluated and any check has run."""
    settings = run.settings
    return Results(
        subject=run.name,
        finished=True,
        verdict=NOTHING_EVALUATED,
        protocol=settings.protocol,
        bbox=settings.bbox,
        flip=settings.flip,
        device=settings.device or "",
        samples=0,
        expected_samples=run.facts.protocols[settings.protocol].samples,
        expected_variants=run.variants,
        complete=False,
        gate_mm=None if run.is_weights_only else settings.gate,
        environment=environment(),
        settings=tuple(settings.lines()),
        dataset=DatasetRecord("", "", {}, limited=settings.limit is not None),
        variants={},
        checks=(),
        left_out=(),
        baseline=None,
        weights_only=run.is_weights_only,
        own_models=settings.has_own_models and run.name == "published",
        network=settings.network,
    )


def _empty(run: Run) -> Results:
    dataset = run.dataset
    return msgspec.structs.replace(
        nothing_evaluated(run),
        device=device_title(*run.devices),
        dataset=DatasetRecord(
            root=str(dataset.layout.root),
            digest=dataset.digest,
            excluded=_by_reason(dataset.excluded),
            limited=dataset.limited,
            boxes=str(dataset.rootnet or "the ground truth's boxes"),
            displaced=_displaced(run.facts.displaced, dataset),
        ),
    )


def _of_the_file(run: Run, variant: str) -> dict[str, Any]:
    """What a record says of a variant's checkpoint and of its network."""
    checkpoint, module = run.checkpoints[variant], run.models[variant].counted
    identity = identity_of(
        run.catalogue[variant],
        checkpoint,
        run.fingerprints.get(variant),
        is_own=run.name == "published" and run.settings.has_own_models,
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
        "provenance": provenance_text(run, variant),
    }


def variant_result(
    run: Run,
    variant: str,
    evaluation: Evaluation,
    judgement: Judgement,
) -> VariantResult:
    """All that is known of a variant, as the results have it."""
    facts = run.catalogue[variant]
    dataset, displaced = run.dataset, run.facts.displaced
    sequences = [performance(name) for name in evaluation.file_names]
    errors_mm = evaluation.errors_mm.mean(axis=1)
    interval_mm, sequence_count = bootstrap_interval_mm(errors_mm, sequences)
    error: dict[str, Any] = {
        "mpjpe_mm" if evaluation.protocol == 2 else "pa_mpjpe_mm": evaluation.error_mm
    }
    return VariantResult(
        **_of_the_file(run, variant),
        interval_mm=interval_mm,
        sequences=sequence_count,
        reference=_reference(run, judgement.reference),
        difference_mm=judgement.difference_mm,
        verdict=judgement.verdict,
        not_judged=judgement.not_judged,
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
        soft_argmax=run.models[variant].soft_argmax,
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
            with_crops=run.name == "miniature" or run.settings.embed_images,
        ),
        **error,
    )


def _reference(run: Run, figure: Figure | None) -> ReferenceRecord | None:
    if figure is None:
        return None
    is_synthetic = run.name == "miniature"
    tolerance_mm = RECORDED_TOLERANCE_MM if is_synthetic else run.settings.gate
    return ReferenceRecord(figure.value, figure.source, run.reference_kind, tolerance_mm)


def _displaced(known: Displaced | None, dataset: Dataset) -> DisplacedRecord | None:
    if known is None:
        return None
    takes = known.found([sample.path.name for sample in dataset.samples])
    return DisplacedRecord(takes, known.source) if takes else None


def _by_reason(exclusions: Iterable[Exclusion]) -> dict[str, int]:
    return dict(Counter(exclusion.reason for exclusion in exclusions).most_common())
