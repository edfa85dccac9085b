"""The report for a pull request, as GitHub shows it; tables have at most seven columns."""

from __future__ import annotations

import re

from convnextpose_check.pages.html import shared_context, templates
from convnextpose_check.results.schema import Results

COLUMNS = 7
_SPECIAL = re.compile(r"([\\`*_{}\[\]()#|~@!+-])")


def markdown(results: Results) -> str:
    """The report, without a picture, which the summary of a CI job cannot show."""
    environment = templates()
    environment.filters.update(md=plain, code=code)
    actions = dict.fromkeys(a for record in results.variants.values() for a in record.per_action_mm)
    names, share = list(results.variants), COLUMNS - 1
    template = environment.get_template("BENCHMARK_REPORT.md.j2")
    return template.render(
        actions=list(actions),
        shares=[names[start : start + share] for start in range(0, len(names), share)],
        **shared_context(results),
    )


def plain(text: str) -> str:
    """Escape a text so that it contains no markup and stays in its table cell."""
    flat = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return _SPECIAL.sub(r"\\\1", flat)


def code(text: str) -> str:
    """Escape a text between backticks."""
    return " ".join(text.split()).replace("`", "'")
