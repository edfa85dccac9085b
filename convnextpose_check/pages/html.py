"""The HTML of a run: the section that heads pytest-html's report, or a page of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from convnextpose_check.files.whole import cannot_write
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.pages.distribution import distribution_image
from convnextpose_check.pages.evidence import evidence_svg
from convnextpose_check.pages.grid import SIGNS, Grid, grid
from convnextpose_check.pages.palette import css_variables
from convnextpose_check.pages.sketches import ERROR_BOUNDS_MM, overlay_svg, scale_svg, space_svg
from convnextpose_check.results.figures import (
    asked_mm,
    chip,
    difference,
    identity_chip,
    is_as_recorded,
    quotable,
    starred,
)
from convnextpose_check.results.schema import CauseRecord, Results, VariantResult
from convnextpose_check.results.words import (
    NOTHING_EVALUATED,
    counts,
    interval,
    number,
    shown,
    to_mend,
    trust_note,
    uncertain,
    verdict_chip,
)

FOLDER = Path(__file__).parent
STYLE_SHEET = FOLDER / "report.css"
SCRIPTS = (FOLDER / "report.js", FOLDER / "viewer.js")
"""One for pytest-html's table, one for what the summary shows."""
TITLE = "ConvNeXtPose checkpoint report"

BEGIN, END = "<!-- ConvNeXtPose: begin -->", "<!-- ConvNeXtPose: end -->"
_SUBJECT_MARK = re.compile(r'data-judged="(\w+)"')
_SHOWN_MISTAKES = 8
"""More than these are folded."""

_STRONGEST_HEAT = 0.55
"""Above that the numbers on the colour would be hard to read."""


@cache
def templates() -> Environment:
    """The templates; whatever is put into one ending in ``.html.j2`` appears as text."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=lambda name: bool(name) and str(name).endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(number=number, shown=shown, difference=difference)
    environment.globals.update(
        chip=chip,
        difference=difference,
        identity_chip=identity_chip,
        interval=interval,
        quotable=quotable,
        uncertain=uncertain,
    )
    return environment


Pair = tuple[str, str, float, tuple[float, float]]
"""Two variants, the one's error minus the other's in mm, and the paired interval of that."""


def summary_html(
    runs: Sequence[tuple[Results, Mapping[str, Array]]],
    pairs: Mapping[str, Sequence[Pair]] = MappingProxyType({}),
) -> str:
    """All that matters about the runs, readable without scripts and with nothing fetched.

    A run is its results and the (N,) mean errors of its samples, by variant; ``pairs`` are the
    variants of each subject held against each other.
    """
    sections = [_section(r, errors_mm, pairs.get(r.subject, ())) for r, errors_mm in runs]
    if not sections:
        sections = [Markup('<p class="verdict bad">{}</p>').format(NOTHING_EVALUATED)]
    style = f"<style>{css_variables()}</style>"
    return "\n".join([BEGIN, style, *sections, END])


def page_html(summary: str) -> str:
    """A page of its own around a summary, for where there is no report of pytest-html."""
    return (
        templates()
        .get_template("page.html.j2")
        .render(
            title=TITLE,
            style=Markup(STYLE_SHEET.read_text(encoding="utf-8")),
            summary=Markup(summary),
            script=Markup(SCRIPTS[-1].read_text(encoding="utf-8")),
        )
    )


def with_summary(page: str, summary: str) -> str | None:
    """The page with its summary exchanged, None for a page that has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{summary}{after}" if begin and end else None


def judged_subject(page: str) -> str | None:
    """The subject that a report judged first, None if it judged nothing or is no report."""
    match = _SUBJECT_MARK.search(page)
    return match[1] if match else None


def set_aside_report(report: Path) -> None:
    """Rename an earlier run's report after what it judged, such as ``report.published.html``.

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
    """What both the page and the Markdown report say of a run."""
    stars = starred(results)
    folded = {n: record for n, record in results.variants.items() if n not in stars}
    return {
        "results": results,
        "variants": results.variants,
        "verdict": verdict_chip(results),
        "trust_note": trust_note(results),
        "mend": to_mend(results),
        "counts": counts(results),
        "signs": SIGNS,
        "stars": stars,
        "folded": folded,
        "folded_holds": all(map(is_as_recorded, folded.values())),
        "bands": asked_mm(results),
        "likeliest": _likeliest(stars),
    }


def _likeliest(variants: Mapping[str, VariantResult]) -> list[tuple[CauseRecord, list[str]]]:
    """The likeliest causes, each with the variants that it holds for."""
    found: dict[str, tuple[CauseRecord, list[str]]] = {}
    for name, record in variants.items():
        for cause in record.causes[:1]:
            found.setdefault(cause.what, (cause, []))[1].append(name)
    return list(found.values())


def _section(results: Results, errors_mm: Mapping[str, Array], pairs: Sequence[Pair]) -> str:
    context, checks = shared_context(results), grid(results)
    stars, bands = context["stars"], context["bands"]
    bright = msgspec.structs.replace(results, variants=stars)
    shown_mm = {name: errors_mm[name] for name in stars if name in errors_mm}
    return (
        templates()
        .get_template("summary.html.j2")
        .render(
            shown_mistakes=_SHOWN_MISTAKES,
            contents=_contents(results, checks),
            grid=checks,
            pairs=pairs,
            error_bounds=ERROR_BOUNDS_MM,
            heat_tables=[
                _heat_table(bright, "Error by action (mm)", "per_action_mm"),
                _heat_table(bright, "Error by joint (mm)", "per_joint_mm"),
            ],
            distribution=Markup(distribution_image(bright, shown_mm)),
            evidence=lambda *of: Markup(evidence_svg(*of)),
            scale=lambda record: Markup(scale_svg(record, bands)),
            overlay=lambda *of: Markup(overlay_svg(*of)),
            space=lambda *of: Markup(space_svg(*of)),
            **context,
        )
    )


def _contents(results: Results, checks: Grid) -> list[tuple[str, str]]:
    """The parts that the section has, by the ends of their ids."""
    parts = [
        ("mend", "What to mend", results.failed or results.left_out),
        ("results", "Results", results.variants or results.weights),
        ("causes", "Causes", any(record.causes for record in starred(results).values())),
        ("baseline", "Baseline", results.baseline),
        ("checks", "Checks", checks.parts),
        ("where", "Where the error is", results.variants),
        ("samples", "Samples", results.variants),
        ("left", "Not judged", results.variants),
        ("provenance", "Provenance", True),
    ]
    return [(end, title) for end, title, is_there in parts if is_there]


def _heat_table(results: Results, title: str, field: str) -> dict[str, Any]:
    """Rows of (name, [(error, strength of the colour) or None for each variant])."""
    columns: dict[str, dict[str, float]] = {
        name: getattr(record, field) for name, record in results.variants.items()
    }
    # The root joint has no error by definition: it must not stretch the scale of the others.
    values = [value for column in columns.values() for value in column.values() if value > 0]
    low, high = min(values, default=0.0), max(values, default=0.0)
    span = max(high - low, 1e-9)
    names = dict.fromkeys(name for column in columns.values() for name in column)
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
        for name in names
    ]
    return {"title": title, "columns": list(columns), "rows": rows}
