"""A device computes while the host works: the host waits only for finished predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation import metrics
from convnextpose_check.evaluation import predict as predictions
from convnextpose_check.evaluation.measurements import Measurements
from convnextpose_check.evaluation.metrics import joint_errors_mm
from convnextpose_check.evaluation.one_pass import Conditions, Entry, remaining_batches, run_pass
from convnextpose_check.human36m.samples import Dataset, load_dataset
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.network import fast as fast_network
from convnextpose_check.network.layout import build_network
from convnextpose_check.variants import Architecture
from tests.support import stand_in
from tests.support.datasets import FACTS, Handmade

NAMES = ("A", "B")
BATCH = 2
STEADY = slice(3, -2)
"""The batches without the first and the last ones."""


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    dataset = load_dataset(Handmade().write(tmp_path / "set"), FACTS)
    return Dataset(**{**vars(dataset), "samples": dataset.samples * 4})


@pytest.fixture
def entries(tiny: Architecture) -> dict[str, Entry]:
    plain = build_network(tiny, seeded_state(tiny, 1), torch.device("cpu"))
    fast = fast_network.FastConvNeXtPose(plain, device=torch.device("meta"))
    return {name: Entry(fast) for name in NAMES}


def run_on(
    device: stand_in.StandIn,
    entries: dict[str, Entry],
    dataset: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    host_seconds: float = 0.0,
    others: tuple[torch.device, ...] = (),
) -> list[tuple[list[str], float]]:
    """Run a pass; returns the waits of the host and the idle seconds after each batch."""
    monkeypatch.setattr(predictions, "record_event", lambda _: stand_in.Event(device))

    def measuring(*given: Any) -> Any:
        device.host += host_seconds
        return joint_errors_mm(*given)

    monkeypatch.setattr(metrics, "joint_errors_mm", measuring)
    measured = {name: Measurements.empty(len(dataset.samples), BATCH) for name in entries}
    conditions = Conditions(torch.device("meta"), True, BATCH, workers=1, others=others)
    batches = remaining_batches(measured.values(), BATCH)
    failures: dict[str, ConvNeXtPoseCheckError] = {}
    found: list[tuple[list[str], float]] = []
    with device:
        for _ in run_pass(
            entries, measured, dataset, conditions, batches, failures, lambda _: None
        ):
            found.append((device.waits.copy(), device.idle))
            device.waits.clear()
    assert not failures
    assert all(each.done.all() and each.seconds > 0 for each in measured.values())
    return found


def test_device_is_never_idle_and_the_host_waits_only_for_predictions(
    entries: dict[str, Entry], dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch keeps the device busy for longer than the host needs for its errors and crops."""
    device = stand_in.StandIn()

    found = run_on(device, entries, dataset, monkeypatch, host_seconds=30.0)

    kernels = device.done / len(found) / stand_in.KERNEL_SECONDS
    assert kernels / 2 < 30.0 * BATCH * len(NAMES) < kernels
    assert [waits for waits, _ in found[STEADY]] == [["event"] * len(NAMES)] * 7
    idle = [seconds for _, seconds in found[STEADY]]
    assert idle[-1] == idle[0]


def test_each_device_has_its_next_batch_before_its_last_one_is_waited_for(
    entries: dict[str, Entry], dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = stand_in.StandIn()
    calls: list[str] = []

    class Recording:
        def __init__(self, name: str) -> None:
            self.name, self.network = name, entries["A"].network
            self.architecture = self.network.architecture

        def __call__(self, crops: Any) -> Any:
            calls.append(self.name)
            return self.network(crops)

    monkeypatch.setattr(device, "wait", lambda _until, _why: calls.append("wait"))
    entry = Entry(Recording("first"), replicas=(Recording("second"),))

    run_on(device, {"A": entry}, dataset, monkeypatch, others=(torch.device("meta"),))

    started = ["first", "second"] * 6
    then = [call for name in started[2:] for call in (name, "wait")]
    assert calls == [*started[:2], *then, "wait", "wait"]
