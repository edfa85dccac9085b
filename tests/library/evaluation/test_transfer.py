"""A device works while the host does: each waits for finished answers alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from convnextpose_check.evaluation import metrics, one_pass, transfer
from convnextpose_check.evaluation.measurements import Measurements
from convnextpose_check.evaluation.metrics import joint_errors_mm
from convnextpose_check.evaluation.one_pass import Conditions, Entry, run_pass
from convnextpose_check.evaluation.plan import remaining_batches
from convnextpose_check.human36m.samples import Dataset, load_dataset
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.network.layout import build_network
from convnextpose_check.variants import Architecture
from tests.support.datasets import FACTS, Handmade
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import torch

    from convnextpose_check.network import fast as fast_network
    from tests.support import stand_in
else:
    torch = Deferred("torch")
    fast_network = Deferred("convnextpose_check.network.fast")
    stand_in = Deferred("tests.support.stand_in")

NAMES = ("A", "B")
BATCH = 2
STEADY = slice(3, -2)
"""Batches by their number, without those that begin and end the work."""


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    dataset = load_dataset(Handmade().write(tmp_path / "set"), FACTS)
    return Dataset(**{**vars(dataset), "samples": dataset.samples * 4})


@pytest.fixture
def entries(tiny: Architecture) -> dict[str, Entry]:
    plain = build_network(tiny, seeded_state(tiny, 1), torch.device("cpu"))
    meta = torch.device("meta")
    fast = fast_network.FastConvNeXtPose(plain, device=meta)
    return {name: Entry(fast) for name in NAMES}


def measured_on(
    device: stand_in.StandIn,
    entries: dict[str, Entry],
    dataset: Dataset,
    monkeypatch: pytest.MonkeyPatch,
    host_seconds: float = 0.0,
    others: tuple[torch.device, ...] = (),
) -> list[tuple[list[str], float]]:
    """Run a pass; returns what kept the host, and the device's idle seconds, after each batch."""
    moment = stand_in.moment_of(device)
    monkeypatch.setattr(one_pass, "Moment", moment)
    monkeypatch.setattr(transfer, "Moment", moment)

    def measuring(*given: Any) -> Any:
        device.host += host_seconds
        return joint_errors_mm(*given)

    monkeypatch.setattr(metrics, "joint_errors_mm", measuring)
    samples = len(dataset.samples)
    measured = {name: Measurements.empty(samples, BATCH) for name in entries}
    conditions = Conditions(torch.device("meta"), True, BATCH, workers=1, others=others)
    found: list[tuple[list[str], float]] = []

    def note(_count: int) -> None:
        found.append((device.waits.copy(), device.idle))
        device.waits.clear()

    batches = remaining_batches(measured.values(), BATCH)
    with device:
        failures = run_pass(entries, measured, dataset, conditions, batches, on_progress=note)
    assert not failures
    assert all(each.done.all() for each in measured.values())
    return found


def test_steady_batch_waits_for_nothing_but_the_answers_to_an_earlier_one(
    entries: dict[str, Entry], dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = measured_on(stand_in.StandIn(), entries, dataset, monkeypatch)

    assert [waits for waits, _ in found[STEADY]] == [["moment"] * len(NAMES)] * 7


def test_each_of_two_devices_has_its_next_batch_before_its_last_is_waited_for(
    entries: dict[str, Entry], dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = stand_in.StandIn()
    told: list[str] = []

    class Telling:
        def __init__(self, name: str) -> None:
            self.name, self.network = name, entries["A"].network
            self.architecture = self.network.architecture

        def __call__(self, crops: Any) -> Any:
            told.append(self.name)
            return self.network(crops)

    monkeypatch.setattr(device, "wait", lambda _until, _why: told.append("wait"))
    entry = Entry(Telling("first"), replicas=(Telling("second"),))

    measured_on(device, {"A": entry}, dataset, monkeypatch, others=(torch.device("meta"),))

    asked = ["first", "second"] * 6
    waited = [turn for name in asked[2:] for turn in (name, "wait")]
    assert told == [*asked[:2], *waited, "wait", "wait"]


def test_device_never_idles_where_the_host_has_less_to_do(
    entries: dict[str, Entry], dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch keeps the device longer than errors and crops of one keep the host, and not twice."""
    device = stand_in.StandIn()

    found = measured_on(device, entries, dataset, monkeypatch, host_seconds=30.0)

    kernels = device.done / len(found) / stand_in.KERNEL_SECONDS
    assert kernels / 2 < 30.0 * BATCH * len(NAMES) < kernels
    idle = [seconds for _, seconds in found[STEADY]]
    assert idle[-1] == idle[0]


def test_answers_and_images_arrive_as_they_are() -> None:
    cpu = torch.device("cpu")
    images = [np.full((3, 2, 2), value, np.uint8) for value in (1, 200)]

    batch = transfer.sent(images, cpu)

    assert batch.dtype == torch.uint8
    assert batch.tolist() == np.stack(images).tolist()
    assert transfer.Arriving(batch).numpy().tolist() == np.stack(images).tolist()
