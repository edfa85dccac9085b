"""Speed, measured and reported; machines differ, so no seconds are asserted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_benchmark.fixture import BenchmarkFixture

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.devices import device_title, synchronise
from convnextpose_check.evaluation.predict import predict
from convnextpose_check.human36m.crops import usable_input
from convnextpose_check.trial.trial import Trial
from convnextpose_check.variants import Variant
from tests.validation.recording import Obtained

if TYPE_CHECKING:
    from torch import Tensor

BATCH = 4
ROUNDS = 3


def test_throughput(
    trial: Trial, variant: Variant, benchmark: BenchmarkFixture, obtained: Obtained
) -> None:
    """One batch of the subject's own crops through the judged network, both passes of the flip."""
    try:
        device = trial.networks.device()
        network = trial.networks.judged(variant.name)
        batch, _ = usable_input(trial.files.dataset().samples[:BATCH], device)
    except ConvNeXtPoseCheckError:
        benchmark(lambda: None)  # pytest-benchmark warns of a fixture that was not used
        raise

    def forward() -> Tensor:
        cells_xyz = predict(network, batch, flip=True)
        synchronise(device)
        return cells_xyz

    cells_xyz = benchmark.pedantic(forward, rounds=ROUNDS, warmup_rounds=1)  # type: ignore[no-untyped-call]  # untyped in pytest-benchmark

    assert cells_xyz.isfinite().all()
    if benchmark.stats is None:  # --benchmark-disable
        obtained("not timed")
        return
    images_per_second = len(batch) / benchmark.stats.stats.median
    benchmark.extra_info.update(device=device_title(device), images_per_second=images_per_second)
    obtained(images_per_second, unit="images/s")
