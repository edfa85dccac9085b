"""Whatever is done to a sound run is named first, and of a sound run nothing is said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.diagnosis.cause import Cause, Obtained
from convnextpose_check.diagnosis.hypotheses import COMPARISONS, HYPOTHESES, Hypothesis
from convnextpose_check.diagnosis.means import MEANS, Mean
from convnextpose_check.diagnosis.ranking import causes_of
from convnextpose_check.diagnosis.undone import Undone
from tests.support.cases import made_case

Change = Callable[[Case], Case]
BY_NAME = {each.name: each for each in (*HYPOTHESES, *COMPARISONS)}


def named(case: Case, reference_mm: float) -> tuple[Cause, ...]:
    """The causes where the run's errors are those of its positions."""
    return causes_of(case, Obtained(case.error_mm, case.errors_mm, reference_mm))


def changed(name: str, value: object) -> Change:
    return lambda case: BY_NAME[name].change(case, value)


def half_swapped(case: Case) -> Case:
    """What is left where the mirrored pass is averaged without its pairs swapped."""
    mirrored = BY_NAME["mirrored-joints"].change(case, None)
    return replace(case, cells_xyz=(case.cells_xyz + mirrored.cells_xyz) / 2)


def next_frames_joints(case: Case) -> Case:
    return replace(BY_NAME["other-frame"].change(case, 1), unknown=None)


ORDER = (*range(11), 14, 15, 16, 11, 12, 13, 17)
"""The arms in each other's places."""

UNDONE: dict[str, tuple[str, Change]] = {
    "mirrored": ("mirrored-joints", changed("mirrored-joints", None)),
    "half swapped": ("flip-not-swapped", half_swapped),
    "next frame": ("other-frame", next_frames_joints),
    "cameras": ("exchanged-cameras", changed("exchanged-cameras", (2, 4))),
    "arms": ("permuted-joints", changed("permuted-joints", ORDER)),
    "deeper": ("depth-range", changed("depth-range", 1.25)),
    "half as deep": ("depth-range", changed("depth-range", 0.5)),
    "nearer root": ("root-depth", changed("root-depth", 0.9)),
    "larger boxes": ("box-scale", changed("box-scale", 1.25)),
    "metres": ("unit", changed("unit", 0.001)),
    "away from z": ("negated-axis", changed("negated-axis", 2)),
}


@pytest.mark.parametrize(("cause", "change"), UNDONE.values(), ids=UNDONE.keys())
def test_what_was_done_to_the_positions_is_named_first(cause: str, change: Change) -> None:
    sound = made_case()

    causes = named(change(sound), sound.error_mm)

    assert causes[0].name == cause
    assert causes[0].share > 0.8
    assert causes[0].before_mm is not None
    assert causes[0].after_mm is not None
    assert causes[0].before_mm.mean() > causes[0].after_mm.mean()


def test_a_cause_of_one_action_names_the_action() -> None:
    sound = made_case()
    mask = np.array(sound.actions) == "Smoking"

    causes = named(sound.where(mask, next_frames_joints(sound)), sound.error_mm)

    assert causes[0].name == "other-frame"
    assert causes[0].what.endswith("in Smoking alone")


def test_two_causes_are_both_named() -> None:
    sound = made_case()
    both = changed("depth-range", 1.25)(changed("mirrored-joints", None)(sound))

    assert {each.name for each in named(both, sound.error_mm)} == {"mirrored-joints", "depth-range"}


@pytest.mark.parametrize("how", COMPARISONS, ids=lambda how: how.name)
def test_another_comparison_is_told_from_the_errors_alone(how: Hypothesis) -> None:
    """The positions are right, and the error may even be less than the reference."""
    sound = made_case()
    if how.name in ("not-aligned", "aligned-with-scale"):
        sound = replace(sound, alignment="rigid")
    errors_mm = how.change(sound, None).errors_mm

    causes = causes_of(sound, Obtained(float(errors_mm.mean()), errors_mm, sound.error_mm), None, 0)

    assert [cause.name for cause in causes] == [how.name]
    assert causes[0].share == pytest.approx(1)


def test_two_ways_to_compare_at_once_are_both_named() -> None:
    sound = made_case()
    both = BY_NAME["depth-range"].change(BY_NAME["roots-kept"].change(sound, None), 10 / 11)
    errors_mm = both.errors_mm

    causes = causes_of(sound, Obtained(float(errors_mm.mean()), errors_mm, sound.error_mm))

    assert {cause.name for cause in causes} == {"roots-kept", "depth-range"}
    assert all("with the other fault that is named" in cause.evidence for cause in causes)


@pytest.mark.parametrize("mean", MEANS, ids=lambda mean: mean.name)
def test_another_mean_is_told_from_its_figure(mean: Mean) -> None:
    sound = made_case()
    # Few enough for a sum in half precision, and another number of each action.
    sound = sound.take(np.random.default_rng(2).choice(len(sound.sequences), 50))
    figure_mm = mean.of(sound.errors_mm, np.array(sound.actions))

    causes = causes_of(sound, Obtained(figure_mm, sound.errors_mm, sound.error_mm), None, 0)

    assert [cause.name for cause in causes] == [mean.name]


def test_nothing_is_named_of_a_sound_run_within_the_tolerance() -> None:
    sound = made_case()

    assert named(sound, sound.error_mm + 0.99) == ()


@pytest.mark.parametrize("excess_mm", [-6, -3, 3, 6])
def test_no_cause_is_made_up_for_an_error_that_nothing_explains(excess_mm: float) -> None:
    sound = made_case()

    assert named(sound, sound.error_mm - excess_mm) == ()


def test_a_better_fit_of_chance_is_no_cause() -> None:
    """Takes are drawn again: the error moves, and nothing is wrong."""
    sound = made_case()
    chance = np.random.default_rng(1)
    of_take = [np.flatnonzero(sound.takes == take) for take in range(sound.takes.max() + 1)]
    for _ in range(10):
        drawn = chance.integers(len(of_take), size=len(of_take))
        again = sound.take(np.concatenate([of_take[take] for take in drawn]))
        assert named(again, sound.error_mm) == ()


@pytest.mark.parametrize(
    ("excess_mm", "lossy", "explained_mm"),
    [(5.0, False, 0.0), (5.0, True, 0.0), (1.0, False, -2.0), (1.0, True, -1.0)],
)
def test_explained_difference_is_the_gain_less_a_standard_error_for_each_freedom(
    excess_mm: float, lossy: bool, explained_mm: float
) -> None:
    """Gains of 1 and 3 mm: 2 mm of which the standard error is 1 mm."""
    hypothesis: Any = SimpleNamespace(lossy=lossy, freedom=2)
    case: Any = None

    undone = Undone(hypothesis, None, case, np.array([1.0, 3.0]), np.array([0, 1]))

    assert undone.gain_mm == 2.0
    assert undone.uncertainty_mm == pytest.approx(1.0)
    assert undone.explained_mm(excess_mm) == pytest.approx(explained_mm)


@pytest.mark.parametrize(
    ("frames", "said"), [(1, "fit those of the frame -1"), (-1, "fit those of the frame +1")]
)
def test_other_frame_is_named_with_the_way_back(frames: int, said: str) -> None:
    sound = made_case()
    moved = replace(BY_NAME["other-frame"].change(sound, frames), unknown=None)

    assert said in named(moved, sound.error_mm)[0].what
