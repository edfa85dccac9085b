"""The diagnosis as text, as diagnosis.json and as diagnosis.html."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import msgspec

from convnextpose_check.diagnosis.finding import Diagnosis, Part
from convnextpose_check.files.whole import write_text
from convnextpose_check.wording import printable

WIDTH, ROW, LABEL = 760, 26, 380
"""Width of a chart, height of a bar and width of the labels, in pixels."""

HEAD = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Diagnosis</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
svg { width: 100%; height: auto; font-size: 13px; fill: currentColor }
rect { fill: #2a6f97 } line { stroke: currentColor; stroke-width: 0.5 }
</style><h1>Diagnosis</h1>"""


def write_diagnoses(diagnoses: Sequence[Diagnosis], results_dir: Path) -> tuple[Path, Path]:
    """Write both files below the results folder; raises ``cannot-write``."""
    content = msgspec.json.format(msgspec.json.encode(diagnoses), indent=1).decode()
    json_file, page = results_dir / "result" / "diagnosis.json", results_dir / "diagnosis.html"
    write_text(json_file, content + "\n")
    write_text(page, "\n".join([HEAD, *(_section(each) for each in diagnoses)]) + "\n")
    return json_file, page


def text_lines(d: Diagnosis) -> Iterator[str]:
    """The diagnosis as lines of text."""
    yield _title(d)
    yield f"  link        {d.link}"
    yield from (f"  {part.value_mm:+8.2f} mm {part.what}" for part in d.parts)
    yield from (f"  {each.grade:11} {each.sentence(d.excess_mm)}" for each in d.findings)
    yield from (f"  not explained: {text}" for text in _unexplained(d))
    yield from (f"  ruled out   {text}" for text in d.ruled_out)
    yield from (f"  largest     {text}" for text in d.hot_spots)


def _title(d: Diagnosis) -> str:
    beside = "without a reference"
    if d.reference_mm is not None:
        beside = f"{d.excess_mm:+.3f} mm from its reference {d.reference_mm:.2f} mm"
    return f"{d.variant}: {d.figure_mm:.3f} mm, {beside}"


def _unexplained(d: Diagnosis) -> list[str]:
    is_open = bool(d.parts) and not d.is_explained
    return ["nothing that was tried gives or removes the difference"] if is_open else []


def _section(d: Diagnosis) -> str:
    total = Part("together: the figure minus the reference", d.excess_mm)
    findings = [f"{each.grade}: {each.sentence(d.excess_mm)}" for each in d.findings]
    lists = {
        "Findings, the likeliest first": findings,
        "Not explained": _unexplained(d),
        "Ruled out": d.ruled_out,
        "Where the error is largest": d.hot_spots,
    }
    texts = [f"<h2>{_text(_title(d))}</h2><p>{_text(d.link)}</p>"]
    texts += [_chart([*d.parts, total])] if d.parts else []
    for title, items in lists.items():
        rows = "".join(f"<li>{_text(item)}</li>" for item in items)
        texts += [f"<h3>{title}</h3><ol>{rows}</ol>"] if rows else []
    return "\n".join(texts)


def _chart(parts: Sequence[Part]) -> str:
    """Bars from a common zero, with a scale in millimeters."""
    values = [0.0, *(part.value_mm for part in parts)]
    low, high = min(values), max(values)
    scale, height = (WIDTH - LABEL - 80) / max(high - low, 1e-6), ROW * (len(parts) + 1)
    texts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Parts">']
    for row, part in enumerate(parts):
        left = LABEL + 10 + (min(part.value_mm, 0) - low) * scale
        width, y = abs(part.value_mm) * scale, row * ROW
        texts += [
            f'<text x="{LABEL}" y="{y + 17}" text-anchor="end">{_text(part.what)}</text>',
            f'<rect x="{left:.1f}" y="{y + 5}" width="{width:.1f}" height="{ROW - 10}"/>',
            f'<text x="{left + width + 4:.1f}" y="{y + 17}">{part.value_mm:+.2f}</text>',
        ]
    for mm in sorted({low, 0.0, high}):
        x = LABEL + 10 + (mm - low) * scale
        texts += [
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{height - ROW + 4}"/>',
            f'<text x="{x:.1f}" y="{height - 6}" text-anchor="middle">{mm:.1f} mm</text>',
        ]
    return "\n".join([*texts, "</svg>"])


def _text(text: str) -> str:
    return escape(printable(text))
