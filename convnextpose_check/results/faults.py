"""Faults that were put into the chain on purpose, and the check that turned red at each.

``tests/faults`` puts them in; what came out is kept in ``faults.json``, for report and README.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from convnextpose_check.evaluation.verdict import TOLERANCES_MM
from convnextpose_check.results.words import number, shown

FAULTS_FILE = Path(__file__).with_name("faults.json")

BEGIN, END = "<!-- faults: written by tests.faults.record -->", "<!-- end of faults -->"
"""Where the table stands in the README."""


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

    @property
    def moved_mm(self) -> float | None:
        """By how much the fault moves the error, None where another check sees it."""
        return float(self.obtained) - float(self.expected) if self.unit == "mm" else None

    @property
    def moves(self) -> str:
        """The same as it is shown."""
        return "-" if self.moved_mm is None else f"{number(self.moved_mm, '+.3f')} mm"

    @property
    def seen_at(self) -> str:
        """The gates of the published models that would be red, in words.

        What another check than the error's sees is red at any. What none of them sees, only the
        miniature's own tolerance does, 0.02 mm.
        """
        if self.moved_mm is None:
            return "any"
        beyond = [mm for mm in TOLERANCES_MM if not abs(self.moved_mm or 0.0) < mm]
        return " / ".join(map(str, beyond)) or "none: the miniature alone"


class FaultTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All faults, in the order of the chain."""

    about: str
    faults: tuple[FaultRecord, ...]


def read_faults(path: Path = FAULTS_FILE) -> FaultTable:
    """Read the recorded faults."""
    return msgspec.json.decode(path.read_bytes(), type=FaultTable)


def faults_markdown(table: FaultTable) -> str:
    """The faults as a Markdown table."""
    lines = [
        "| fault | put into | asked about | check that fails | obtained | expected |"
        " moves the error by | gates in mm that see it |",
        "|---|---|---|---|--:|--:|--:|---|",
    ]
    lines += [
        f"| {r.fault} | {r.link} | {r.subject} | `{r.check}` | {_cell(r.obtained, r.unit)} |"
        f" {_cell(r.expected, r.unit)} | {r.moves} | {r.seen_at} |"
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
