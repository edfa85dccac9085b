"""Write all files of a finished run: logs, per-sample errors, pages, results and archives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.files.whole import write_text
from convnextpose_check.paths import Outputs
from convnextpose_check.results.decision import decided
from convnextpose_check.results.export import export
from convnextpose_check.results.per_sample import write_per_sample
from convnextpose_check.results.results_file import write_results
from convnextpose_check.results.schema import METRIC_TITLES, Results
from convnextpose_check.run.record import provenance_text
from convnextpose_check.run.run import Run
from convnextpose_check.wording import printable


def write_report(run: Run, results: Results, report: Path, page: str | None = None) -> Results:
    """Write every file of the run once; returns the results that were written.

    ``report`` is the path of the HTML report and ``page`` the page of pytest-html, whose summary is
    replaced. If a file cannot be written, the run is not passed: the reason is added to the
    results, and all files are written again with it.
    """
    for _ in range(2):
        problems = _write_files(run, results, report, page)
        if not (new := [text for text in problems if text not in results.left_out]):
            break
        results = decided(results, [*results.left_out, *new], results.run_id)
    return results


def _write_files(run: Run, results: Results, report: Path, page: str | None) -> list[str]:
    """Write each file, and return why others could not be written."""
    from convnextpose_check.pages import write_pages

    outputs, problems = Outputs(run.settings.results_dir), []

    def attempt(write: Callable[..., object], *arguments: Any) -> None:
        try:
            write(*arguments)
        except ConvNeXtPoseCheckError as error:
            problems.append(str(error))

    for variant, outcome in run.outcomes.items():
        lines = _log_lines(run, variant, outcome)
        attempt(write_text, outputs.log(variant), "".join(f"{printable(s)}\n" for s in lines))
    if evaluations := run.finished_evaluations:
        attempt(write_per_sample, evaluations, run.dataset, outputs.per_sample)
    attempt(write_pages, results, outputs, report, page)
    attempt(write_results, results, outputs.results)
    if results.variants and not problems:
        attempt(export, run.settings.results_dir)
    return problems


def _log_lines(run: Run, variant: str, outcome: Evaluation | Exception) -> Iterator[str]:
    """The log of a variant: its checkpoint, the data, and its errors or what prevented them."""
    with suppress(ConvNeXtPoseCheckError):  # then the outcome has the reason
        checkpoint, dataset = run.checkpoints[variant], run.dataset
        yield f"checkpoint {checkpoint.path} ({checkpoint.form})"
        yield f"sha256 {checkpoint.sha256}, {provenance_text(run, variant)}"
        yield f"{len(dataset.samples)} samples below {dataset.layout.root}"
        for exclusion in dataset.excluded:
            yield f"excluded {exclusion.file_name}: {exclusion.reason}"
    if isinstance(outcome, Exception):
        yield str(outcome)
        yield from getattr(outcome, "trace", "").splitlines()
        return
    for exclusion in outcome.unreadable:
        yield f"left out {exclusion.file_name}: {exclusion.reason}"
    yield (
        f"protocol {outcome.protocol}, {METRIC_TITLES[outcome.protocol]} {outcome.error_mm:.4f} mm"
        f" over {len(outcome.image_ids)} samples in {outcome.seconds:.1f} s:"
        f" {run.judgement(variant).verdict}"
    )
    yield f"reading images took {outcome.reading_seconds:.1f} s more, once for all variants"
    for action, error_mm in outcome.per_action_mm().items():
        yield f"{action:13} {error_mm:8.2f} mm"
