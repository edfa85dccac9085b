"""What it costs to name the causes of four variants on as many samples as protocol 2 has."""

from __future__ import annotations

from collections.abc import Callable

from pytest_benchmark.fixture import BenchmarkFixture


def test_diagnosis_of_four_variants(
    benchmark: BenchmarkFixture, figures_of: Callable[..., list[float]]
) -> None:
    found: list[float] = []

    benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: found.extend(figures_of("-m", "tests.benchmarks.diagnosing")), rounds=1
    )

    seconds, host_mb = found
    benchmark.extra_info.update({"s": seconds, "MB": host_mb})
