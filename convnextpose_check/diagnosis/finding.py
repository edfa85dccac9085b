"""Findings of a diagnosis, and their output as text, JSON and HTML."""

import json
from collections.abc import Iterator, Sequence
from html import escape
from itertools import accumulate
from pathlib import Path
from typing import Literal

import msgspec

from convnextpose_check.files.regular_files import write_text
from convnextpose_check.paths import Outputs
from convnextpose_check.text import escape_control_chars

Grade = Literal["fact", "reproduces", "explains", "holds", "possible"]
RANKS: dict[Grade, int] = {"fact": 0, "reproduces": 1, "explains": 1, "holds": 2, "possible": 3}

Link = Literal["settings", "mean", "comparison", "prediction", "inputs", "weights", ""]
"""Step with the fault: settings of the run; mean of the errors; errors from positions; positions
from images; images, annotations, boxes and root depths; checkpoint."""

MAX_LEFT = 0.05
"""Largest share of a difference that ``reproduces`` leaves; ``explains`` leaves at most 0.15."""


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
    if left > 0.15:
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


PAGE_HEAD = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Diagnosis</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
table { width: 100% } td { padding-right: 1rem } td:nth-child(3) { width: 33%; padding: 0 3px 0 0 }
td:nth-child(2) { text-align: right; white-space: nowrap }
i { display: block; height: 1em; min-width: 3px; background: #2a6f97 }
i.less { background: #bc6c25 } i.total { background: CanvasText }
td div { display: flex; justify-content: space-between; border-top: 1px solid; font-size: .85em }
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
    expected = "no expected value"
    if d.reference_mm is not None:
        expected = f"expected {d.reference_mm:.2f} mm, difference {d.excess_mm:+.3f} mm"
    return f"{d.variant}: {d.result_mm:.3f} mm, {expected}"


def _format_mm(value_mm: float) -> str:
    return f"{round(value_mm, 2) + 0.0:+.2f}"  # +0.00 for a negative zero


def _list_answers(d: Diagnosis) -> Iterator[tuple[str, str]]:
    yield "link", d.link
    yield from ((each.grade, each.format_sentence(d.excess_mm)) for each in d.findings)
    is_explained = any(
        each.grade not in ("holds", "possible")
        and (each.link != "settings" or each.explained_mm is not None)
        for each in d.findings
    )
    if d.parts and not is_explained:
        yield "open", "not explained: no change that was tried reproduces or removes the difference"
    yield from (("ruled out", text) for text in d.ruled_out)
    yield from (("largest", text) for text in d.hot_spots)


def _format_section(d: Diagnosis) -> str:
    answers = ((label, escape(escape_control_chars(text))) for label, text in _list_answers(d))
    items = (f"<li><b>{label}</b> {text}" for label, text in answers)
    table = _format_parts(d) if d.parts else ()
    return "\n".join([f"<h2>{escape(_format_title(d))}</h2>", *table, "<ul>", *items, "</ul>"])


def _format_parts(d: Diagnosis) -> Iterator[str]:
    """Yields a table of the parts as bars, and of the error with each correction.

    A part is the difference of rounded sums, so that the numbers add up.
    """
    sums_mm = accumulate(d.parts.values(), initial=d.result_mm - d.excess_mm)
    first_mm, *others_mm = (round(each, 2) for each in sums_mm)
    rows = [("expected", first_mm, first_mm)]
    rows += zip(d.parts, [first_mm, *others_mm], others_mm, strict=False)
    rows.append(("measured", others_mm[-1], others_mm[-1]))
    for each in d.findings:
        if each.explained_mm is not None and each.grade != "holds":
            corrected_mm = round(d.result_mm - each.explained_mm, 2)
            rows.append((f"with the correction: {each.what}", corrected_mm, corrected_mm))
    low_mm, *_, high_mm = sorted(mm for _, *ends_mm in rows for mm in ends_mm)
    scale = 100 / max(high_mm - low_mm, 0.01)
    yield "<table>"
    for text, from_mm, to_mm in rows:
        kind, number = "total", f"{to_mm:.2f}"
        if text in d.parts:
            kind, number = "less" if to_mm < from_mm else "more", _format_mm(to_mm - from_mm)
        left, width = (min(from_mm, to_mm) - low_mm) * scale, abs(to_mm - from_mm) * scale
        bar = f'<i class="{kind}" style="margin-left:{left:.1f}%;width:{width:.1f}%"></i>'
        yield f"<tr><td>{escape(escape_control_chars(text))}<td>{number} mm<td>{bar}"
    yield f"<tr><td>scale in mm<td><td><div><b>{low_mm:.2f}</b><b>{high_mm:.2f}</b></div>"
    yield "</table><p>Blue bars raise the error, brown bars lower it."
