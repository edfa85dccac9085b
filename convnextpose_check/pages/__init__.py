"""The pages of a run, made from its results file and its per-sample file alone."""

from __future__ import annotations

from pathlib import Path

import msgspec

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.whole import write_text
from convnextpose_check.pages.charts import comparison_png
from convnextpose_check.pages.html import page_html, summary_html, with_summary
from convnextpose_check.pages.markdown import markdown
from convnextpose_check.paths import REPORT_FILE, Outputs
from convnextpose_check.results.decision import verdict_sentence
from convnextpose_check.results.per_sample import read_joint_errors_mm
from convnextpose_check.results.results_file import read_results
from convnextpose_check.results.schema import Results


def write_pages(results: Results, outputs: Outputs) -> list[Path]:
    """Write the Markdown report and, if errors were measured, the picture."""
    write_text(outputs.markdown, markdown(results))
    if not results.variants:
        return [outputs.markdown]
    comparison_png(results, outputs.picture)
    return [outputs.markdown, outputs.picture]


def summary_of(results: Results, outputs: Outputs) -> str:
    """The HTML summary of a run; without a per-sample file it shows no distribution."""
    try:
        errors_mm = read_joint_errors_mm(outputs.per_sample)
    except ConvNeXtPoseCheckError:
        return summary_html(results)
    return summary_html(results, {name: each.mean(axis=1) for name, (_, each) in errors_mm.items()})


def update_report(report: Path, results: Results, outputs: Outputs) -> None:
    """Replace the summary in a report of pytest-html by that of these results."""
    page = report.read_text(encoding="utf-8", errors="replace")
    if (updated := with_summary(page, summary_of(results, outputs))) is not None:
        write_text(report, updated)


def redraw(results_dir: Path) -> list[Path]:
    """Make the pages of a finished run again, without running a model; returns their paths.

    A report of pytest-html keeps its table of tests; only its summary is replaced. The verdict is
    computed again from the numbers. Raises ``ConvNeXtPoseCheckError`` (``bad-results``).
    """
    outputs, report = Outputs(results_dir), results_dir / REPORT_FILE
    results = read_results(outputs.results)
    if results.finished:
        results = msgspec.structs.replace(results, verdict=verdict_sentence(results))
    summary = summary_of(results, outputs)
    page = None
    if report.is_file():
        page = with_summary(report.read_text(encoding="utf-8", errors="replace"), summary)
    write_text(report, page or page_html(summary))
    return [report, *write_pages(results, outputs)]
