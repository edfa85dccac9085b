"""The README has the recorded calibration, in which no run without a fault has a cause."""

from __future__ import annotations

from pathlib import Path

from convnextpose_check.diagnosis.finding import Diagnosis, Finding, Grade
from tests.faults.calibrate import (
    drop_sets,
    grade_answer,
    insert_tables,
    list_faults,
    read_calibration,
)


def finding(grade: Grade, what: str, place: str) -> Finding:
    return Finding(grade, "inputs", what, "evidence", "Remedy", 2.0, place)


def diagnosis_of(*findings: Finding) -> Diagnosis:
    return Diagnosis("reference", 32.0, 30.0, "inputs", {}, [*findings], [], [])


def test_readme_has_the_tables() -> None:
    """When they change, run: python -m tests.faults.calibrate."""
    readme = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    assert readme == insert_tables(readme, read_calibration())


def test_rows_are_of_known_faults() -> None:
    faults = {(kind, title) for kind, title, *_ in list_faults()}

    assert {(row.kind, row.fault) for row in read_calibration().rows} <= faults


def test_drop_sets_keeps_the_other_sets() -> None:
    recorded = read_calibration()

    kept = drop_sets(recorded, ["built for", "sound"])

    assert {row.kind for row in kept.rows} == {row.kind for row in recorded.rows} - {"built for"}
    assert "32 depth bins" in recorded.left_out.keys() - kept.left_out.keys()
    assert kept.left_out
    assert recorded.sound
    assert not kept.sound


def test_no_sound_run_has_a_cause() -> None:
    assert all(causes == 0 for _, causes, _ in read_calibration().sound.values())


def test_answer_is_graded_by_the_first_finding() -> None:
    inputs, place = {"inputs"}, {"subject": "9"}

    right = diagnosis_of(finding("explains", "turned", "S9, 60 of 120 samples"))
    assert grade_answer(right, "turned", inputs, place) == "right"
    assert grade_answer(right, "mirrored", inputs, {}) == "misleading"
    located = diagnosis_of(finding("holds", "the excess is in S9", "S9, 60 of 120 samples"))
    assert grade_answer(located, "turned", inputs, place) == "located"
    assert grade_answer(located, "turned", inputs, {"subject": "11"}) == "misleading"
    assert grade_answer(located, "turned", {"mean"}, place) == "misleading"
    step = diagnosis_of(finding("holds", "the fault lies in the inputs", ""))
    assert grade_answer(step, "turned", inputs, place) == "located"
    cause = diagnosis_of(finding("explains", "mirrored", ""))
    assert grade_answer(cause, "turned", inputs, place) == "misleading"
    assert grade_answer(diagnosis_of(), "turned", inputs, place) == "not explained"
    possible = diagnosis_of(finding("possible", "the images are others", ""))
    assert grade_answer(possible, "turned", inputs, place) == "not explained"
