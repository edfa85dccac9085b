"""Speed, measured and reported; machines differ, so no seconds are asserted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from convnextpose_check.evaluation.devices import device_title, synchronise
from convnextpose_check.evaluation.predict import predict
from convnextpose_check.human36m.crops import usable_input
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.trial.networks import Networks
from convnextpose_check.variants import Variant
from tests.validation.recording import Obtained

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 4
ROUNDS = 3


@pytest.fixture
def forward(human36m: Dataset, networks: Networks, variant: Variant) -> Callable[[], Tensor]:
    """One batch of the subject's own crops through the judged network, both passes of the flip."""
    device = networks.device()
    network = networks.judged(variant.name)
    batch, _ = usable_input(human36m.samples[:BATCH], device)

    def forward_once() -> Tensor:
        cells_xyz = predict(network, batch, flip=True)
        synchronise(device)
        return cells_xyz

    return forward_once


def test_throughput(
    networks: Networks,
    forward: Callable[[], Tensor],  # before the clock, which says nothing of what did not run
    benchmark: BenchmarkFixture,
    obtained: Obtained,
) -> None:
    cells_xyz = benchmark.pedantic(forward, rounds=ROUNDS, warmup_rounds=1)  # type: ignore[no-untyped-call]  # untyped in pytest-benchmark

    assert cells_xyz.isfinite().all()
    if benchmark.stats is None:  # --benchmark-disable
        obtained("not timed")
        return
    images_per_second = len(cells_xyz) / benchmark.stats.stats.median
    device = device_title(networks.device())
    benchmark.extra_info.update(device=device, images_per_second=images_per_second)
    obtained(images_per_second, unit="images/s")
