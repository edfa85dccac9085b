"""What came out of a trial, written down: log, results and per-sample file."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from convnextpose_check.checks.identity import identity_of
from convnextpose_check.diagnosis.cause import Cause
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.devices import device_title
from convnextpose_check.evaluation.failures import told_as_failure
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.verdict import Judgement, judge
from convnextpose_check.human36m.displaced import Displaced
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset, Exclusion
from convnextpose_check.network.cost import multiply_add_count, parameter_count, state_element_count
from convnextpose_check.network.keymap import key_style
from convnextpose_check.paths import Outputs
from convnextpose_check.results.baseline import Baseline, compare
from convnextpose_check.results.bootstrap import bootstrap_interval_mm, performance
from convnextpose_check.results.examples import find_examples
from convnextpose_check.results.per_sample import write_per_sample
from convnextpose_check.results.results_file import write_results
from convnextpose_check.results.schema import (
    CauseRecord,
    CheckRecord,
    ContradictionRecord,
    DatasetRecord,
    DisplacedRecord,
    FileRecord,
    ProvenanceRecord,
    Results,
    VariantResult,
    with_variants,
)
from convnextpose_check.results.unevaluated import unevaluated
from convnextpose_check.results.words import is_passed, verdict_sentence
from convnextpose_check.trial.diagnosis import diagnose
from convnextpose_check.trial.log import provenance_record, tell_evaluation, tell_files, variant_log
from convnextpose_check.trial.trial import Trial
from convnextpose_check.variants import Figure
from convnextpose_check.wording import printable


class Recorder:
    """Writes each evaluation of a trial down: into its log, the results and the per-sample file.

    ``outputs`` says where, once that is known. After each variant the files are written whole.
    """

    def __init__(self, outputs: Callable[[], Outputs]) -> None:
        self._outputs = outputs
        self.results: Results | None = None
        self._evaluations: dict[str, Evaluation] = {}

    @property
    def outputs(self) -> Outputs:
        """The files that are written."""
        return self._outputs()

    def hear(self, trial: Trial, variant: str, outcome: Evaluation | Exception) -> None:
        """Write down a variant's evaluation, or why there is none.

        Raises ``ConvNeXtPoseCheckError`` (``cannot-write``).
        """
        with variant_log(self.outputs.log(variant), variant) as log:
            origin = None
            with suppress(ConvNeXtPoseCheckError):  # then the outcome says why
                origin = provenance_record(trial, variant)
                tell_files(trial, variant, origin, log)
            if isinstance(outcome, Exception):
                for line in (str(outcome), *getattr(outcome, "trace", "").splitlines()):
                    log.error("%s", line)
            else:
                self._record(trial, variant, outcome, origin, log)

    def open_weights(self, trial: Trial) -> None:
        """Begin the results of a run that judges weights alone: what each file is, and no error."""
        weights = {}
        for variant in trial.files.chosen:
            with suppress(ConvNeXtPoseCheckError):  # then its checks say why
                origin = provenance_record(trial, variant)
                with told_as_failure("building the network"):
                    weights[variant] = FileRecord(**_of_the_file(trial, variant, origin))
        self.results = msgspec.structs.replace(nothing_evaluated(trial), weights=weights)
        with suppress(ConvNeXtPoseCheckError):
            device = device_title(*trial.networks.devices())
            self.results = msgspec.structs.replace(self.results, device=device)

    @property
    def has_evaluated(self) -> bool:
        """True once a variant was evaluated."""
        return self.results is not None and bool(self.results.variants)

    def compare(self, baseline: Baseline, checks: Iterable[CheckRecord]) -> Sequence[str]:
        """Add the comparison with an earlier run; returns what it forbids."""
        assert self.results is not None
        results = msgspec.structs.replace(self.results, checks=tuple(checks))
        record = compare(results, baseline, self.outputs.per_sample)
        self.results = msgspec.structs.replace(results, baseline=record)
        return record.problems

    def finish(
        self, checks: Iterable[CheckRecord], left_out: Iterable[str], run_id: str
    ) -> Results:
        """Write the results with what became of every check, and the verdict; returns them."""
        assert self.results is not None
        results = msgspec.structs.replace(
            self.results,
            finished=True,
            checks=tuple(checks),
            left_out=tuple(left_out),
            run_id=run_id,
        )
        results = msgspec.structs.replace(
            results, verdict=verdict_sentence(results), passed=is_passed(results)
        )
        self._write(results)
        return results

    def _record(
        self,
        trial: Trial,
        variant: str,
        evaluation: Evaluation,
        origin: ProvenanceRecord | None,
        log: logging.Logger,
    ) -> None:
        judgement = judge(evaluation, trial.reference(variant))
        tell_evaluation(evaluation, judgement, log)
        causes = self._causes(trial, variant, evaluation, judgement, log)
        self._evaluations[variant] = evaluation
        results = self.results or _empty(trial)
        result = variant_result(trial, variant, evaluation, judgement, origin)
        result = msgspec.structs.replace(result, causes=causes)
        self._write(with_variants(results, {**results.variants, variant: result}))
        write_per_sample(self._evaluations, trial.files.dataset(), self.outputs.per_sample)

    def _causes(
        self,
        trial: Trial,
        variant: str,
        evaluation: Evaluation,
        judgement: Judgement,
        log: logging.Logger,
    ) -> tuple[CauseRecord, ...]:
        """Why the error is off; what was measured stands, whatever becomes of asking."""
        try:
            causes = diagnose(trial, variant, evaluation, judgement)
        except Exception:
            log.exception("it could not be said why the error is off")
            return ()
        for cause in causes:
            log.info("cause, %+.2f mm: %s", cause.moved_mm, cause)
        return tuple(_cause_record(cause) for cause in causes)

    def _write(self, results: Results) -> None:
        write_results(results, self.outputs.results)
        self.results = results


def _cause_record(cause: Cause) -> CauseRecord:
    def rounded(joints_mm: Array | None) -> tuple[float, ...]:
        return () if joints_mm is None else tuple(round(float(mm), 2) for mm in joints_mm)

    return CauseRecord(
        cause.name,
        cause.what,
        cause.evidence,
        cause.remedy,
        cause.moved_mm,
        cause.share,
        rounded(cause.before_mm),
        rounded(cause.after_mm),
    )


def nothing_evaluated(
    trial: Trial, checks: Iterable[CheckRecord] = (), left_out: Iterable[str] = ()
) -> Results:
    """The results of a trial before anything was evaluated."""
    files, settings = trial.files, trial.settings
    samples = files.facts.protocols[settings.protocol].samples
    return unevaluated(trial.name, settings, samples, files.chosen, checks, left_out)


def _empty(trial: Trial) -> Results:
    dataset = trial.files.dataset()
    return msgspec.structs.replace(
        nothing_evaluated(trial),
        finished=False,
        verdict="Not judged: the run has not finished.",
        device=device_title(*trial.networks.devices()),
        dataset=DatasetRecord(
            root=str(dataset.layout.root),
            digest=dataset.digest,
            excluded=_by_reason(dataset.excluded),
            limited=dataset.limited,
            boxes=str(dataset.rootnet or "the ground truth's boxes"),
            displaced=_displaced(trial.files.facts.displaced, dataset),
            contradictions=tuple(
                ContradictionRecord(found.kind, found.told, found.takes)
                for found in trial.files.contradictions()
            ),
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
        without_contradictions_mm={
            found.kind: found.error_without_mm(evaluation.errors_mm, evaluation.image_ids)
            for found in files.contradictions()
        },
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
