"""The HTML of a run: the section above pytest-html's table, or a whole page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from convnextpose_check.evaluation.verdict import RECORDED_TOLERANCE_MM
from convnextpose_check.files.whole import cannot_write
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.network.users import is_exported
from convnextpose_check.pages.charts import distribution_image
from convnextpose_check.pages.palette import css_variables
from convnextpose_check.pages.skeletons import crop_svg, space_svg
from convnextpose_check.results.schema import CheckRecord, Outcome, Results, VariantResult
from convnextpose_check.results.text import (
    ICONS,
    Severity,
    badge,
    format_difference,
    format_interval,
    format_number,
    format_value,
    identity_badge,
    verdict_badge,
)

FOLDER = Path(__file__).parent
STYLE_SHEET = FOLDER / "report.css"
SCRIPT = FOLDER / "report.js"
"""Turns the skeletons and folds pytest-html's table; the summary needs no script."""
TITLE = "ConvNeXtPose checkpoint report"

BEGIN, END = "<!-- ConvNeXtPose: begin -->", "<!-- ConvNeXtPose: end -->"
_SUBJECT_MARK = re.compile(r'data-judged="(\w+)"')

SEVERITIES: dict[Outcome, Severity] = {
    "passed": "good",
    "not verified": "none",
    "warning": "fair",
    "expected failure": "none",
    "failed": "bad",
    "skipped": "none",
}
"""In the order in which their counts are shown."""

_STRONGEST_HEAT = 0.55
"""Above that the numbers on the color would be hard to read."""

NO_ERRORS: Mapping[str, Array] = MappingProxyType({})


@cache
def templates() -> Environment:
    """The templates; every value in one that ends in ``.html.j2`` appears as text."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=lambda name: bool(name) and str(name).endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        number=format_number, value=format_value, difference=format_difference
    )
    environment.globals.update(
        badge=badge,
        crop_svg=lambda *of: Markup(crop_svg(*of)),
        icons=ICONS,
        identity_badge=identity_badge,
        interval=format_interval,
        recorded_tolerance_mm=RECORDED_TOLERANCE_MM,
        severities=SEVERITIES,
        space_svg=lambda *of: Markup(space_svg(*of)),
    )
    return environment


def summary_html(results: Results, errors_mm: Mapping[str, Array] = NO_ERRORS) -> str:
    """The summary of a run, which needs neither scripts nor other files.

    ``errors_mm`` holds the mean errors (N,) of the samples, by variant.
    """
    featured = results.featured
    section = (
        templates()
        .get_template("summary.html.j2")
        .render(
            check_rows=check_rows(results),
            has_images=any(e.crop_jpeg for record in featured.values() for e in record.examples),
            distribution=Markup(distribution_image(results, errors_mm)),
            heat_tables=[
                _heat_table(featured, "Error by action (mm)", "per_action_mm"),
                _heat_table(featured, "Error by joint (mm)", "per_joint_mm"),
            ],
            **shared_context(results),
        )
    )
    return "\n".join([BEGIN, f"<style>{css_variables()}</style>", section, END])


def page_html(summary: str) -> str:
    """A page around a summary, for a run without a report of pytest-html."""
    style, script = (Markup(path.read_text(encoding="utf-8")) for path in (STYLE_SHEET, SCRIPT))
    template = templates().get_template("page.html.j2")
    return template.render(title=TITLE, style=style, script=script, summary=Markup(summary))


def with_summary(page: str, summary: str) -> str | None:
    """The page with another summary, None for a page that has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{summary}{after}" if begin and end else None


def judged_subject(page: str) -> str | None:
    """The subject that a report judged, None if it judged nothing or is not a report."""
    match = _SUBJECT_MARK.search(page)
    return match[1] if match else None


def set_aside_report(report: Path) -> None:
    """Rename an earlier run's report after its subject, such as ``report.published.html``.

    Raises ``ConvNeXtPoseCheckError`` (``cannot-write``).
    """
    try:
        if report.exists():
            page = report.read_text(encoding="utf-8", errors="replace")
            if (subject := judged_subject(page)) is not None:
                report.replace(report.with_suffix(f".{subject}.html"))
    except OSError as error:
        raise cannot_write(report, error) from None


def shared_context(results: Results) -> dict[str, Any]:
    """The values that both the page and the Markdown report show."""
    outcomes = Counter(check.outcome for check in results.checks)
    repeated = Counter(check.told_by for check in results.failed)
    return {
        "results": results,
        "variants": results.variants,
        "featured": results.featured,
        "seeded": [name for name in results.variants if name not in results.featured],
        "verdict": verdict_badge(results),
        "trust_note": trust_note(results),
        "failures": [(c, repeated[c.test]) for c in results.failed if not c.told_by],
        "counts": {each: outcomes[each] for each in SEVERITIES if outcomes[each]},
    }


def trust_note(results: Results) -> str:
    """A warning if the run executed the user's code."""
    if results.network is None or is_exported(results.network):
        return ""
    return (
        f"The evaluated network is the user's own, {results.network}. Its code ran in the same"
        " process: the verdict is only as trustworthy as that code."
    )


def _claim(check: CheckRecord) -> str:
    """The name of the test in words, with its tolerance."""
    words = check.test.rpartition("::")[2].partition("[")[0].removeprefix("test_").replace("_", " ")
    return words if check.tolerance_mm is None else f"{words}, {check.tolerance_mm} mm"


def check_rows(results: Results) -> dict[str, dict[str, CheckRecord]]:
    """The checks by claim, then by variant; those of the whole run under ``""``."""
    rows: dict[str, dict[str, CheckRecord]] = {}
    for check in results.checks:
        variant = check.variant or ""
        row = rows.setdefault(_claim(check), {})
        if variant in row:  # a test with further parameters
            row = rows.setdefault(check.test, {})
        row[variant] = check
    return rows


def _heat_table(variants: Mapping[str, VariantResult], title: str, field: str) -> dict[str, Any]:
    """Rows of (name, [(error, strength of the color) or None for each variant])."""
    columns: dict[str, dict[str, float]] = {
        name: getattr(record, field) for name, record in variants.items()
    }
    # The root joint has no error by definition: it must not stretch the scale of the others.
    values = [value for column in columns.values() for value in column.values() if value > 0]
    low, high = min(values, default=0.0), max(values, default=0.0)
    span = max(high - low, 1e-9)
    rows = [
        (
            name.replace("_", " "),
            [
                (column[name], round(max(column[name] - low, 0.0) / span * _STRONGEST_HEAT, 3))
                if name in column
                else None
                for column in columns.values()
            ],
        )
        for name in dict.fromkeys(name for column in columns.values() for name in column)
    ]
    return {"title": title, "columns": list(columns), "rows": rows}
