"""Speed of the optimized and the reference model with flip test, measured alternately."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from convnextpose_check.evaluation.predict import predict
from convnextpose_check.human36m.crops import load_inputs
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.run.run import Run
from tests.benchmarks.conftest import synchronized_time

ROUNDS = 9
BEST_BATCH = {"cpu": 4, "cuda": 64}


@pytest.mark.parametrize("batch", ["one", "best"])
@pytest.mark.parametrize("name", ["XS", "S", "M", "L"])
def test_forward(
    name: str,
    batch: str,
    run: Run,
    read_dataset: Callable[[], Dataset],
    benchmark: BenchmarkFixture,
) -> None:
    device = run.devices[0]
    size = 1 if batch == "one" else BEST_BATCH.get(device.type, 4)
    crops, _ = load_inputs((read_dataset().samples * size)[:size], device)
    reference, optimized = run.models[name].reference, run.models[name].evaluated
    reference_seconds: list[float] = []

    def run_reference_model() -> None:
        start = synchronized_time()
        predict(reference, crops, flip=False)
        predict(reference, crops.flip(3), flip=False)
        reference_seconds.append(synchronized_time() - start)

    run_reference_model()
    benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: predict(optimized, crops, flip=True),
        setup=run_reference_model,
        rounds=ROUNDS,
        warmup_rounds=1,
    )

    if benchmark.stats is None:  # --benchmark-disable
        return
    optimized_seconds = benchmark.stats.stats.min  # other processes can only increase the time
    benchmark.extra_info.update(
        {
            "times as fast": min(reference_seconds[1:]) / optimized_seconds,
            "images/s": size / optimized_seconds,
        }
    )
