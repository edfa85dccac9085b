"""A case computes errors as the evaluation does, all samples at once."""

from __future__ import annotations

import numpy as np
import pytest

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.evaluation.metrics import joint_errors_mm
from convnextpose_check.human36m.samples import load_dataset, read_facts
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.variants import Protocol

GRID_WHD = (64, 64, 64)


@pytest.mark.parametrize("protocol", [1, 2])
def test_errors_are_those_of_the_evaluation(miniature: Miniature, protocol: Protocol) -> None:
    """Under protocol 1 the two align in different ways, also positions that mirror the truth."""
    samples = load_dataset(miniature.dataset, read_facts(), limit=40).samples
    cells_xyz = np.random.default_rng(0).uniform(0, 64, (len(samples), 18, 3)).astype(np.float32)

    case = Case.at(samples, cells_xyz, GRID_WHD, protocol)

    expected_mm = [
        joint_errors_mm(cells, sample, GRID_WHD, protocol)
        for cells, sample in zip(cells_xyz, samples, strict=True)
    ]
    np.testing.assert_allclose(case.errors_mm, expected_mm, atol=0.01)
