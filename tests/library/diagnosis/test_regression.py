"""A regression on verified positions recovers linear changes and affected samples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from convnextpose_check.diagnosis.regression import fit_positions
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.skeleton import MIRRORED
from tests.support.sample_tables import make_sample_table

MIDDLE = np.array([15.5, 15.5, 16.0])
NECK_AND_HEAD = [0, 1, 2, 3, 4, 5, 6, 7, 10, 9, 8, *range(11, 18)]


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
    fit = fit_positions(change(verified), {"": verified}, MIDDLE)

    assert ", ".join(fit.departures) == text
    assert fit.left_share < 0.01
    assert fit.follows.all()


def test_fit_positions_names_used_pass(verified: Array) -> None:
    plain = verified + np.random.default_rng(0).normal(0, 0.3, verified.shape)

    fit = fit_positions(plain, {"": verified, "only the plain pass counts": plain}, MIDDLE)

    assert fit.departures == ["only the plain pass counts"]


def test_fit_positions_marks_samples_that_do_not_fit(verified: Array) -> None:
    every_third = np.arange(len(verified)) % 3 == 0
    run_xyz = np.where(every_third[:, None, None], verified + 1, verified)

    fit = fit_positions(run_xyz, {"": verified}, MIDDLE)

    assert not fit.departures
    assert (fit.follows == ~every_third).all()


def test_fit_positions_unrelated_positions_explain_little(verified: Array) -> None:
    run_xyz = np.random.default_rng(0).uniform(0, 32, verified.shape)

    assert fit_positions(run_xyz, {"": verified}, MIDDLE).left_share > 0.5
