"""Record what the checks say of the faults: ``python -m tests.faults.record``.

Writes the package's ``faults.json`` and the README's table, for a person to review.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from convnextpose_check.files.whole import write_text
from convnextpose_check.miniature.build import cached_miniature
from convnextpose_check.progress import progress_bar
from convnextpose_check.results.faults import (
    FAULTS_FILE,
    FaultTable,
    faults_markdown,
    readme_with_faults,
)
from tests.faults.fault import every_fault
from tests.faults.measuring import measured

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
            records.append(record)
            advance(1)
    table = FaultTable(ABOUT, tuple(records))
    write_text(
        FAULTS_FILE, msgspec.json.format(msgspec.json.encode(table), indent=2).decode() + "\n"
    )
    readme = ROOT / "README.md"
    write_text(
        readme, readme_with_faults(readme.read_text(encoding="utf-8"), faults_markdown(table))
    )


if __name__ == "__main__":
    main()
