"""Speed, measured and reported; machines differ, so no seconds are asserted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_benchmark.fixture import BenchmarkFixture

from convnextpose_check.crops import read_crops, to_input
from convnextpose_check.devices import device_title, synchronise
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation import predict
from convnextpose_check.subjects import Subject
from tests.validation.recording import Obtained

if TYPE_CHECKING:
    from convnextpose_check.network import ConvNeXtPose

BATCH = 4
ROUNDS = 3


def test_throughput(
    subject: Subject, network: ConvNeXtPose, benchmark: BenchmarkFixture, obtained: Obtained
) -> None:
    """One batch of the subject's own crops through the network, both passes of the flip test."""
    import numpy as np
    import torch

    device = subject.device()
    crops = list(read_crops(subject.dataset().samples[:BATCH], workers=1))
    pixels_rgb = [crop.pixels_rgb for crop in crops if crop.pixels_rgb is not None]
    if not pixels_rgb:
        benchmark(lambda: None)  # pytest-benchmark warns of a fixture that was not used
        names = ", ".join(crop.sample.path.name for crop in crops)
        raise ConvNeXtPoseCheckError("no-data", f"none of {names} can be decoded")
    batch = to_input(torch.from_numpy(np.stack(pixels_rgb)).to(device))

    def forward() -> torch.Tensor:
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
