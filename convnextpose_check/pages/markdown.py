"""The report for a pull request, as GitHub shows it."""

from __future__ import annotations

import re

from convnextpose_check.pages.html import templates
from convnextpose_check.results.schema import Results

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#|~@!+-])")


def markdown(results: Results, picture: str) -> str:
    """The report; ``picture`` is the name of the picture that stands beside it."""
    environment = templates()
    environment.filters.update(md=plain, code=code)
    actions = dict.fromkeys(a for record in results.variants.values() for a in record.per_action_mm)
    template = environment.get_template("BENCHMARK_REPORT.md.j2")
    return template.render(results=results, picture=picture, actions=list(actions))


def plain(text: str) -> str:
    """Text that shows as it is: nothing in it is markup, and it stays in its cell."""
    flat = " ".join(text.split()).replace("&", "&amp;").replace("<", "&lt;")
    return _SPECIAL.sub(r"\\\1", flat)


def code(text: str) -> str:
    """Text between backticks, which it must not close."""
    return " ".join(text.split()).replace("`", "'")
