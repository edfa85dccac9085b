"""The whole validation of four variants, against the Kaggle guide's way of doing it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

import numpy as np
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from convnextpose_check.evaluation.devices import working_devices
from convnextpose_check.evaluation.measurements import Entry, Measurements
from convnextpose_check.evaluation.metrics import joint_errors_mm
from convnextpose_check.evaluation.one_pass import Conditions, remaining_batches, run_pass
from convnextpose_check.human36m.crops import read_crops, to_input
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.human36m.skeleton import MIRRORED
from convnextpose_check.network.reference import ConvNeXtPose
from tests.benchmarks.conftest import shortest, synchronised_time
from tests.benchmarks.test_forward_speed import BEST_BATCH

VARIANTS = ("XS", "S", "M", "L")
GUIDES_BATCH = 16
ROUNDS = 2


def test_whole_validation(
    networks: Callable[[str], ConvNeXtPose],
    read_dataset: Callable[[], Dataset],
    device: torch.device,
    benchmark: BenchmarkFixture,
) -> None:
    from convnextpose_check.network.optimized import OptimizedConvNeXtPose

    workers = len(os.sched_getaffinity(0))
    plain = {name: networks(name) for name in VARIANTS}
    cards = working_devices(str(device))
    entries = {
        name: Entry(
            OptimizedConvNeXtPose(network, cards[0]),
            replicas=tuple(OptimizedConvNeXtPose(network, card) for card in cards[1:]),
        )
        for name, network in plain.items()
    }
    idle: list[float] = []
    means_mm: dict[str, list[float]] = {}
    guide_seconds = []

    def guides_way() -> None:
        begun = synchronised_time()
        means_mm["guide"] = [
            _one_after_another(network, read_dataset(), device, workers)
            for network in plain.values()
        ]
        guide_seconds.append(synchronised_time() - begun)

    def at_once() -> None:
        dataset = read_dataset()
        size = BEST_BATCH.get(device.type, 4)
        measured = {name: Measurements.empty(len(dataset.samples), size) for name in entries}
        batches = remaining_batches(measured.values(), size)
        conditions = Conditions(cards, True, size, workers)
        begun = synchronised_time()
        with waiting_is_an_error(device, besides_the_first=bool(idle)):
            for _ in run_pass(entries, measured, dataset, conditions, batches, print):
                pass
        assert not any(each.failure for each in measured.values())
        seconds = synchronised_time() - begun
        idle.append(1 - sum(each.seconds for each in measured.values()) / seconds)
        means_mm["ours"] = [float(each.errors_mm.mean()) for each in measured.values()]

    benchmark.pedantic(at_once, setup=guides_way, rounds=ROUNDS)  # type: ignore[no-untyped-call]

    np.testing.assert_allclose(means_mm["ours"], means_mm["guide"], atol=0.02)
    if benchmark.stats is None:  # --benchmark-disable
        return
    samples = read_dataset().samples
    ours, reading = (
        benchmark.stats.stats.min,
        shortest(lambda: list(read_crops(samples, workers)), rounds=2),
    )
    benchmark.extra_info.update(
        {
            "times as fast": min(guide_seconds) / ours,
            "images/s": len(samples) / ours,
            "times reading alone": ours / reading,
        }
    )
    if device.type == "cuda":
        benchmark.extra_info |= {"cards": len(cards), "device idles": min(idle)}


@contextmanager
def waiting_is_an_error(device: torch.device, besides_the_first: bool) -> Iterator[None]:
    """Have CUDA refuse whatever makes the host wait, but for the events that are meant.

    What is given to the device once, the first batch waits for.
    """
    import torch

    if device.type == "cuda" and besides_the_first:
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")


def _one_after_another(
    network: ConvNeXtPose, dataset: Dataset, device: torch.device, workers: int
) -> float:
    """One variant in the guide's way: two passes of 16 images, errors at the end."""
    import torch

    crops = read_crops(dataset.samples, workers)
    side, grid_whd = network.architecture.heatmap_side, network.architecture.grid_whd
    errors_mm = []
    while batch := [crop for crop in islice(crops, GUIDES_BATCH) if crop.pixels_rgb is not None]:
        pixels = np.stack([crop.pixels_rgb for crop in batch if crop.pixels_rgb is not None])
        shown = to_input(torch.from_numpy(pixels).to(device))
        with torch.inference_mode():
            first, second = network(shown), network(shown.flip(3))
            second[:, :, 0] = side - second[:, :, 0] - 1
            cells_xyz = ((first + second[:, MIRRORED]) / 2).cpu().numpy()
        errors_mm += [
            joint_errors_mm(cells, crop.sample, grid_whd, dataset.protocol)
            for cells, crop in zip(cells_xyz, batch, strict=True)
        ]
    return float(np.mean(errors_mm))
