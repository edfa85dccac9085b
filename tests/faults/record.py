"""Record what the checks say of the faults: ``python -m tests.faults.record``.

Writes ``faults.json`` and the table in the README of this folder, for a person to review.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from convnextpose_check.files.whole import write_text
from convnextpose_check.miniature.build import cached_miniature
from convnextpose_check.progress import progress_bar
from tests.faults.fault import every_fault
from tests.faults.measuring import measured, moved_mm
from tests.faults.recorded import FAULTS_FILE, FaultTable
from tests.faults.table import faults_markdown, with_table

ROOT = Path(__file__).parents[2]
ABOUT = (
    "Faults put into the chain on purpose, and what the check that must see each said of it."
    " Written by: python -m tests.faults.record"
)


def main() -> None:
    """Measure every fault; nothing is written if a check misses one of them."""
    fixtures = ROOT / "fixtures"
    miniature = cached_miniature(fixtures, sys.stderr)
    faults, records = every_fault(), []
    with progress_bar(sys.stderr, "putting faults in", len(faults)) as advance:
        for fault in faults:
            record = measured(fault, fixtures, miniature)
            if record is None:
                raise SystemExit(f"{fault.check} misses: {fault.link}, {fault.title}")
            moved = moved_mm(fault, fixtures, miniature)
            records.append(msgspec.structs.replace(record, moved_mm=moved))
            advance(1)
    table = FaultTable(ABOUT, tuple(records))
    write_text(
        FAULTS_FILE, msgspec.json.format(msgspec.json.encode(table), indent=2).decode() + "\n"
    )
    readme = Path(__file__).with_name("README.md")
    write_text(readme, with_table(readme.read_text(encoding="utf-8"), faults_markdown(table)))


if __name__ == "__main__":
    main()
