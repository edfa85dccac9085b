"""The bootstrap draws whole performances, not frames."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest

from convnextpose_check.results.bootstrap import (
    bootstrap_interval_mm,
    paired_interval_mm,
    performance,
)

SEQUENCE = "s_09_act_02_subact_01_ca_{camera:02}_{frame:06}.jpg"


def test_cameras_and_frames_of_one_performance_are_one() -> None:
    names = {
        performance(SEQUENCE.format(camera=camera, frame=frame))
        for camera in (1, 2, 3, 4)
        for frame in (1, 65)
    }

    assert names == {"s_09_act_02_subact_01"}


def test_interval_of_independent_groups_is_that_of_the_normal_law() -> None:
    errors_mm = np.random.default_rng(1).normal(50, 10, 400)
    interval, count = bootstrap_interval_mm(errors_mm, [str(i) for i in range(400)])

    assert count == 400
    assert interval is not None
    half_width = 1.96 * errors_mm.std() / np.sqrt(400)
    expected = (errors_mm.mean() - half_width, errors_mm.mean() + half_width)
    assert interval == pytest.approx(expected, abs=0.1)


def test_groups_count_by_their_samples() -> None:
    """The mean is over samples: a group of 99 weighs as 99."""
    errors_mm = np.array([0.0] * 99 + [100.0])
    interval, _ = bootstrap_interval_mm(errors_mm, ["a"] * 99 + ["b"])

    assert interval == (0.0, 100.0)


def test_same_errors_give_the_same_interval_and_order_does_not_count() -> None:
    errors_mm = np.random.default_rng(1).normal(50, 10, 60)
    groups = [str(i // 3) for i in range(60)]

    first, _ = bootstrap_interval_mm(errors_mm, groups)
    second, _ = bootstrap_interval_mm(errors_mm[::-1], groups[::-1])

    assert second == pytest.approx(first)


@pytest.mark.parametrize(("groups", "student"), [(6, 2.571), (8, 2.365), (10, 2.262)])
def test_interval_of_few_groups_is_as_wide_as_students(groups: int, student: float) -> None:
    """The plain percentiles would be too narrow by 33, 24 and 18 %."""
    errors_mm = np.array([NormalDist(50, 10).inv_cdf((i + 0.5) / groups) for i in range(groups)])

    interval, _ = bootstrap_interval_mm(errors_mm, [str(i) for i in range(groups)])

    assert interval is not None
    half_width_mm = student * errors_mm.std(ddof=1) / np.sqrt(groups)
    assert (interval[1] - interval[0]) / 2 == pytest.approx(half_width_mm, rel=0.1)


def test_paired_interval_draws_whole_performances() -> None:
    """Two performances, in which each frame has the same difference: drawn alone they differ."""
    one = {
        SEQUENCE.replace("subact_01", f"subact_0{take}").format(camera=camera, frame=frame): take
        for take in (1, 2)
        for camera in (1, 2, 3, 4)
        for frame in range(50)
    }

    assert paired_interval_mm(one, dict.fromkeys(one, 0.0)) == (1.0, 2.0)


def test_a_single_group_has_no_interval() -> None:
    assert bootstrap_interval_mm(np.array([1.0, 2.0]), ["a", "a"]) == (None, 1)


def simulated(
    random: np.random.Generator, moved_mm: float
) -> tuple[dict[str, float], dict[str, float]]:
    """Two models on 60 performances: much that both find hard, little between them."""
    one, other = {}, {}
    for take in range(60):
        hard_mm = random.normal(50, 15)
        shift_mm = moved_mm + random.normal(0, 1)
        for frame in range(int(random.integers(5, 20))):
            name = f"s_09_act_02_subact_{take:02}_ca_01_{frame:06}.jpg"
            one[name] = hard_mm + random.normal(0, 10)
            other[name] = one[name] - shift_mm - random.normal(0, 3)
    return one, other


def test_paired_interval_holds_the_difference_about_as_often_as_it_says() -> None:
    random, held = np.random.default_rng(0), 0
    for _ in range(60):
        interval = paired_interval_mm(*simulated(random, 0.3))
        assert interval is not None
        held += interval[0] <= 0.3 <= interval[1]

    assert 0.88 <= held / 60 <= 1


def test_only_images_of_both_are_compared() -> None:
    one, other = simulated(np.random.default_rng(3), 0.3)
    interval = paired_interval_mm(one, other)

    assert (
        paired_interval_mm({**one, "x_ca_01_1.jpg": 9e9}, {**other, "y_ca_01_1.jpg": 1.0})
        == interval
    )
    assert paired_interval_mm(one, {}) is None
