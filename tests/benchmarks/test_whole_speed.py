"""Speed of evaluating four variants in one pass, compared with the Kaggle guide's notebook."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import islice
from timeit import repeat

import numpy as np
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from convnextpose_check.evaluation.measurements import Measurements, ModelEntry
from convnextpose_check.evaluation.metrics import joint_errors_mm
from convnextpose_check.evaluation.one_pass import Conditions, list_remaining_batches, run_pass
from convnextpose_check.human36m.crops import read_crops, to_input
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.human36m.skeleton import MIRRORED
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.run.run import Run
from tests.benchmarks.conftest import synchronized_time
from tests.benchmarks.test_forward_speed import BEST_BATCH

GUIDE_BATCH = 16
ROUNDS = 2


def test_whole_validation(
    run: Run,
    read_dataset: Callable[[], Dataset],
    benchmark: BenchmarkFixture,
) -> None:
    workers = len(os.sched_getaffinity(0))
    device = run.devices[0]
    models = run.models.available
    entries = {
        name: ModelEntry(each.evaluated, replicas=each.replicas) for name, each in models.items()
    }
    means_mm: dict[str, list[float]] = {}
    guide_seconds = []

    def evaluate_as_guide() -> None:
        start = synchronized_time()
        means_mm["guide"] = [
            _guide_mm(each.reference, read_dataset(), device, workers) for each in models.values()
        ]
        guide_seconds.append(synchronized_time() - start)

    def evaluate_in_one_pass() -> None:
        dataset = read_dataset()
        size = BEST_BATCH.get(device.type, 4)
        measured = {name: Measurements.empty(len(dataset.samples), size) for name in entries}
        batches = list_remaining_batches(measured.values(), size)
        conditions = Conditions(run.devices, True, size, workers)
        if device.type == "cuda" and "suite" in means_mm:  # the first round copies constants
            torch.cuda.set_sync_debug_mode("error")  # CUDA refuses to wait, except for an event
        for _ in run_pass(entries, measured, dataset, conditions, batches, print):
            pass
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")
        assert not any(each.failure for each in measured.values())
        means_mm["suite"] = [float(each.errors_mm.mean()) for each in measured.values()]

    benchmark.pedantic(evaluate_in_one_pass, setup=evaluate_as_guide, rounds=ROUNDS)  # type: ignore[no-untyped-call]

    np.testing.assert_allclose(means_mm["suite"], means_mm["guide"], atol=0.02)
    if benchmark.stats is None:  # --benchmark-disable
        return
    samples = read_dataset().samples
    seconds = benchmark.stats.stats.min
    reading = min(repeat(lambda: list(read_crops(samples, workers)), number=1, repeat=3)[1:])
    benchmark.extra_info.update(
        {
            "times as fast": min(guide_seconds) / seconds,
            "images/s": len(samples) / seconds,
            "time / reading alone": seconds / reading,
        }
    )
    if device.type == "cuda":
        benchmark.extra_info["GPUs"] = len(run.devices)


def _guide_mm(network: ConvNeXtPose, dataset: Dataset, device: torch.device, workers: int) -> float:
    """MPJPE of one variant as in the guide: batches of 16, two forward passes each."""
    crops = read_crops(dataset.samples, workers)
    side, grid_whd = network.architecture.heatmap_side, network.architecture.grid_whd
    errors_mm = []
    while batch := [crop for crop in islice(crops, GUIDE_BATCH) if crop.pixels_rgb is not None]:
        pixels_rgb = np.stack([c.pixels_rgb for c in batch if c.pixels_rgb is not None])
        pixels = to_input(torch.from_numpy(pixels_rgb).to(device))
        with torch.inference_mode():
            first, second = network(pixels), network(pixels.flip(3))
            second[:, :, 0] = side - second[:, :, 0] - 1
            cells_xyz = ((first + second[:, MIRRORED]) / 2).cpu().numpy()
        errors_mm += [
            joint_errors_mm(cells, crop.sample, grid_whd, dataset.protocol)
            for cells, crop in zip(cells_xyz, batch, strict=True)
        ]
    return float(np.mean(errors_mm))
