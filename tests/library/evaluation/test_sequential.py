"""A hopeless run is refused soon, and one that would have come within the gate never is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from convnextpose_check.evaluation.sequential import (
    DOUBT,
    FEWEST,
    at_least_mm,
    half_width_mm,
    is_beyond,
)
from convnextpose_check.human36m.geometry import Array

SAMPLES, TAKES = 8695, 239
REFERENCE_MM, GATE_MM = 50.0, 5.0
LIMIT_MM = REFERENCE_MM + GATE_MM
BATCH = 64


def simulated(seed: int, mean_mm: float) -> Array:
    """A run's errors in the order in which they are measured; frames of a take err alike."""
    chance = np.random.default_rng(seed)
    takes = chance.multinomial(SAMPLES, chance.dirichlet(np.full(TAKES, 4.0)))
    of_takes = np.repeat(chance.lognormal(0, 0.3, TAKES), takes)
    errors_mm = of_takes * chance.lognormal(0, 0.35, SAMPLES)
    shuffled_mm: Array = chance.permutation(errors_mm * (mean_mm / errors_mm.mean()))
    return shuffled_mm


OFTEN = [pytest.param(200, id="some"), pytest.param(10_000, id="many", marks=pytest.mark.slow)]


@pytest.mark.parametrize("runs", OFTEN)
def test_run_within_the_gate_is_never_refused(runs: int) -> None:
    """Not at any time, and not where it comes within the gate by a hair."""
    refused = [is_beyond(simulated(n, LIMIT_MM - 0.001), SAMPLES, LIMIT_MM) for n in range(runs)]

    assert not any(refused)


@pytest.mark.parametrize("runs", OFTEN)
def test_wrong_weights_are_refused_within_300_images(runs: int) -> None:
    """They err by 20 mm more than the reference at least, without any training by hundreds."""
    refused = [
        is_beyond(simulated(n, REFERENCE_MM + 20)[:300], SAMPLES, LIMIT_MM) for n in range(runs)
    ]

    assert np.mean(refused) >= 0.99


@pytest.mark.parametrize("runs", [pytest.param(40), pytest.param(1000, marks=pytest.mark.slow)])
def test_interval_that_is_shown_misses_the_whole_in_few_runs(runs: int) -> None:
    missed = 0
    for seed in range(runs):
        errors_mm = simulated(seed, REFERENCE_MM)
        for count in range(BATCH, SAMPLES, BATCH):
            half_mm = half_width_mm(errors_mm[:count], SAMPLES)
            assert half_mm is not None
            if abs(errors_mm[:count].mean() - REFERENCE_MM) > half_mm:
                missed += 1
                break
    assert missed <= DOUBT * runs + 3 * math.sqrt(DOUBT * runs)


def test_interval_narrows_to_nothing() -> None:
    errors_mm = simulated(0, REFERENCE_MM)

    widths = [half_width_mm(errors_mm[:n], SAMPLES) for n in (FEWEST - 1, 300, 8000, SAMPLES)]

    assert widths[0] is None
    assert widths[1] == pytest.approx(4.5, abs=1.0)
    assert widths[2] == pytest.approx(0.3, abs=0.1)
    assert widths[3] == 0


def test_error_of_the_whole_is_at_least_what_is_said() -> None:
    errors_mm = simulated(1, 90.0)

    said_mm = [at_least_mm(errors_mm[:n], SAMPLES) for n in (1, 60, 300, 3000, 8694)]

    assert said_mm == sorted(said_mm)
    assert said_mm[0] < 1
    assert 60 < said_mm[2] < said_mm[-1] < 90
    assert is_beyond(errors_mm[:300], SAMPLES, said_mm[2])
    assert not is_beyond(errors_mm[:300], SAMPLES, said_mm[2] + 0.02)


def test_what_is_certain_needs_no_bet() -> None:
    """Three errors of ten already come to more than all ten may."""
    assert is_beyond(np.full(3, 200.0), 10, LIMIT_MM)
    assert not is_beyond(np.full(2, 200.0), 10, LIMIT_MM)
    assert not is_beyond(np.empty(0), 10, LIMIT_MM)
