"""The pages of a run, all drawn from its results file and its per-sample file."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import msgspec
import numpy as np

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.whole import write_text
from convnextpose_check.pages.comparison import comparison_png
from convnextpose_check.pages.html import Pair, page_html, summary_html, with_summary
from convnextpose_check.pages.markdown import markdown
from convnextpose_check.paths import REPORT_FILE, Outputs
from convnextpose_check.results.bootstrap import paired_interval_mm
from convnextpose_check.results.figures import derived, starred
from convnextpose_check.results.per_sample import read_errors_by_file_mm
from convnextpose_check.results.results_file import read_results
from convnextpose_check.results.schema import Results
from convnextpose_check.results.words import verdict_sentence


def write_pages(results: Results, outputs: Outputs) -> list[Path]:
    """Write the Markdown report and, if errors were measured, the picture."""
    write_markdown(results, outputs)
    if not results.variants:
        return [outputs.markdown]
    comparison_png(results, outputs.picture)
    return [outputs.markdown, outputs.picture]


def write_markdown(results: Results, outputs: Outputs) -> None:
    """Write the report for a pull request, also of a run that could not judge."""
    write_text(outputs.markdown, markdown(results))


def summary_of(runs: Iterable[tuple[Results, Outputs]]) -> str:
    """The HTML summary of runs; where there is no per-sample file, no distribution is drawn."""
    found, pairs = [], dict[str, list[Pair]]()
    for results, outputs in runs:
        try:
            by_file = read_errors_by_file_mm(outputs.per_sample)
        except ConvNeXtPoseCheckError:
            by_file = {}
        errors_mm = {name: np.array(list(errors.values())) for name, errors in by_file.items()}
        found.append((results, errors_mm))
        names = [name for name in starred(results) if name in by_file]
        pairs[results.subject] = [
            (name, other, float(errors_mm[name].mean() - errors_mm[other].mean()), interval)
            for name, other in combinations(names, 2)
            if (interval := paired_interval_mm(by_file[name], by_file[other])) is not None
        ]
    return summary_html(found, pairs)


def update_report(report: Path, results: Results, outputs: Outputs) -> None:
    """Exchange the summary in a report of pytest-html for that of these results."""
    page = report.read_text(encoding="utf-8", errors="replace")
    if (updated := with_summary(page, summary_of([(results, outputs)]))) is not None:
        write_text(report, updated)


def redraw(results_dir: Path) -> list[Path]:
    """Make the pages of a finished run again, without running a model; returns what was written.

    Where pytest-html's report of that run stands, its table of tests is kept and only the summary
    is exchanged. The verdict is drawn from the figures, whatever sentence stands beside them.
    Raises ``ConvNeXtPoseCheckError`` (``bad-results``).
    """
    outputs, report = Outputs(results_dir), results_dir / REPORT_FILE
    results = derived(read_results(outputs.results))
    if results.finished:
        results = msgspec.structs.replace(results, verdict=verdict_sentence(results))
    summary = summary_of([(results, outputs)])
    page = None
    if report.is_file():
        page = with_summary(report.read_text(encoding="utf-8", errors="replace"), summary)
    write_text(report, page or page_html(summary))
    return [report, *write_pages(results, outputs)]
