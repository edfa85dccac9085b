"""Build a run's results and write its files: logs, errors, pages and archives."""

import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from convnextpose_check.checkpoints.training_record import (
    describe_metadata,
    format_epoch,
    read_training_record,
)
from convnextpose_check.checks.archives import check_published_tensors
from convnextpose_check.checks.identity import determine_identity
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.evaluation.devices import format_devices
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.predict import wrap_network_errors
from convnextpose_check.evaluation.verdict import RECORDED_TOLERANCE_MM, judge
from convnextpose_check.files.regular_files import write_atomically, write_text
from convnextpose_check.human36m.samples import Exclusion
from convnextpose_check.network.keymap import detect_key_style
from convnextpose_check.paths import Outputs
from convnextpose_check.results.bootstrap import bootstrap_interval_mm
from convnextpose_check.results.decision import NOTHING_EVALUATED, add_decision
from convnextpose_check.results.examples import find_examples
from convnextpose_check.results.field_metrics import FIELD_METRICS, compute_field_metrics
from convnextpose_check.results.per_sample import write_per_sample
from convnextpose_check.results.results_file import write_results
from convnextpose_check.results.schema import (
    METRIC_TITLES,
    CheckpointComparison,
    CheckRecord,
    DatasetRecord,
    FileRecord,
    ReferenceKind,
    ReferenceRecord,
    Results,
    VariantResult,
)
from convnextpose_check.run.run import Run
from convnextpose_check.text import escape_control_chars
from convnextpose_check.variants import ReportedValue


def write_report(
    run: Run,
    results: Results,
    report: Path,
    page: str | None,
    traces: Mapping[str, Sequence[str]],
) -> Results:
    """Write all files of the run, and return the results in them.

    ``page`` is pytest-html's report, which is written to ``report`` with the summary. ``traces``
    has the tracebacks of failed networks for each variant's log. A file that cannot be written
    fails the run: its reason is added to the results, and all files are written again.
    """
    from convnextpose_check.pages import write_pages

    outputs, outcomes = run.outputs, run.finished_evaluations.outcomes
    files: list[tuple[Any, ...]] = [
        (
            write_text,
            outputs.log(variant),
            _format_log(run, variant, outcomes.get(variant), traces.get(variant, ())),
        )
        for variant in {**outcomes, **traces}
    ]
    if evaluations := run.finished_evaluations.available:
        files.append((write_per_sample, evaluations, run.dataset, outputs.per_sample))
    for _ in range(2):
        pages: list[tuple[Any, ...]] = [
            (write_pages, results, outputs, report, page),
            (write_results, results, outputs.results),
        ]
        if results.variants:
            pages.append((pack_archives, outputs, results))
        problems = [_attempt(write, *arguments) for write, *arguments in files + pages]
        if not (new := [text for text in problems if text and text not in results.left_out]):
            break
        results = add_decision(results, [*results.left_out, *new], results.run_id)
    return results


def _attempt(write: Callable[..., object], *arguments: Any) -> str:
    """Write a file; return the reason if it cannot be written, else ''."""
    try:
        write(*arguments)
    except ConvNeXtPoseCheckError as error:
        return str(error)
    return ""


def _format_log(
    run: Run, variant: str, outcome: Evaluation | Exception | None, traces: Sequence[str]
) -> str:
    """A variant's log: its error, excluded images, the failure and tracebacks."""
    texts = [] if outcome is None else [str(outcome)]
    if isinstance(outcome, Evaluation):
        texts = [
            f"{METRIC_TITLES[outcome.protocol]} {outcome.error_mm:.4f} mm over"
            f" {len(outcome.image_ids)} samples: {run.judgment(variant)}",
            *(
                f"excluded {escape_control_chars(exclusion.file_name)}: {exclusion.reason}"
                for exclusion in (*run.dataset.excluded, *outcome.unreadable)
            ),
        ]
    if isinstance(failure := run.checkpoint_evaluations.outcomes.get(variant), Exception):
        texts.append(f"the checkpoint's own model: {failure}")
    texts += dict.fromkeys([getattr(outcome, "trace", ""), *traces])
    lines = "\n".join(filter(None, texts)).split("\n")
    return "".join(f"{escape_control_chars(line)}\n" for line in lines)


def pack_archives(outputs: Outputs, results: Results) -> None:
    """Pack results and logs of this run, but no others in the folder, into archives."""
    logs = [outputs.log(variant) for variant in results.variants]
    for archive, files in zip(outputs.archives, (outputs.shared, logs), strict=True):
        with (
            write_atomically(archive) as temporary,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as packing,
        ):
            for file in filter(Path.is_file, sorted(files)):
                packing.write(file, file.relative_to(outputs.results_dir))


def build_results(
    run: Run, environment: dict[str, str], checks: tuple[CheckRecord, ...] = ()
) -> Results:
    """Collect the results of the run; ``add_decision`` completes them."""
    settings, device = run.settings, run.settings.device or ""
    variants = {
        variant: build_variant_result(run, variant, evaluation)
        for variant, evaluation in run.finished_evaluations.available.items()
    }
    if variants or settings.weights_only:
        with suppress(ConvNeXtPoseCheckError):  # the failed tests have the reason
            device = format_devices(*run.devices)
    return Results(
        target=run.target,
        finished=True,
        verdict=NOTHING_EVALUATED,
        protocol=settings.protocol,
        bbox=settings.bbox,
        flip=settings.flip,
        device=device,
        samples=min((record.samples for record in variants.values()), default=0),
        expected_samples=run.facts.protocols[settings.protocol].samples,
        expected_variants=tuple(run.variants),
        complete=variants.keys() == run.variants.keys()
        and all(record.complete for record in variants.values()),
        gate_mm=None if settings.weights_only else settings.gate,
        environment=environment,
        settings=tuple(settings.given.values()),
        dataset=_dataset_record(run, is_read=bool(variants)),
        variants=variants,
        checks=checks,
        left_out=(),
        baseline=None,
        weights_only=settings.weights_only,
        weights=_checkpoint_records(run) if settings.weights_only else {},
        own_models=settings.has_own_models,
        network=settings.network,
        field_metrics=FIELD_METRICS if variants else {},
    )


def _checkpoint_records(run: Run) -> dict[str, FileRecord]:
    """The record of each checkpoint that could be loaded, for ``--weights-only``."""
    weights = {}
    for variant in run.variants:
        # If a record is missing, the variant's failed checks have the reason.
        with suppress(ConvNeXtPoseCheckError), wrap_network_errors("building the network"):
            weights[variant] = FileRecord(**_file_values(run, variant))
    return weights


def _dataset_record(run: Run, *, is_read: bool) -> DatasetRecord:
    if not is_read:
        return DatasetRecord("", "", {}, limited=run.settings.limit is not None)
    dataset, known = run.dataset, run.facts.misaligned
    takes = known.count_images([sample.path.name for sample in dataset.samples]) if known else {}
    return DatasetRecord(
        root=str(dataset.layout.root),
        digest=dataset.digest,
        excluded=_count_reasons(dataset.excluded),
        limited=dataset.limited,
        boxes=dataset.rootnet or "ground truth",
        misaligned_takes=takes,
        misaligned_source=known.source if known and takes else "",
    )


def describe_training_record(run: Run, variant: str) -> str:
    """The training record of the variant's checkpoint as one line."""
    checkpoint = run.checkpoints[variant]
    try:
        tensors = check_published_tensors(run.fingerprints.get(variant), checkpoint)
    except CheckFailedError as error:
        tensors = error.problem
    parts = (
        format_epoch(run.variants[variant].checkpoint.epoch, checkpoint.epoch),
        read_training_record(checkpoint).description,
        describe_metadata(checkpoint),
        tensors,
    )
    return "; ".join(filter(None, parts))


def _file_values(run: Run, variant: str) -> dict[str, Any]:
    """The fields of the variant's ``FileRecord``."""
    checkpoint, size = run.checkpoints[variant], run.models[variant].size
    identity = determine_identity(run.variants[variant], checkpoint, run.fingerprints.get(variant))
    return {
        **identity,
        "file": escape_control_chars(checkpoint.path.name),
        "form": checkpoint.form,
        "epoch": checkpoint.epoch,
        "sha256": checkpoint.sha256,
        "head_keys": detect_key_style(checkpoint.network),
        "parameters": size.parameters,
        "state_elements": size.state_elements,
        "gmacs": size.multiply_adds / 1e9,
        "training_record": describe_training_record(run, variant),
        "not_recorded": checkpoint.not_recorded,
        "key_prefix": checkpoint.prefix,
    }


def build_variant_result(run: Run, variant: str, evaluation: Evaluation) -> VariantResult:
    """Collect checkpoint, errors and verdict of an evaluated variant."""
    grid_whd = run.variants[variant].architecture.grid_whd
    misaligned, judgment = run.facts.misaligned, judge(evaluation, run.reported_error(variant))
    errors_mm = evaluation.errors_mm.mean(axis=1)
    interval_mm, take_count = bootstrap_interval_mm(errors_mm, evaluation.file_names)
    values = _file_values(run, variant)
    values["mpjpe_mm" if evaluation.protocol == 2 else "pa_mpjpe_mm"] = evaluation.error_mm
    return VariantResult(
        **values,
        interval_mm=interval_mm,
        sequences=take_count,
        reference=_reference_record(run, judgment.reference),
        difference_mm=judgment.difference_mm,
        verdict=judgment.verdict,
        not_judged=judgment.not_judged,
        per_action_mm=evaluation.per_action_mm(),
        per_joint_mm=evaluation.per_joint_mm(),
        samples=len(evaluation.image_ids),
        complete=evaluation.complete,
        unreadable=_count_reasons(evaluation.unreadable),
        images_sha256=evaluation.images_sha256,
        batch_size=evaluation.batch_size,
        resumed_samples=evaluation.resumed,
        without_misaligned_mm=(
            misaligned.error_without_mm(evaluation.errors_mm, evaluation.file_names)
            if misaligned
            else None
        ),
        repeated_images=evaluation.same_sequence_copies,
        field_metrics=compute_field_metrics(evaluation, run.dataset, grid_whd),
        comparison=compare_with_checkpoint(
            evaluation, run.checkpoint_evaluations.available.get(variant)
        ),
        examples=find_examples(
            evaluation,
            run.dataset,
            grid_whd,
            with_crops=run.target == "synthetic" or run.settings.embed_images,
        ),
    )


def compare_with_checkpoint(
    evaluation: Evaluation, of_checkpoint: Evaluation | None
) -> CheckpointComparison | None:
    """Compare a network of ``--network`` with the checkpoint's model on the same images."""
    if of_checkpoint is None or of_checkpoint.images_sha256 != evaluation.images_sha256:
        return None
    differences_mm = (evaluation.errors_mm - of_checkpoint.errors_mm).mean(axis=1)
    cells = np.abs(evaluation.cells_xyz - of_checkpoint.cells_xyz)
    return CheckpointComparison(
        error_mm=of_checkpoint.error_mm,
        difference_mm=evaluation.error_mm - of_checkpoint.error_mm,
        interval_mm=bootstrap_interval_mm(differences_mm, evaluation.file_names)[0],
        mean_cells=float(cells.mean()),
        max_cells=float(cells.max()),
    )


def _reference_record(run: Run, reported: ReportedValue | None) -> ReferenceRecord | None:
    if reported is None:
        return None
    if run.target == "synthetic":
        return ReferenceRecord(reported.value, reported.source, "recorded", RECORDED_TOLERANCE_MM)
    kind: ReferenceKind = "own file" if run.settings.has_own_models else "paper"
    return ReferenceRecord(reported.value, reported.source, kind, run.settings.gate)


def _count_reasons(exclusions: Iterable[Exclusion]) -> dict[str, int]:
    return dict(Counter(exclusion.reason for exclusion in exclusions).most_common())
