"""Faults that were put into the chain on purpose, and the check that turned red at each.

``tests/faults`` puts them in; what came out is kept in ``faults.json``, for report and README.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from convnextpose_check.miniature.reference import REFERENCE
from convnextpose_check.report import shown

FAULTS_FILE = Path(__file__).with_name("faults.json")

BEGIN, END = "<!-- faults: written by tests.faults.record -->", "<!-- end of faults -->"
"""Where the table stands in the README."""


class Effect(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a fault does to the error of a model, whichever check it is for.

    ``moved_mm`` is the error with the fault minus the one without; None where no error comes out
    that could be judged, and ``without`` then says why. ``seen_at_mm`` are the tolerances that it
    exceeds: of the miniature's own and the published models', all where there is no error.
    """

    model: str
    moved_mm: float | None
    seen_at_mm: tuple[float, ...]
    without: str = ""

    def __str__(self) -> str:
        """What it moves, and which model's error if that is not the reference's."""
        moved = f"no error: {self.without}" if self.moved_mm is None else f"{self.moved_mm:+.3f} mm"
        return moved if self.model == REFERENCE else f"{moved} ({self.model})"

    @property
    def seen_at(self) -> str:
        """The gates that would be red, in words."""
        return " / ".join(f"{mm:g}" for mm in self.seen_at_mm) or "none"


class FaultRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault, the link of the chain it was put into, and what the check said of it.

    ``subject`` says which model and setting the check was asked about, ``code`` is its error's.
    """

    fault: str
    link: str
    subject: str
    check: str
    code: str
    obtained: str | int | float
    expected: str | int | float
    unit: str = ""
    effect: Effect | None = None


class FaultTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All faults, in the order of the chain."""

    about: str
    faults: tuple[FaultRecord, ...]


def read_faults(path: Path = FAULTS_FILE) -> FaultTable:
    """Read the recorded faults."""
    return msgspec.json.decode(path.read_bytes(), type=FaultTable)


def faults_markdown(table: FaultTable) -> str:
    """The faults as a Markdown table."""
    measured = any(record.effect for record in table.faults)
    lines = [
        "| fault | put into | asked about | check that fails | obtained | expected |"
        + (" moves the error by | a gate in mm that sees it |" if measured else ""),
        "|---|---|---|---|--:|--:|" + ("--:|---|" if measured else ""),
    ]
    lines += [
        f"| {r.fault} | {r.link} | {r.subject} | `{r.check}` | {_cell(r.obtained, r.unit)} |"
        f" {_cell(r.expected, r.unit)} |"
        + (f" {r.effect} | {r.effect.seen_at} |" if r.effect else "")
        for r in table.faults
    ]
    return "\n".join(lines) + "\n"


def _cell(value: str | float, unit: str) -> str:
    return f"{shown(value)} {unit}".strip()


def readme_with_faults(readme: str, table: str) -> str:
    """The README with this table between its marks."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, "the README has lost the mark before the table"
    assert end, "the README has lost the mark behind the table"
    return f"{before}{begin}\n\n{table}\n{end}{after}"
