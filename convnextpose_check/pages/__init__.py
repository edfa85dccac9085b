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


def write_pages(
    results: Results, outputs: Outputs, report: Path, page: str | None = None
) -> list[Path]:
    """Write the HTML report, the Markdown report and, if errors were measured, the picture.

    ``page`` is an HTML report of pytest-html: its table of tests is kept, its summary replaced.
    Returns the paths.
    """
    summary = summary_of(results, outputs)
    with_table = with_summary(page, summary) if page is not None else None
    write_text(outputs.markdown, markdown(results))
    write_text(report, with_table or page_html(summary))
    if not results.variants:
        return [report, outputs.markdown]
    comparison_png(results, outputs.picture)
    return [report, outputs.markdown, outputs.picture]


def summary_of(results: Results, outputs: Outputs) -> str:
    """The HTML summary of a run; without a per-sample file it shows no distribution."""
    try:
        errors_mm = read_joint_errors_mm(outputs.per_sample)
    except ConvNeXtPoseCheckError:
        return summary_html(results)
    return summary_html(results, {name: each.mean(axis=1) for name, (_, each) in errors_mm.items()})


def redraw(results_dir: Path) -> list[Path]:
    """Make the pages of a finished run again, without running a model; returns their paths.

    A report of pytest-html keeps its table of tests; only its summary is replaced. The verdict is
    computed again from the numbers. Raises ``ConvNeXtPoseCheckError`` (``bad-results``).
    """
    outputs, report = Outputs(results_dir), results_dir / REPORT_FILE
    results = read_results(outputs.results)
    if results.finished:
        results = msgspec.structs.replace(results, verdict=verdict_sentence(results))
    is_drawn = report.is_file()
    page = report.read_text(encoding="utf-8", errors="replace") if is_drawn else None
    return write_pages(results, outputs, report, page)
