"""Reports and chart of a run, rendered from its results and per-sample file only."""

from contextlib import suppress
from pathlib import Path

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.regular_files import write_text
from convnextpose_check.pages.charts import draw_comparison
from convnextpose_check.pages.html import render_markdown, render_page
from convnextpose_check.paths import Outputs
from convnextpose_check.results.per_sample import read_errors_mm
from convnextpose_check.results.schema import Results


def write_pages(results: Results, outputs: Outputs, report: Path, page: str | None) -> None:
    """Write the HTML and the Markdown report and, if errors were measured, the chart.

    ``page`` is pytest-html's report, in which only the summary is replaced. Without a per-sample
    file the HTML report lacks the distribution of errors.
    """
    errors_mm = {}
    with suppress(ConvNeXtPoseCheckError):
        errors_mm = read_errors_mm(outputs.per_sample)
    write_text(outputs.markdown, render_markdown(results))
    write_text(report, render_page(results, errors_mm, page))
    if results.variants:
        draw_comparison(results, outputs.picture)
