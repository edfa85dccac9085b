"""Measure the checks on every fault: ``python -m tests.faults.record``.

Writes ``faults.json`` and the table in the README of this folder, for a person to review.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest

from convnextpose_check.errors import CheckFailedError
from convnextpose_check.evaluation.verdict import TOLERANCES_MM
from convnextpose_check.files.regular_files import write_text
from convnextpose_check.network.optimized import OptimizedConvNeXtPose
from convnextpose_check.progress import progress_bar
from convnextpose_check.results.text import format_value
from convnextpose_check.synthetic.build import SyntheticData, cached_synthetic_data
from tests.faults.fault import Fault, all_faults
from tests.faults.run_check import failed_check, run_check
from tests.faults.scene import Scene
from tests.support.memoize import memoize_predictions
from tests.support.texts import replace_marked_section

README = Path(__file__).with_name("README.md")
FAULTS_FILE = Path(__file__).with_name("faults.json")
ABOUT = (
    "Faults inserted on purpose, and the failure of the check that must detect each."
    " Written by: python -m tests.faults.record"
)
UNITS = {
    "check_dataset_is_complete": "samples",
    "check_disk": "GB",
    "check_error_is_within": "mm",
    "check_evaluation_is_complete": "samples",
    "check_images_are_distinct": "copied",
    "check_images_are_undamaged": "damaged",
    "check_reported_value": "M",
    "check_weights_are_finite": "not finite",
}


class FaultRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault, the link of the chain it was put into, and the failure of its check.

    ``subject`` is the model and the setting, ``code`` that of the check's error.
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
    def effect_mm(self) -> float | None:
        """The change of the model's error; None if another check than the error's fails."""
        if self.check != "check_error_is_within":
            return None
        return float(self.obtained) - float(self.expected)

    @property
    def failing_gates_mm(self) -> str:
        """Tolerances in mm with which a run of the published models fails at this fault.

        Only the tolerance of the synthetic data, 0.02 mm, detects the smallest effects.
        """
        if self.effect_mm is None:
            return "any"
        exceeded = [mm for mm in TOLERANCES_MM if not abs(self.effect_mm) < mm]
        return " / ".join(map(str, exceeded)) or "none: the synthetic data alone"


class FaultTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All faults, in the order of the chain."""

    about: str
    faults: tuple[FaultRecord, ...]


def read_faults() -> FaultTable:
    """Read the recorded faults."""
    return msgspec.json.decode(FAULTS_FILE.read_bytes(), type=FaultTable)


@contextmanager
def open_scene(fault: Fault, fixtures: Path, synthetic: SyntheticData) -> Iterator[Scene]:
    """The scene of the fault's model and setting, still without the fault."""
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        yield Scene(fixtures, synthetic, Path(folder), patch, **fault.setting)


def measure(fault: Fault, fixtures: Path, synthetic: SyntheticData) -> FaultRecord | None:
    """The failure of the fault's check, None if it passes; failures of other checks are raised."""
    with open_scene(fault, fixtures, synthetic) as scene:
        fault.insert(scene)
        try:
            run_check(fault.check, scene)
        except CheckFailedError as error:
            if failed_check(error) != fault.check or error.code == "not-judged":
                raise
            return FaultRecord(
                fault=fault.title,
                link=fault.link,
                subject=fault.subject,
                check=fault.check,
                code=error.code,
                obtained=_json_value(error.obtained),
                expected=_json_value(error.expected),
                unit="GMACs" if "GMACs" in error.problem else UNITS.get(fault.check, ""),
            )
    return None


def _json_value(value: Any) -> str | int | float:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else str(value)
    return value if isinstance(value, int) else str(value)


def with_table(readme: str, table: FaultTable) -> str:
    """The README with this table between its marks."""
    lines = [
        "| fault | put into | model | check that fails | obtained | expected |"
        " gates in mm that see it |",
        "|---|---|---|---|--:|--:|---|",
    ]
    for r in table.faults:
        values = (f"{format_value(value)} {r.unit}".strip() for value in (r.obtained, r.expected))
        cells = (r.fault, r.link, r.subject, f"`{r.check}`", *values, r.failing_gates_mm)
        lines.append(f"| {' | '.join(cells)} |")
    return replace_marked_section(readme, "faults", "\n".join(["", *lines, "", ""]))


def main() -> None:
    """Measure every fault; nothing is written if a check misses one of them."""
    fixtures = README.parents[2] / "fixtures"
    synthetic = cached_synthetic_data(fixtures, sys.stderr)
    faults, records = all_faults(), []
    with (
        # Most faults leave the network and its crops unchanged.
        memoize_predictions(OptimizedConvNeXtPose),
        progress_bar(sys.stderr, "measuring faults", len(faults)) as advance,
    ):
        for fault in faults:
            record = measure(fault, fixtures, synthetic)
            if record is None:
                raise SystemExit(f"{fault.check} misses: {fault.link}, {fault.title}")
            records.append(record)
            advance(1)
    table = FaultTable(ABOUT, tuple(records))
    content = msgspec.json.format(msgspec.json.encode(table), indent=2).decode()
    write_text(FAULTS_FILE, content + "\n")
    write_text(README, with_table(README.read_text(encoding="utf-8"), table))


if __name__ == "__main__":
    main()
