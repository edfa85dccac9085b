"""What a diagnosis names of each fault: as it is recorded, and as often right as is promised."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from convnextpose_check.diagnosis.conditions import CONDITIONS
from convnextpose_check.diagnosis.hypotheses import COMPARISONS, DONE, HYPOTHESES
from convnextpose_check.diagnosis.means import MEANS
from tests.faults.fault import every_fault
from tests.faults.named import MODELS, MOVES_MM, RIGHT, is_held_out, read_confusion, with_named
from tests.faults.record import read_faults

HELD_OUT = {
    "trained further on other data",
    "32 depth bins",
    "box not squared",
    "RootNet's boxes grown once more",
    "flip test left out",
    "joints compared with their mirror images",
}
"""Chosen by a hash before causes were written, so that the choice cannot follow the results."""

KNOWN = {"weights", "subset", "copied-image"}
"""Causes that stand in no list: what is left, and what is seen at once."""


NAMES_THE_MISTAKE = "check_joints_lie_in_boxes"
"""This check names the mistake in the annotations itself, so no diagnosis has to."""


def test_readme_has_the_table() -> None:
    """When it changes, run: python -m tests.faults.confusion."""
    readme = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    assert readme == with_named(readme, read_confusion())


def test_first_cause_is_right_as_often_as_promised() -> None:
    found = read_confusion()
    looked_at = [row.is_right for row in found.rows if not row.held_out]
    pairs = [pair.is_right for pair in found.pairs]

    assert {(row.model, row.seed) for row in found.rows} == set(product(MODELS, (0, 1, 2)))
    assert sum(looked_at) >= 0.9 * len(looked_at) > 0
    assert sum(pairs) >= 0.6 * len(pairs) > 0
    assert found.sound == (200, 0)


def test_rows_are_those_of_faults_that_move_the_error() -> None:
    titles = {fault.title for fault in every_fault()}

    assert set(RIGHT) <= titles
    for row in read_confusion().rows:
        assert row.fault in RIGHT
        assert abs(row.moved_mm) >= MOVES_MM
    for record in read_faults().faults:
        moves = record.moved_mm is not None and abs(record.moved_mm) >= MOVES_MM
        if moves and record.check != NAMES_THE_MISTAKE:
            assert record.fault in RIGHT


def test_held_out_are_those_that_were_chosen() -> None:
    assert {fault for fault in RIGHT if is_held_out(fault)} == HELD_OUT


def test_right_causes_are_causes() -> None:
    undone = {each.name for each in (*COMPARISONS, *DONE, *HYPOTHESES)}
    others = {condition.name for condition in CONDITIONS} | {mean.name for mean in MEANS}

    named = {name for names in RIGHT.values() for name in names.split()}
    assert named <= undone | others | KNOWN


@pytest.mark.slow
@pytest.mark.parametrize("title", ["blue first", "joints of the next test frame"])
def test_first_cause_is_the_recorded_one(title: str, fixtures: Path, tmp_path: Path) -> None:
    from tests.faults.confusion import ask

    recorded = {(row.fault, row.model, row.seed): row for row in read_confusion().rows}

    (row,) = ask(["reference"], [0], fixtures, tmp_path, title)

    assert row.named[0] == recorded[title, "reference", 0].named[0]
    assert row.moved_mm == pytest.approx(recorded[title, "reference", 0].moved_mm, abs=0.05)
