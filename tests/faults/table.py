"""The table of the faults in this folder's README."""

from __future__ import annotations

from convnextpose_check.results.words import shown
from tests.faults.recorded import FaultTable

BEGIN, END = "<!-- faults: written by tests.faults.record -->", "<!-- end of faults -->"
"""Where the table stands."""


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


def with_table(readme: str, table: str) -> str:
    """The README with this table between its marks."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, "README.md has lost the mark before the table"
    assert end, "README.md has lost the mark behind the table"
    return f"{before}{begin}\n\n{table}\n{end}{after}"
