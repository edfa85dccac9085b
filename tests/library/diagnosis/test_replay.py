"""A replay under each condition recognizes the condition that a run used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from convnextpose_check.diagnosis.reading import FinishedRun, SavedSamples
from convnextpose_check.diagnosis.replay import CONDITIONS, Condition, Replay
from convnextpose_check.diagnosis.table import SampleTable
from convnextpose_check.human36m.samples import load_dataset, read_facts
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.synthetic.build import SyntheticData
from convnextpose_check.variants import Architecture


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
    return Replay(FinishedRun("XS", 0.0, None, saved, dataset, 0), models)


@pytest.mark.parametrize("used", CONDITIONS, ids=lambda condition: condition.what)
def test_try_conditions_recognizes_condition_of_a_run(replay: Replay, used: Condition) -> None:
    verified_xyz = replay.predict()[""]
    replay.table = replace(replay.table, cells_xyz=replay.predict(used)[""])

    left, what, remedy = replay.try_conditions(verified_xyz, lambda _: None)

    assert left == pytest.approx(0.0, abs=1e-6)
    assert (what, remedy) == (used.what, used.remedy)
