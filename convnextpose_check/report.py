"""What a person reads: the verdict in a sentence, and a table of the variants."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from convnextpose_check.results import METRIC_FIELDS, METRIC_TITLES
from convnextpose_check.verdicts import TOLERANCES_MM, verdict_word

STYLE_SHEET = Path(__file__).with_name("report.css")

_SUBJECT_MARK = re.compile(r'data-judged="(\w+)"')


def verdict_sentence(results: dict[str, Any], expected: Sequence[str], problems: int) -> str:
    """The run's verdict; ``expected`` names the variants to judge, ``problems`` counts failures.

    A sentence about the miniature never speaks of the published models.
    """
    variants = results.get("variants", {})
    if not variants:
        return "Nothing was evaluated, so there is no verdict."
    if missing := [name for name in expected if name not in variants]:
        return f"Not judged: {', '.join(missing)} could not be evaluated."
    subject = results["subject"]
    if not results["complete"]:
        return (
            f"Not judged: {results['samples']:,} of {results['expected_samples']:,} samples are"
            " no reproduction."
        )
    unjudged = [name for name, record in variants.items() if _is_unjudged(record)]
    gate_mm = results["gate_mm"]
    beyond = [
        name
        for name, record in variants.items()
        if name not in unjudged and not abs(record["difference_mm"]) < gate_mm
    ]
    figures = "the paper" if _are_the_papers(variants.values()) else "their figures"
    if beyond:
        sentence = f"Not reproduced: {', '.join(beyond)} differ by {gate_mm} mm or more."
    elif unjudged:
        reason = str(variants[unjudged[0]]["verdict"]).removeprefix("not judged: ")
        sentence = f"No verdict on {', '.join(unjudged)}: {reason}."
    elif subject == "published":
        sentence = f"Reproduced: {', '.join(variants)} are within {gate_mm} mm of {figures}."
    else:
        sentence = (
            f"The suite works here: {', '.join(variants)} of the miniature have their recorded"
            " errors. No published model was judged."
        )
    if problems:
        sentence += f" But the run did not pass: {problems} checks failed or were left out."
    return sentence


def _are_the_papers(records: Iterable[dict[str, Any]]) -> bool:
    return all(str(record["reference_source"]).startswith("paper") for record in records)


def _is_unjudged(record: dict[str, Any]) -> bool:
    return str(record["verdict"]).startswith("not judged")


def terminal_lines(results: dict[str, Any]) -> list[str]:
    """The table of the variants, at most 80 columns wide."""
    if not results.get("variants"):
        return []
    metric = METRIC_FIELDS[results["protocol"]]
    title = METRIC_TITLES[results["protocol"]]
    lines = [
        f"{'':3} {'parameters':>10} {'state dict':>10} {'GMACs':>6} {title:>8}"
        f" {'expected':>8} {'diff.':>8}  verdict"
    ]
    for name, record in results["variants"].items():
        lines.append(
            f"{name:3} {record['parameters']:>10,} {record['state_elements']:>10,}"
            f" {record['gmacs']:>6.3f} {record[metric]:>8.3f}"
            f" {_number(record['reference_mm'], '8.3f')}"
            f" {_number(record['difference_mm'], '+8.3f')}  {record['verdict']}"
        )
    return lines


def summary_html(results: dict[str, Any], sentence: str) -> str:
    """The report's first screen: the verdict, the table of the variants and the settings."""
    judged = results.get("subject", "nothing")
    parts = [f'<section class="verdict" data-judged="{judged}"><p>{escape(sentence)}</p>']
    if results.get("variants"):
        title = METRIC_TITLES[results["protocol"]]
        headings = {
            "Variant": "text", f"{title} (mm)": "", "Expected": "", "Difference": "",
            "To scale": "",
            "Verdict": "text", "Parameters": "", "State dict": "", "GMACs": "", "Epoch": "",
            "File": "text", "sha256": "text", "Seconds": "",
        }  # fmt: skip
        head = "".join(
            f'<th scope="col" class="{kind}">{escape(heading)}</th>'
            for heading, kind in headings.items()
        )
        rows = "".join(
            _row(name, record, METRIC_FIELDS[results["protocol"]])
            for name, record in results["variants"].items()
        )
        parts.append(
            f'<div class="wide"><table class="variants"><thead><tr>{head}</tr></thead>'
            f"<tbody>{rows}</tbody></table></div>"
        )
        parts.append(_settings_html(results))
    return "".join(parts) + "</section>"


def judged_subject(report: Path) -> str | None:
    """The subject that an earlier report judged, None if it judged nothing or is no report."""
    try:
        match = _SUBJECT_MARK.search(report.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return None
    return match[1] if match and match[1] != "nothing" else None


def _row(name: str, record: dict[str, Any], metric: str) -> str:
    cells = [
        (f"{record[metric]:.3f}", ""),
        (_number(record["reference_mm"], ".3f"), ""),
        (_number(record["difference_mm"], "+.3f"), ""),
        (record["verdict"], "text"),
        (f"{record['parameters']:,}", ""),
        (f"{record['state_elements']:,}", ""),
        (f"{record['gmacs']:.3f}", ""),
        (str(record["epoch"]), ""),
        (record["file"], "text"),
        (record["sha256"][:12], "text"),
        (f"{record['seconds']:.1f}", ""),
    ]
    written = [f'<td class="{kind}">{escape(cell)}</td>' for cell, kind in cells]
    written.insert(3, f"<td>{_scale(record['difference_mm'])}</td>")
    return f'<tr><th scope="row" class="text">{escape(name)}</th>{"".join(written)}</tr>'


def _scale(difference_mm: float | None) -> str:
    """The difference drawn to scale on the bands of the tolerances."""
    if difference_mm is None:
        return ""
    end = max(TOLERANCES_MM) * 1.2
    place = max(-end, min(end, difference_mm)) / end * 60
    bands = "".join(
        f'<rect class="band-{mm}" x="{-mm / end * 60:.1f}" y="-8" width="{2 * mm / end * 60:.1f}"'
        ' height="16"/>'
        for mm in sorted(TOLERANCES_MM, reverse=True)
    )
    label = f"{_number(difference_mm, '+.3f')} mm, {verdict_word(difference_mm)}"
    return (
        f'<svg class="scale" viewBox="-62 -10 124 20" width="124" height="20" role="img"'
        f' aria-label="{label}"><title>{label}</title>{bands}'
        f'<line x1="0" x2="0" y1="-10" y2="10"/><circle cx="{place:.1f}" r="4"/></svg>'
    )


def _settings_html(results: dict[str, Any]) -> str:
    facts = {
        "Subject": results["subject"],
        "Protocol": results["protocol"],
        "Boxes": results["bbox"],
        "Flip test": "on" if results["flip"] else "off",
        "Device": results["device"],
        "Precision": results["precision"],
        "Samples": f"{results['samples']:,} of {results['expected_samples']:,}",
        "Data": results["dataset"]["root"],
        "Data digest": results["dataset"]["digest"][:16],
        **{key: results["environment"][key] for key in ("torch", "numpy", "opencv", "python")},
    }
    items = "".join(
        f"<div><dt>{escape(key)}</dt><dd>{escape(str(value))}</dd></div>"
        for key, value in facts.items()
    )
    return f'<dl class="settings">{items}</dl>'


def _number(value: float | None, form: str) -> str:
    width = int(form.lstrip("+").split(".")[0] or 0)
    # Adding zero turns a rounded negative zero into a plain one.
    return f"{'-':>{width}}" if value is None else f"{round(value, 3) + 0.0:{form}}"
