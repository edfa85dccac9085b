"""Put a fault in, ask the check, and write down what it said."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.miniature.build import Miniature
from tests.faults.asking import ask, failed_check
from tests.faults.fault import Fault
from tests.faults.recorded import FaultRecord
from tests.faults.scene import Scene

UNITS = {
    "check_dataset_is_complete": "samples",
    "check_disk": "GB",
    "check_error_is_within": "mm",
    "check_evaluation_is_complete": "samples",
    "check_images_are_distinct": "copied",
    "check_images_are_undamaged": "damaged",
    "check_paper_gmacs": "GMACs",
    "check_paper_parameters": "M",
    "check_weights_are_finite": "not finite",
}
"""Of what the checks obtain, where it has one."""


@contextmanager
def scene_of(fault: Fault, fixtures: Path, miniature: Miniature) -> Iterator[Scene]:
    """The scene that the fault asks about, as yet without it; nothing is left of it afterwards."""
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        yield Scene(fixtures, miniature, Path(folder), patch, **fault.asked)


def measured(fault: Fault, fixtures: Path, miniature: Miniature) -> FaultRecord | None:
    """What the check says of the fault; None if it sees nothing.

    A failure of another check is not the one that is claimed, and is raised.
    """
    with scene_of(fault, fixtures, miniature) as scene:
        fault.put_in(scene)
        try:
            ask(fault.check, scene)
        except CheckFailedError as error:
            if failed_check(error) != fault.check or error.code == "not-judged":
                raise
            return FaultRecord(
                fault=fault.title,
                link=fault.link,
                subject=fault.subject,
                check=fault.check,
                code=error.code,
                obtained=_written(error.obtained),
                expected=_written(error.expected),
                unit=UNITS.get(fault.check, ""),
            )
    return None


def moved_mm(fault: Fault, fixtures: Path, miniature: Miniature) -> float | None:
    """By how much the fault moves its model's error; None where none can be measured with it."""
    with scene_of(fault, fixtures, miniature) as scene:
        fault.put_in(scene)
        name, run = scene.variant.name, scene.run()
        try:
            error_mm = run.evaluations[name].error_mm
        except ConvNeXtPoseCheckError:
            return None
        reference = run.reference(name)
        assert reference is not None
        return round(error_mm - reference.value, 6)


def _written(value: Any) -> str | int | float:
    """A value as it is recorded; JSON has no infinity."""
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else str(value)
    return value if isinstance(value, int) else str(value)
