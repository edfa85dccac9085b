"""A gate is believed once it has been seen to fail: every check, at every fault that it is for."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from convnextpose_check import checks
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.faults import (
    FaultRecord,
    faults_markdown,
    read_faults,
    readme_with_faults,
)
from convnextpose_check.miniature.build import Miniature
from tests.faults.asking import ASKS, ask, failed_check
from tests.faults.fault import CHAIN, Fault, every_fault
from tests.faults.measuring import measured, scene_of

FAULTS = every_fault()
TOLERANCE_MM = 0.05
"""Between platforms, of errors that a fault has made large."""


def _named(fault: Fault) -> str:
    return f"{fault.link}: {fault.title}, {fault.check}"


def _whole() -> list[Fault]:
    """One fault of each check, model and setting: what is asked, before anything is wrong."""
    asked = {(f.check, f.subject): f for f in FAULTS if f.asked.get("limit") is None}
    return list(asked.values())


@pytest.mark.parametrize("fault", _whole(), ids=lambda f: f"{f.check}-{f.subject}")
def test_check_passes_before_a_fault_is_put_in(
    fixtures: Path, miniature: Miniature, fault: Fault
) -> None:
    with scene_of(fault, fixtures, miniature) as scene:
        ask(fault.check, scene)


@pytest.mark.parametrize("fault", FAULTS, ids=_named)
def test_check_fails_at_the_fault(fixtures: Path, miniature: Miniature, fault: Fault) -> None:
    recorded = {(r.link, r.fault, r.check): r for r in read_faults().faults}

    obtained = measured(fault, fixtures, miniature)

    assert obtained is not None, "the check sees nothing"
    expected = recorded[fault.link, fault.title, fault.check]
    assert _without_values(obtained) == _without_values(expected)
    for name in ("obtained", "expected"):
        value, known = getattr(obtained, name), getattr(expected, name)
        if isinstance(known, float):
            assert value == pytest.approx(known, abs=TOLERANCE_MM)
        else:
            assert value == known


def _without_values(record: FaultRecord) -> tuple[str, ...]:
    return record.fault, record.link, record.subject, record.check


def test_table_has_every_fault_and_no_empty_cell() -> None:
    table = read_faults()

    assert [(f.link, f.title, f.check) for f in FAULTS] == [
        (r.link, r.fault, r.check) for r in table.faults
    ]
    assert len({(r.link, r.fault, r.check) for r in table.faults}) == len(FAULTS) >= 25
    for record in table.faults:
        for cell in (record.fault, record.link, record.subject, record.check):
            assert cell
        assert str(record.obtained) not in ("", "None")
        assert str(record.expected) not in ("", "None")
        assert record.obtained != record.expected


def test_every_check_fails_at_some_fault() -> None:
    every = {
        name
        for name, function in inspect.getmembers(checks, inspect.isfunction)
        if name.startswith("check_") and function.__module__ == checks.__name__
    }
    assert every == set(ASKS) == {fault.check for fault in FAULTS}


def test_every_link_of_the_chain_has_a_fault() -> None:
    assert set(CHAIN) == {fault.link for fault in FAULTS}


def test_readme_has_the_table(pytestconfig: pytest.Config) -> None:
    """When it changes, run: python -m tests.faults.record."""
    readme = (pytestconfig.rootpath / "README.md").read_text(encoding="utf-8")
    assert readme == readme_with_faults(readme, faults_markdown(read_faults()))


def test_the_check_that_failed_is_told_from_the_one_that_was_asked(
    fixtures: Path, miniature: Miniature
) -> None:
    """A network that cannot be built fails the check of its archive, whatever was asked."""
    (fault,) = [f for f in FAULTS if f.title.startswith("weights of another variant")]
    with scene_of(fault, fixtures, miniature) as scene:
        fault.put_in(scene)
        with pytest.raises(CheckFailedError) as raised:
            ask("check_heatmap_grid", scene)
    assert failed_check(raised.value) == "check_holds_variant"
