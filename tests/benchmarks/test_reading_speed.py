"""Reading: crops from image files, and annotation files of real size against json.load."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from pytest_benchmark.fixture import BenchmarkFixture

from convnextpose_check.human36m.crops import read_crops
from convnextpose_check.human36m.samples import Dataset
from tests.benchmarks.conftest import SAMPLES
from tests.library.human36m.test_data_file import MEASURE
from tests.support.listed_annotations import write_listed_annotations


def test_crops_on_one_core(
    read_dataset: Callable[[], Dataset], benchmark: BenchmarkFixture
) -> None:
    samples = read_dataset().samples[:SAMPLES]

    benchmark.pedantic(lambda: list(read_crops(samples, 1)), rounds=3, warmup_rounds=1)  # type: ignore[no-untyped-call]

    if benchmark.stats is not None:
        benchmark.extra_info["crops/s"] = len(samples) / benchmark.stats.stats.min


def test_annotations_of_real_size(
    benchmark: BenchmarkFixture, tmp_path: Path, figures_of: Callable[..., list[float]]
) -> None:
    write_listed_annotations(tmp_path / "set")
    rounds: list[tuple[float, ...]] = []

    def measure(what: str) -> list[float]:
        return figures_of("-c", MEASURE, what, str(tmp_path / "set"))

    benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: rounds.append((*measure("ours"), *measure("json"))), rounds=3
    )

    shutil.rmtree(tmp_path / "set")
    memory, seconds, json_memory, json_seconds = map(min, zip(*rounds, strict=True))
    benchmark.extra_info.update(
        {"of json.load's time": seconds / json_seconds, "of its memory": memory / json_memory}
    )
