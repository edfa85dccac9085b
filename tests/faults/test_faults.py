"""A gate is believed once it has been seen to fail: every check, at every fault that it is for."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.errors import CheckFailedError
from convnextpose_check.miniature.build import Miniature
from tests.faults.asking import CHECK_MODULES, TESTS, ask, failed_check
from tests.faults.fault import CHAIN, Fault, every_fault
from tests.faults.measuring import measured, moved_mm, scene_of
from tests.faults.recorded import read_faults
from tests.faults.table import faults_markdown, with_table
from tests.support.remembered import remembered

FAULTS = every_fault()
TOLERANCES = {"GB": 1e-6, "mm": 0.05, "GMACs": 1e-6, "M": 1e-6}
"""Between platforms, of what a fault has made large, by unit."""

VARYING = {"check_interpolation", "check_agrees", "check_flip_is_symmetric"}
"""What these obtain at a fault depends on the version of OpenCV and torch; that they fail, not."""


@pytest.fixture(scope="module", autouse=True)
def _remembered() -> Iterator[None]:
    """Most faults leave the network and its crops as they are."""
    from convnextpose_check.network.fast import FastConvNeXtPose

    with remembered(FastConvNeXtPose):
        yield


def _in_front() -> list[Fault]:
    """Of those in one link that one check sees, the first: these are tried in every run."""
    return list({(fault.link, fault.check): fault for fault in reversed(FAULTS)}.values())


def _whole() -> list[Any]:
    """One fault of each check, model and setting: what is asked, before anything is wrong."""
    in_front = {(fault.check, fault.subject) for fault in _in_front()}
    return [
        pytest.param(
            fault,
            id=f"{fault.check}-{fault.subject}",
            marks=[] if (fault.check, fault.subject) in in_front else pytest.mark.slow,
        )
        for fault in {(fault.check, fault.subject): fault for fault in FAULTS}.values()
    ]


@pytest.mark.parametrize("fault", _whole())
def test_check_passes_before_a_fault_is_put_in(
    fixtures: Path, miniature: Miniature, fault: Fault
) -> None:
    with scene_of(fault, fixtures, miniature) as scene:
        ask(fault.check, scene)


def _each() -> list[Any]:
    in_front = _in_front()
    return [
        pytest.param(
            fault,
            id=f"{fault.check}-{fault.put_in.__name__}",
            marks=[] if fault in in_front else pytest.mark.slow,
        )
        for fault in FAULTS
    ]


@pytest.mark.parametrize("fault", _each())
def test_check_fails_at_the_fault(fixtures: Path, miniature: Miniature, fault: Fault) -> None:
    recorded = {(r.link, r.fault, r.check): r for r in read_faults().faults}

    record = measured(fault, fixtures, miniature)

    assert record is not None, "the check sees nothing"
    known = recorded[fault.link, fault.title, fault.check]
    assert (record.subject, record.code, record.unit) == (known.subject, known.code, known.unit)
    for name in ("obtained", "expected"):
        value, before = getattr(record, name), getattr(known, name)
        if isinstance(before, float):
            assert value == pytest.approx(before, abs=TOLERANCES[known.unit])
        elif name == "expected" or fault.check not in VARYING:
            assert value == before


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
        for module in CHECK_MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if name.startswith("check_") and function.__module__ == module.__name__
    }
    assert every == set(TESTS) == {fault.check for fault in FAULTS}


def test_every_link_of_the_chain_has_a_fault() -> None:
    assert set(CHAIN) == {fault.link for fault in FAULTS}


def test_readme_has_the_table() -> None:
    """When it changes, run: python -m tests.faults.record."""
    readme = Path(__file__).with_name("README.md").read_text(encoding="utf-8")
    assert readme == with_table(readme, faults_markdown(read_faults()))


def test_what_the_error_obtains_is_what_it_is_moved_by() -> None:
    for record in read_faults().faults:
        if record.check == "check_error_is_within":
            assert record.moved_mm is not None
            assert record.moved_mm == pytest.approx(
                float(record.obtained) - float(record.expected), abs=2e-6
            )
            assert record.seen_at != "any"
        else:
            assert record.seen_at == "any"


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault",
    [f for f in FAULTS if f.check != "check_error_is_within"],
    ids=lambda f: f"{f.check}-{f.put_in.__name__}",
)
def test_error_is_moved_as_recorded(fixtures: Path, miniature: Miniature, fault: Fault) -> None:
    """Also by what another check than the error's sees."""
    recorded = {(r.link, r.fault, r.check): r for r in read_faults().faults}

    obtained = moved_mm(fault, fixtures, miniature)

    expected = recorded[fault.link, fault.title, fault.check].moved_mm
    assert obtained == (expected if expected is None else pytest.approx(expected, abs=0.05))


def test_the_check_that_failed_is_told_from_the_one_that_was_asked(
    fixtures: Path, miniature: Miniature
) -> None:
    """A network that cannot be built fails the check of its archive, whatever was asked."""
    (fault,) = [f for f in FAULTS if f.title.startswith("weights of another variant")]
    with scene_of(fault, fixtures, miniature) as scene:
        fault.put_in(scene)
        with pytest.raises(CheckFailedError) as raised:
            ask("check_heatmap_grid", scene)
    assert raised.value.code == "wrong-variant"
    assert failed_check(raised.value) != "check_heatmap_grid"


def test_failed_data_check_does_not_withhold_the_error(
    fixtures: Path, miniature: Miniature
) -> None:
    fault = next(fault for fault in FAULTS if fault.title == "two cameras swapped")
    with scene_of(fault, fixtures, miniature) as scene:
        scene.limit = 4
        fault.put_in(scene)

        with pytest.raises(CheckFailedError, match="swapped-cameras"):
            ask("check_joints_lie_in_boxes", scene)
        assert scene.run().evaluations[scene.variant.name].error_mm > 100
