"""A gate is believed once it has been seen to fail: every check, at every fault that it is for."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from convnextpose_check.errors import CheckFailedError
from convnextpose_check.network.optimized import OptimizedConvNeXtPose
from convnextpose_check.synthetic.build import SyntheticData
from tests.faults.fault import CHAIN, Fault, all_faults
from tests.faults.record import README, measure, open_scene, read_faults, with_table
from tests.faults.run_check import CHECK_MODULES, TESTS, run_check
from tests.support.memoize import memoize_predictions

FAULTS = all_faults()
TOLERANCES = {"GB": 1e-6, "mm": 0.05, "GMACs": 1e-6, "M": 1e-6}
"""Between platforms, by unit."""

VARYING = {"check_interpolation", "check_networks_agree", "check_flip_is_symmetric"}
"""The values that these obtain depend on the versions of OpenCV and torch."""

RECORDED = {(r.link, r.fault, r.check): r for r in read_faults().faults}
RUN_THE_NETWORK_AGAIN = {"archive", "network", "boxes", "crops"}
"""Links before or in the network: a fault there changes its predictions for all crops."""

FIRST = {(f.check, f.link if f.check == "check_error_is_within" else ""): f for f in FAULTS[::-1]}
QUICK = [f for (_, link), f in FIRST.items() if link not in RUN_THE_NETWORK_AGAIN]
"""The first fault of each check, and of each link behind the network; the others are slow tests."""


@pytest.fixture(scope="module", autouse=True)
def _remembered() -> Iterator[None]:
    """Most faults leave the network and its crops unchanged."""
    with memoize_predictions(OptimizedConvNeXtPose):
        yield


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            fault,
            id=f"{fault.check}-{fault.title}",
            marks=[] if fault in QUICK else [pytest.mark.slow],
        )
        for fault in FAULTS
    ],
)
def test_check_fails_at_the_fault(fixtures: Path, synthetic: SyntheticData, fault: Fault) -> None:
    record = measure(fault, fixtures, synthetic)

    assert record is not None, "the check misses the fault"
    known = RECORDED[fault.link, fault.title, fault.check]
    assert (record.subject, record.code, record.unit) == (known.subject, known.code, known.unit)
    for name in ("obtained", "expected"):
        value, before = getattr(record, name), getattr(known, name)
        if isinstance(before, float):
            assert value == pytest.approx(before, abs=TOLERANCES[known.unit])
        elif name == "expected" or fault.check not in VARYING:
            assert value == before


def test_every_check_and_every_link_has_a_recorded_fault() -> None:
    checks = {
        name
        for module in CHECK_MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if name.startswith("check_") and function.__module__ == module.__name__
    }

    assert checks == set(TESTS) == {fault.check for fault in FAULTS}
    assert {fault.link for fault in FAULTS} == set(CHAIN)
    assert [(fault.link, fault.title, fault.check) for fault in FAULTS] == list(RECORDED)
    assert all(record.obtained != record.expected for record in RECORDED.values())


def test_readme_has_the_table() -> None:
    """When it changes, run: python -m tests.faults.record."""
    readme = README.read_text(encoding="utf-8")
    assert readme == with_table(readme, read_faults())


def test_failed_data_check_keeps_the_error(fixtures: Path, synthetic: SyntheticData) -> None:
    fault = next(fault for fault in FAULTS if fault.title == "two cameras swapped")
    with open_scene(fault, fixtures, synthetic) as scene:
        scene.limit = 4
        fault.insert(scene)

        with pytest.raises(CheckFailedError, match="wrong-boxes"):
            run_check("check_joints_lie_in_boxes", scene)
        assert scene.run().evaluations[scene.variant.name].error_mm > 50
