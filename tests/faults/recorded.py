"""The recorded faults in ``faults.json``: each with the check that fails and its message."""

from __future__ import annotations

from pathlib import Path

import msgspec

from convnextpose_check.evaluation.verdict import TOLERANCES_MM
from convnextpose_check.results.words import number

FAULTS_FILE = Path(__file__).with_name("faults.json")


class FaultRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault, the link of the chain it was put into, and what the check said of it.

    ``subject`` says which model and setting the check was asked about, ``code`` is its error's.
    ``moved_mm`` is by how much the fault moves the model's error, None where none can be measured.
    """

    fault: str
    link: str
    subject: str
    check: str
    code: str
    obtained: str | int | float
    expected: str | int | float
    unit: str = ""
    moved_mm: float | None = None

    @property
    def moves(self) -> str:
        """By how much the fault moves the error, as it is shown."""
        return (
            "nothing to measure" if self.moved_mm is None else f"{number(self.moved_mm, '+.3f')} mm"
        )

    @property
    def seen_at(self) -> str:
        """The gates of the published models that would be red, in words.

        What another check than the error's sees is red at any. What none of them sees, only the
        miniature's own tolerance does, 0.02 mm.
        """
        if self.moved_mm is None or self.check != "check_error_is_within":
            return "any"
        beyond = [mm for mm in TOLERANCES_MM if not abs(self.moved_mm) < mm]
        return " / ".join(map(str, beyond)) or "none: the miniature alone"


class FaultTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All faults, in the order of the chain."""

    about: str
    faults: tuple[FaultRecord, ...]


def read_faults(path: Path = FAULTS_FILE) -> FaultTable:
    """Read the recorded faults."""
    return msgspec.json.decode(path.read_bytes(), type=FaultTable)
