"""The diagnosis as text, as diagnosis.json and as diagnosis.html."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import msgspec

from convnextpose_check.diagnosis.finding import Diagnosis
from convnextpose_check.files.whole import write_text
from convnextpose_check.paths import RESULT_FOLDER
from convnextpose_check.wording import printable

HEAD = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Diagnosis</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
td { padding-right: 1rem } td:nth-child(2) { text-align: right; white-space: nowrap }
i { display: block; height: 1em; background: #2a6f97 } i.less { background: #bc6c25 }
</style><h1>Diagnosis</h1>"""

WIDEST_REM = 16
"""Width of the longest bar."""


def write_diagnoses(diagnoses: Sequence[Diagnosis], results_dir: Path) -> tuple[Path, Path]:
    """Write both files below the results folder; raises ``cannot-write``."""
    content = msgspec.json.format(msgspec.json.encode(diagnoses), indent=1).decode()
    json_file, page = results_dir / RESULT_FOLDER / "diagnosis.json", results_dir / "diagnosis.html"
    write_text(json_file, content + "\n")
    write_text(page, "\n".join([HEAD, *(_section(each) for each in diagnoses)]) + "\n")
    return json_file, page


def text_lines(d: Diagnosis) -> Iterator[str]:
    """The diagnosis as lines of text."""
    yield _title(d)
    yield from (f"  {value_mm:+8.2f} mm {part}" for part, value_mm in d.parts.items())
    yield from (f"  {line}" for line in _answers(d))


def _title(d: Diagnosis) -> str:
    beside = "without a reference"
    if d.reference_mm is not None:
        beside = f"{d.excess_mm:+.3f} mm from its reference {d.reference_mm:.2f} mm"
    return f"{d.variant}: {d.figure_mm:.3f} mm, {beside}"


def _answers(d: Diagnosis) -> Iterator[str]:
    yield f"link        {d.link}"
    yield from (f"{each.grade:11} {each.sentence(d.excess_mm)}" for each in d.findings)
    if d.parts and not d.is_explained:
        yield "not explained: nothing that was tried gives or removes the difference"
    yield from (f"ruled out   {text}" for text in d.ruled_out)
    yield from (f"largest     {text}" for text in d.hot_spots)


def _section(d: Diagnosis) -> str:
    """The text, with the parts as bars on one scale."""
    parts = d.parts | {"together: the figure minus the reference": d.excess_mm}
    most_mm = max(1e-6, *map(abs, parts.values()))
    rows = [
        f"<tr><td>{escape(part)}<td>{mm:+.2f} mm<td><i class={'less' if mm < 0 else 'more'}"
        f' style="width:{WIDEST_REM * abs(mm) / most_mm:.2f}rem"></i>'
        for part, mm in parts.items()
    ]
    scale = f"<p>The longest bar is {most_mm:.2f} mm; blue is above the reference, brown below."
    table = ["<table>", *rows, "</table>", scale] if d.parts else []
    items = [f"<li>{escape(printable(line))}" for line in _answers(d)]
    return "\n".join([f"<h2>{escape(printable(_title(d)))}</h2>", *table, "<ul>", *items, "</ul>"])
