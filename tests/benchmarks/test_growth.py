"""Time and memory for ten times the samples."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pytest_benchmark.fixture import BenchmarkFixture

SIZES = (60, 600, 6000)


def test_growth(
    device: torch.device, benchmark: BenchmarkFixture, figures_of: Callable[..., list[float]]
) -> None:
    found: dict[int, list[float]] = {}

    def measure() -> None:
        for samples in SIZES:
            found[samples] = figures_of("-m", "tests.benchmarks.growth", str(samples), str(device))

    benchmark.pedantic(measure, rounds=1)  # type: ignore[no-untyped-call]

    for samples, (seconds, host_mb, device_mb) in found.items():
        told = f"{seconds:.2f} s, {host_mb:,.0f} MB" + f", {device_mb:,.0f} on it" * (device_mb > 0)
        benchmark.extra_info[f"{samples} samples"] = told
    few, many = found[600], found[6000]
    benchmark.extra_info["time"] = many[0] / few[0]
    benchmark.extra_info["memory"] = many[1] / few[1]
