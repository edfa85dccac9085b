"""Findings of a diagnosis, and their output as text, JSON and HTML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Literal

import msgspec

from convnextpose_check.files.regular_files import write_text
from convnextpose_check.paths import Outputs
from convnextpose_check.text import escape_control_chars

Grade = Literal["fact", "reproduces", "explains", "holds", "possible"]
"""Fact of the run; change that reproduces the run, or lowers the error to the reference; step or
group that contains the excess or departs from others; cause that could not be ruled out."""

RANKS: dict[Grade, int] = {"fact": 0, "reproduces": 1, "explains": 1, "holds": 2, "possible": 3}

Link = Literal["settings", "mean", "comparison", "prediction", "inputs", "weights", ""]
"""Step with the fault: settings of the run; mean of the errors; errors from positions; positions
from images; images, annotations, boxes and root depths; checkpoint."""

MAX_LEFT, MAX_UNEXPLAINED = 0.05, 0.15
"""Largest shares of a difference that ``reproduces`` and ``explains`` leave."""

MIN_EXPLAINED, MIN_SHARES, MAX_SHARE = 0.5, {"take": 0.7}, 1.3
"""Least share of the excess in a group, and in a set of takes; largest share, since removing more
leaves an error below the reference."""


class Finding(msgspec.Struct, frozen=True):
    """A cause or a location of the excess, in texts without a full stop.

    ``explained_mm`` is the effect on the error, ``place`` names the affected samples: "" for all.
    """

    grade: Grade
    link: Link
    what: str
    evidence: str
    remedy: str
    explained_mm: float | None = None
    place: str = ""

    def format_sentence(self, excess_mm: float) -> str:
        """Returns the finding with its effect and remedy."""
        effect = "; it remains possible" if self.grade == "possible" else ""
        if self.explained_mm is not None:
            verb = "holds" if self.grade == "holds" else "explains"
            effect = f"; it {verb} {self.explained_mm:+.2f} of {excess_mm:+.2f} mm"
        place = f" ({self.place})" if self.place else ""
        return f"{self.what}{place}: {self.evidence}{effect}. {self.remedy}."


def grade_change(left: float, effect_mm: float) -> tuple[Grade, float]:
    """Returns the grade and the mm of a change that leaves this share of an effect."""
    if left > MAX_UNEXPLAINED:
        return "holds", effect_mm
    return ("reproduces", effect_mm) if left <= MAX_LEFT else ("explains", effect_mm * (1 - left))


class Diagnosis(msgspec.Struct):
    """The result of the search for one variant, with its best explanation first.

    ``link`` is the step with the fault. The ``parts`` in mm add up to the excess.
    """

    variant: str
    result_mm: float
    reference_mm: float | None
    link: str = "none: the error is within 1 mm of its reference, or there is no reference"
    parts: dict[str, float] = {}
    findings: list[Finding] = []
    ruled_out: list[str] = []
    hot_spots: list[str] = []

    @property
    def excess_mm(self) -> float:
        """The result minus the reference; 0 without a reference."""
        return 0.0 if self.reference_mm is None else self.result_mm - self.reference_mm

    @property
    def is_explained(self) -> bool:
        """Whether a cause was found; a setting counts only if its effect was measured."""
        return any(
            each.grade in ("reproduces", "explains")
            or (each.grade == "fact" and (each.link != "settings" or each.explained_mm is not None))
            for each in self.findings
        )


PAGE_HEAD = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Diagnosis</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
table { width: 100% } td { padding-right: 1rem } td:nth-child(3) { width: 33%; padding: 0 3px 0 0 }
td:nth-child(2) { text-align: right; white-space: nowrap }
i { display: block; height: 1em; min-width: 3px; background: #2a6f97 }
i.less { background: #bc6c25 } i.total { background: CanvasText }
td div { display: flex; justify-content: space-between; border-top: 1px solid; font-size: .85em }
@media (width < 40rem) { table, tbody { display: block } tr { display: flex; flex-wrap: wrap }
  td:first-child { flex: 1 } td:nth-child(3) { width: 100%; margin-bottom: .5rem } }
</style><h1>Diagnosis</h1>"""


def write_diagnoses(diagnoses: Sequence[Diagnosis], results_dir: Path) -> tuple[Path, Path]:
    """Write the JSON and the HTML file to the results folder; raises ``cannot-write``."""
    content = json.dumps(msgspec.to_builtins(diagnoses), indent=1, ensure_ascii=False)
    json_file, page = Outputs(results_dir).diagnoses
    write_text(json_file, content + "\n", errors="replace")
    write_text(page, "\n".join([PAGE_HEAD, *map(_format_section, diagnoses)]) + "\n")
    return json_file, page


def format_lines(d: Diagnosis) -> Iterator[str]:
    """Yields the lines of the diagnosis for the terminal."""
    yield _format_title(d)
    yield from (f"  {_format_mm(value_mm):>8} mm {part}" for part, value_mm in d.parts.items())
    yield from (f"  {label:11} {text}" for label, text in _list_answers(d))


def _format_title(d: Diagnosis) -> str:
    if d.reference_mm is None:
        return f"{d.variant}: {d.result_mm:.3f} mm, no expected value"
    expected = f"expected {d.reference_mm:.2f} mm, difference {d.excess_mm:+.3f} mm"
    return f"{d.variant}: {d.result_mm:.3f} mm, {expected}"


def _format_mm(value_mm: float) -> str:
    """Returns two decimals with a sign, +0.00 for a negative zero."""
    return f"{round(value_mm, 2) + 0.0:+.2f}"


def _list_answers(d: Diagnosis) -> Iterator[tuple[str, str]]:
    yield "link", d.link
    yield from ((each.grade, each.format_sentence(d.excess_mm)) for each in d.findings)
    if d.parts and not d.is_explained:
        yield "open", "not explained: no change that was tried reproduces or removes the difference"
    yield from (("ruled out", text) for text in d.ruled_out)
    yield from (("largest", text) for text in d.hot_spots)


def _format_section(d: Diagnosis) -> str:
    answers = ((label, escape(escape_control_chars(text))) for label, text in _list_answers(d))
    items = (f"<li><b>{label}</b> {text}" for label, text in answers)
    table = [] if d.reference_mm is None or not d.parts else _format_parts(d, d.reference_mm)
    return "\n".join([f"<h2>{escape(_format_title(d))}</h2>", *table, "<ul>", *items, "</ul>"])


def _format_parts(d: Diagnosis, reference_mm: float) -> list[str]:
    """Returns a table of the parts as bars, and of the error with each correction.

    A part is the difference of rounded sums, so that the numbers add up.
    """
    sums_mm = [round(each, 2) for each in accumulate(d.parts.values(), initial=reference_mm)]
    steps = [*zip(d.parts, pairwise(sums_mm), strict=True)]
    totals_mm = {"measured": sums_mm[-1]} | {
        f"with the correction: {each.what}": round(d.result_mm - each.explained_mm, 2)
        for each in d.findings
        if each.explained_mm is not None and each.grade != "holds"
    }
    low_mm, *_, high_mm = sorted([*sums_mm, *totals_mm.values()])
    scale = 100 / max(high_mm - low_mm, 0.01)

    def format_row(text: str, number: str, from_mm: float, to_mm: float, kind: str) -> str:
        left, width = (min(from_mm, to_mm) - low_mm) * scale, abs(to_mm - from_mm) * scale
        bar = f'<i class="{kind}" style="margin-left:{left:.1f}%;width:{width:.1f}%"></i>'
        return f"<tr><td>{escape(escape_control_chars(text))}<td>{number} mm<td>{bar}"

    return [
        "<table>",
        format_row("expected", f"{sums_mm[0]:.2f}", sums_mm[0], sums_mm[0], "total"),
        *(
            format_row(text, _format_mm(to - start), start, to, "less" if to < start else "more")
            for text, (start, to) in steps
        ),
        *(format_row(text, f"{mm:.2f}", mm, mm, "total") for text, mm in totals_mm.items()),
        f"<tr><td>scale in mm<td><td><div><b>{low_mm:.2f}</b><b>{high_mm:.2f}</b></div>",
        "</table><p>Blue bars raise the error, brown bars lower it.",
    ]
