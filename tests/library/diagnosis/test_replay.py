"""Positions predicted again reveal what changed the run's positions, or correct its files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from convnextpose_check.diagnosis.reading import FinishedRun, SavedSamples
from convnextpose_check.diagnosis.replay import (
    CONDITIONS,
    CORRECTIONS,
    VERIFIED,
    Condition,
    Replay,
    fit_positions,
)
from convnextpose_check.diagnosis.table import SampleTable
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import load_dataset, read_facts
from convnextpose_check.human36m.skeleton import MIRRORED
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.synthetic.build import SyntheticData
from convnextpose_check.variants import Architecture
from tests.support.sample_tables import make_sample_table

MIDDLE = np.array([15.5, 15.5, 16.0])
NECK_AND_HEAD = [0, 1, 2, 3, 4, 5, 6, 7, 10, 9, 8, *range(11, 18)]


@pytest.fixture(scope="module")
def replay(synthetic: SyntheticData, tiny: Architecture) -> Replay:
    """A replay of six samples with random weights, and variances near BatchNorm's eps."""
    torch.manual_seed(0)
    network = ConvNeXtPose(tiny).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.fill_(1e-3)  # type: ignore[union-attr]
    dataset = load_dataset(synthetic.dataset, read_facts(), limit=6)
    empty = torch.zeros(6, 18, 3).numpy()
    table = SampleTable.from_samples(dataset.samples, empty, network.architecture.grid_whd, 2)
    saved = SavedSamples(table, table.errors_mm, list(dataset.samples))
    models: Any = SimpleNamespace(
        checkpoint=SimpleNamespace(path=Path("XS.tar")),
        reference=network,
        devices=(torch.device("cpu"),),
    )
    opened = Replay(FinishedRun("XS", 0.0, None, saved, dataset, 0), models)
    predict_once = cache(opened.predict)

    def predict(
        condition: Condition, indices: Any = slice(None), *, is_plain: bool = False
    ) -> dict[str, Array]:
        passes = predict_once(condition, is_plain=is_plain)
        return {text: xyz[indices] for text, xyz in passes.items()}

    opened.predict = predict  # type: ignore[method-assign, assignment]
    return opened


@pytest.mark.parametrize("used", CONDITIONS, ids=lambda condition: condition.what)
def test_try_conditions_recognizes_condition_of_a_run(replay: Replay, used: Condition) -> None:
    verified_xyz = replay.predict(VERIFIED)[""]
    replay.table = replace(replay.table, cells_xyz=replay.predict(used)[""])

    left, what, remedy = replay.try_conditions(verified_xyz, lambda _: None)

    assert left == pytest.approx(0.0, abs=1e-6)
    assert (what, remedy) == (used.what, used.remedy)


def test_correction_predicts_plain_pass_and_converts_with_its_boxes(replay: Replay) -> None:
    (doubled,) = (each for each in CORRECTIONS if each.what == "boxes grow twice")
    (correction,) = (
        each for each in replay.list_corrections(lambda _: None) if each.what == doubled.what
    )

    corrected = correction.change(replay.table, 0.0)

    expected = replay.predict(doubled)["only the plain pass counts"]
    np.testing.assert_allclose(corrected.cells_xyz, expected, atol=1e-4)
    np.testing.assert_allclose(corrected.boxes_px[:, 2], 1.25 * replay.table.boxes_px[:, 2])


@pytest.fixture
def verified() -> Array:
    return make_sample_table().cells_xyz[::30]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda c: c[:, list(MIRRORED)], "left and right joints are exchanged"),
        (lambda c: (c - MIDDLE) * (-1, 1, 1) + MIDDLE, "x is mirrored"),
        (lambda c: c + np.array([0, 0.5, 0]), "y is shifted by +0.50 cells"),
        (lambda c: (c - MIDDLE) * (1, 1, 0.5) + MIDDLE, "depth is multiplied by 0.500"),
        (lambda c: c[:, NECK_AND_HEAD], "Neck is at Head, Head is at Neck"),
        (np.round, "positions are rounded to whole cells"),
    ],
)
def test_fit_describes_change(verified: Array, change: Callable[[Array], Array], text: str) -> None:
    departures, left_share = fit_positions(change(verified), {"": verified}, MIDDLE)

    assert ", ".join(departures) == text
    assert left_share < 0.01


def test_fit_positions_names_used_pass(verified: Array) -> None:
    plain = verified + np.random.default_rng(0).normal(0, 0.3, verified.shape)

    departures, _ = fit_positions(
        plain, {"": verified, "only the plain pass counts": plain}, MIDDLE
    )

    assert departures == ["only the plain pass counts"]


def test_fit_positions_ignores_samples_that_do_not_fit(verified: Array) -> None:
    every_third = np.arange(len(verified)) % 3 == 0
    run_xyz = np.where(every_third[:, None, None], verified + 1, verified)

    departures, _ = fit_positions(run_xyz, {"": verified}, MIDDLE)
    assert not departures


def test_fit_positions_unrelated_positions_explain_little(verified: Array) -> None:
    run_xyz = np.random.default_rng(0).uniform(0, 32, verified.shape)

    _, left_share = fit_positions(run_xyz, {"": verified}, MIDDLE)
    assert left_share > 0.5
