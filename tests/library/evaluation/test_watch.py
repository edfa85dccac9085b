"""A variant whose error is too large already is measured no further, and nothing of it is lost."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convnextpose_check.checks.error import check_error_is_within, check_evaluation_is_complete
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.evaluation.evaluate import Outcome
from convnextpose_check.evaluation.measurements import Evaluation, Measurements
from convnextpose_check.evaluation.plan import shuffled
from convnextpose_check.evaluation.ranks import Ranks
from convnextpose_check.evaluation.sequential import half_width_mm
from convnextpose_check.evaluation.verdict import judge, may_be_missed
from convnextpose_check.evaluation.watch import Watch
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.variants import Figure
from tests.support.passes import answers, evaluated

LIMIT_MM = 400.0
"""What four of six images come to alone, where a network was not trained; two do not."""


def measured(
    networks: dict[str, Any],
    dataset: Dataset,
    folder: Path,
    limits_mm: dict[str, float],
    said: list[str] | None = None,
    **more: Any,
) -> dict[str, Outcome]:
    return evaluated(networks, dataset, folder, limits_mm=limits_mm, said=said, **more)


def test_hopeless_variant_is_stopped_and_the_others_are_measured(
    networks: dict[str, Any],
    dataset: Dataset,
    tmp_path: Path,
    reads: Counter[str],
) -> None:
    whole = answers(measured(networks, dataset, tmp_path / "whole", {}))
    reads.clear()
    said: list[str] = []

    outcomes = measured(networks, dataset, tmp_path, {"B": LIMIT_MM, "C": 1e6}, said)

    stopped = outcomes.pop("B")
    assert isinstance(stopped, Evaluation)
    assert stopped.stopped is not None
    assert stopped.stopped.at_least_mm >= LIMIT_MM
    assert said == [f"B: {stopped.stopped}"]
    first = sorted(shuffled(6)[:4])
    assert stopped.image_ids == tuple(dataset.samples[place].image_id for place in first)
    assert not stopped.complete
    assert answers(outcomes) == {name: whole[name] for name in ("A", "C")}
    assert len(reads) == 6
    assert [path.name for path in tmp_path.glob("*.begun.npz")] == ["B.begun.npz"]


def test_no_image_is_read_once_nobody_is_left_to_be_measured(
    networks: dict[str, Any],
    dataset: Dataset,
    tmp_path: Path,
    reads: Counter[str],
) -> None:
    whole = answers(measured(networks, dataset, tmp_path / "whole", {}))
    limits_mm = dict.fromkeys(networks, LIMIT_MM)
    measured(networks, dataset, tmp_path, limits_mm)
    reads.clear()

    again = measured(networks, dataset, tmp_path, limits_mm, resume=True)
    assert not reads
    assert all(isinstance(each, Evaluation) and each.stopped for each in again.values())

    assert answers(measured(networks, dataset, tmp_path, {}, resume=True)) == whole
    assert set(reads.values()) == {1}
    assert len(reads) == 2


def test_stopped_variant_passes_no_check(
    networks: dict[str, Any],
    dataset: Dataset,
    tmp_path: Path,
) -> None:
    outcome = measured({"A": networks["A"]}, dataset, tmp_path, {"A": LIMIT_MM})["A"]
    assert isinstance(outcome, Evaluation)
    obtained = judge(outcome, Figure(value=outcome.error_mm, source="it is this very one"))

    told = set()
    for check in (
        lambda: check_evaluation_is_complete(outcome, dataset),
        lambda: check_error_is_within(obtained, 1, "published A"),
    ):
        with pytest.raises(
            CheckFailedError, match="A stopped early after 4 of 6 samples"
        ) as caught:
            check()
        assert caught.value.code == "stopped-early"
        told.add(str(caught.value))
    assert len(told) == 1  # and so it is told once
    assert not may_be_missed(obtained, 1, 5)
    assert obtained.verdict.startswith("not judged: stopped early after 4 of 6 samples (its error")


class Store:
    """What processes that share a run write for one another."""

    def __init__(self) -> None:
        self.keys: set[str] = set()

    def set(self, key: str, _value: str) -> None:
        self.keys.add(key)

    def check(self, keys: list[str]) -> bool:
        return self.keys.issuperset(keys)


def test_one_process_stops_all() -> None:
    store, processes = Store(), [Ranks(rank, 2) for rank in range(2)]
    for process in processes:
        process._store, process._is_joined = store, True
    leader, helper = processes

    assert not helper.is_called_off("published XS")
    leader.call_off("published XS")

    assert helper.is_called_off("published XS")
    assert not helper.is_called_off("published S")
    assert not Ranks().is_called_off("published XS")


def test_running_error_is_told_with_its_interval() -> None:
    tally = Measurements.empty(1000, 10)
    tally.errors_mm[:] = np.random.default_rng(0).gamma(3, 20, (1000, 1))
    watch = Watch("XS", tally, None)
    assert watch.note() == ""

    done = shuffled(1000)[:101]
    tally.done[done] = True
    tally.problems[done[0]] = "it is cut off"  # and so it has no error
    tally.errors_mm[done[0]] = 1e9

    errors_mm = tally.errors_mm[done[1:], 0]
    half_mm = half_width_mm(errors_mm, 1000)
    assert watch.note() == f"XS {errors_mm.mean():.1f} ±{half_mm:.1f}"
    assert not watch.is_hopeless()


def test_what_was_measured_before_stays_the_beginning() -> None:
    """Another process may have measured later ones; what was told must not be told anew."""
    tally = Measurements.empty(10, 1)
    tally.errors_mm[:] = np.arange(10)[:, None]
    order = shuffled(10)
    tally.done[order[5:8]] = True
    watch = Watch("XS", tally, None)
    assert watch._errors_mm().tolist() == order[5:8]

    tally.done[order[:2]] = True

    assert watch._errors_mm().tolist() == [*order[5:8], *order[:2]]
