"""The bootstrap resamples whole takes, not frames."""

from __future__ import annotations

import numpy as np
import pytest

from convnextpose_check.results.bootstrap import bootstrap_interval_mm, take_name

SEQUENCE = "s_09_act_02_subact_01_ca_{camera:02}_{frame:06}.jpg"


def test_take_name_is_the_same_for_all_cameras_and_frames() -> None:
    names = {
        take_name(SEQUENCE.format(camera=camera, frame=frame))
        for camera in (1, 2, 3, 4)
        for frame in (1, 65)
    }

    assert names == {"s_09_act_02_subact_01"}


def test_bootstrap_interval_of_independent_groups_is_the_normal_one() -> None:
    errors_mm = np.random.default_rng(1).normal(50, 10, 400)
    interval, count = bootstrap_interval_mm(errors_mm, [str(i) for i in range(400)])

    assert count == 400
    assert interval is not None
    half_width = 1.96 * errors_mm.std() / np.sqrt(400)
    expected = (errors_mm.mean() - half_width, errors_mm.mean() + half_width)
    assert interval == pytest.approx(expected, abs=0.1)


def test_bootstrap_interval_weights_groups_by_their_samples() -> None:
    """The mean is over samples: a group of 99 weighs as 99. A single group has no interval."""
    errors_mm = np.array([0.0] * 99 + [100.0])

    assert bootstrap_interval_mm(errors_mm, ["a"] * 99 + ["b"]) == ((0.0, 100.0), 2)
    assert bootstrap_interval_mm(errors_mm, ["a"] * 100) == (None, 1)
