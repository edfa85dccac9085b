"""What a diagnosis found: graded sentences and millimeters, as text, JSON and HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Literal

import msgspec

from convnextpose_check.files.regular_files import write_text
from convnextpose_check.paths import Outputs
from convnextpose_check.text import escape_control_chars

Grade = Literal["fact", "reproduces", "explains", "holds", "possible"]
"""A fact of the run; a change that reproduces the run, or lowers the error to the reference; a
place that holds the excess; a cause that could not be ruled out."""

RANK: dict[Grade, int] = {"fact": 0, "reproduces": 1, "explains": 1, "holds": 2, "possible": 3}

Link = Literal["settings", "mean", "comparison", "prediction", "inputs", "weights", ""]
"""Settings of the run; the mean over errors; the errors of positions; positions of images; images,
annotations, boxes and depths; the checkpoint."""

REPRODUCES, EXPLAINS = 0.05, 0.5
"""Largest share that is left by a change that reproduces a run; least share that one explains."""


class Finding(msgspec.Struct, frozen=True):
    """One answer.

    ``what`` and ``evidence`` are parts of a sentence, ``remedy`` is one, all without a full stop.
    ``explained_mm`` of the difference is its effect, None if unknown. ``place`` names the samples
    or joints that it is limited to.
    """

    grade: Grade
    link: Link
    what: str
    evidence: str
    remedy: str
    explained_mm: float | None = None
    place: str = ""

    def sentence(self, excess_mm: float) -> str:
        """The whole answer, with its effect."""
        effect = "; it remains possible" if self.grade == "possible" else ""
        if self.explained_mm is not None:
            verb = "holds" if self.grade == "holds" else "explains"
            effect = f"; it {verb} {self.explained_mm:+.2f} of {excess_mm:+.2f} mm"
        place = f" ({self.place})" if self.place else ""
        return f"{self.what}{place}: {self.evidence}{effect}. {self.remedy}."


def graded(left: float, effect_mm: float) -> tuple[Grade, float]:
    """The grade of a change that leaves this share of an effect, and what it explains."""
    return ("reproduces", effect_mm) if left <= REPRODUCES else ("explains", effect_mm * (1 - left))


class Diagnosis(msgspec.Struct):
    """The answer for one variant.

    ``link`` names the broken link, ``parts`` are millimeters that add up to the difference,
    ``ruled_out`` names what the search excluded, ``hot_spots`` where the error is largest.
    ``findings`` are in order of what they leave of the difference.
    """

    variant: str
    result_mm: float
    reference_mm: float | None
    link: str = "the error is within 1 mm of its reference, or has none"
    parts: dict[str, float] = {}
    findings: list[Finding] = []
    ruled_out: list[str] = []
    hot_spots: list[str] = []

    @property
    def excess_mm(self) -> float:
        """The result minus the reference; 0 without one."""
        return 0.0 if self.reference_mm is None else self.result_mm - self.reference_mm

    @property
    def is_explained(self) -> bool:
        """Whether a cause is named; other settings are none unless their effect is known."""
        return any(
            each.grade in ("reproduces", "explains")
            or (each.grade == "fact" and (each.link != "settings" or each.explained_mm is not None))
            for each in self.findings
        )


HEAD = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Diagnosis</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
table { width: 100% } td { padding-right: 1rem } td:nth-child(3) { width: 33%; padding: 0 }
td:nth-child(2) { text-align: right; white-space: nowrap }
i { display: block; height: 1em; background: #2a6f97 } i.less { background: #bc6c25 }
</style><h1>Diagnosis</h1>"""


def write_diagnoses(diagnoses: Sequence[Diagnosis], results_dir: Path) -> tuple[Path, Path]:
    """Write both files below the results folder; raises ``cannot-write``."""
    content = msgspec.json.format(msgspec.json.encode(diagnoses), indent=1).decode()
    json_file, page = Outputs(results_dir).diagnoses
    write_text(json_file, content + "\n")
    write_text(page, "\n".join([HEAD, *map(_section, diagnoses)]) + "\n")
    return json_file, page


def text_lines(d: Diagnosis) -> Iterator[str]:
    """The diagnosis as text."""
    yield _title(d)
    yield from (f"  {_signed(value_mm):>8} mm {part}" for part, value_mm in d.parts.items())
    yield from (f"  {label:11} {text}" for label, text in _answers(d))


def _title(d: Diagnosis) -> str:
    from_mm = f"{d.excess_mm:+.3f} mm from its reference {d.reference_mm or 0.0:.2f} mm"
    beside = "not compared with a reference" if d.reference_mm is None else from_mm
    return f"{d.variant}: {d.result_mm:.3f} mm, {beside}"


def _signed(value_mm: float) -> str:
    """Two decimals with a sign, and no minus before 0."""
    return f"{round(value_mm, 2) + 0.0:+.2f}"


def _answers(d: Diagnosis) -> Iterator[tuple[str, str]]:
    """Labels and texts."""
    yield "link", d.link
    yield from ((each.grade, each.sentence(d.excess_mm)) for each in d.findings)
    if d.parts and not d.is_explained:
        yield "open", "not explained: nothing that was tried gives or removes the difference"
    yield from (("ruled out", text) for text in d.ruled_out)
    yield from (("largest", text) for text in d.hot_spots)


def _section(d: Diagnosis) -> str:
    """The text, with the parts as bars on one scale."""
    parts = d.parts | {"together: the result minus the reference": d.excess_mm}
    most_mm = max(1e-6, *map(abs, parts.values()))
    rows = [
        f"<tr><td>{escape(part)}<td>{_signed(mm)} mm<td><i class={'less' if mm < 0 else 'more'}"
        f' style="width:{abs(mm) / most_mm:.1%}"></i>'
        for part, mm in parts.items()
    ]
    scale = f"<p>The longest bar is {most_mm:.2f} mm; blue is above the reference, brown below."
    table = ["<table>", *rows, "</table>", scale] if d.parts else []
    answers = ((label, escape(escape_control_chars(text))) for label, text in _answers(d))
    items = (f"<li><b>{label}</b> {text}" for label, text in answers)
    return "\n".join([f"<h2>{escape(_title(d))}</h2>", *table, "<ul>", *items, "</ul>"])
