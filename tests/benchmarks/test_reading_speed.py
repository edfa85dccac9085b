"""Annotation files of the real size, against json.load."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from pytest_benchmark.fixture import BenchmarkFixture

from tests.library.human36m.test_data_file import MEASURE
from tests.support.listed_annotations import write_listed_annotations


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
