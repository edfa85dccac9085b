"""Throughput of one batch, measured and reported but not checked: machines differ.

``--benchmark-save`` and ``--benchmark-compare`` work as for any test of pytest-benchmark.
"""

from __future__ import annotations

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from convnextpose_check.evaluation.predict import predict, wrap_network_errors
from convnextpose_check.human36m.crops import load_inputs
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.plugin.gate import Recorder
from convnextpose_check.results.schema import THROUGHPUT
from convnextpose_check.run.models import VariantModels
from convnextpose_check.run.run import ByVariant, Run
from convnextpose_check.variants import Variant

ROUNDS = 3
"""Rounds on a GPU; a CPU runs one, since a batch takes seconds."""


@pytest.mark.filterwarnings("ignore:Benchmark fixture was not used")  # the network failed
def test_throughput(
    run: Run,
    variant: Variant,
    models: ByVariant[VariantModels],
    human36m: Dataset,
    benchmark: BenchmarkFixture,
    record: Recorder,
) -> None:
    device, model = run.devices[0], models[variant.name].evaluated
    samples = human36m.samples[: run.batch_size]
    crops, _ = load_inputs(samples, device)

    def predict_batch() -> None:
        with wrap_network_errors("the network"):
            predict(model, crops, flip=run.settings.flip)
            if device.type == "cuda":
                torch.cuda.synchronize(device)

    rounds = 1 if device.type == "cpu" else ROUNDS
    benchmark.pedantic(predict_batch, rounds=rounds, warmup_rounds=1)  # type: ignore[no-untyped-call]
    if benchmark.stats is not None:  # None with --benchmark-disable
        record(len(crops) / benchmark.stats.stats.median, unit=THROUGHPUT)
