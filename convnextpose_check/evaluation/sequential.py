"""What the errors measured so far say of the error of the whole, at any time.

The errors come in a random order, drawn without replacement from the N of the data set (see
``plan``). That alone makes both statements true, however alike neighbouring frames are: nothing is
assumed of the data beyond it.

* **Refusing** rests on a bet (I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random
  variables by betting", Journal of the Royal Statistical Society B 86, 2024, section 5; its bound
  without replacement is of the same authors' "Confidence sequences for sampling without
  replacement", NeurIPS 2020). Were the mean of all below a limit, the capital of a player who
  bets on larger errors could be expected never to grow, so that it exceeds 1 / RISK at any time
  with a probability of at most RISK (Ville's inequality). The one bound that it needs is that no
  error is negative. How large one may be is bounded by nothing that is worth using: a network may
  answer with any place in a volume of metres. So an error that is too large is refused, and one
  that is too small is measured to the end.
* **The interval** that is shown beside the running error is an asymptotic confidence sequence
  (I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy and A. Ramdas, "Time-uniform central limit
  theory and asymptotic confidence sequences", Annals of Statistics 52, 2024, theorem 2.2). It
  covers the whole's error at all times together, but only for many errors: it decides nothing.
  Without replacement t of N errors count as t / (1 - t / N), by Doob's transformation of the
  bridge that their sum is to a Brownian motion.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from convnextpose_check.human36m.geometry import Array

RISK = 1e-6
"""So seldom a run is refused that would have come within the gate."""

DOUBT = 0.05
"""So seldom the interval that is shown misses the whole's error, at any time of a run."""

SPREAD_MM = 30.0
"""How far errors spread before any is known: of those of published models about this."""

STAKE = 0.5
"""At most this part of the capital is risked on an error of zero."""

NARROWEST_AFTER = 300
"""The interval is made to be narrowest for so many errors."""

FEWEST = 30
"""Of fewer errors no interval is shown."""


@dataclass(frozen=True)
class Stopped:
    """A variant that was measured no further: its error can no longer come below the limit.

    ``measured`` of the ``samples`` were; the error of all is at least ``at_least_mm``.
    """

    variant: str
    measured: int
    samples: int
    at_least_mm: float
    limit_mm: float

    def __str__(self) -> str:
        return (
            f"stopped early after {self.measured:,} of {self.samples:,} samples (its error is at"
            f" least {self.at_least_mm:.2f} mm)"
        )


def is_beyond(errors_mm: Array, samples: int, limit_mm: float) -> bool:
    """Whether the mean of all samples' errors can no longer be below the limit.

    ``errors_mm`` (n,) are those measured so far, in the order in which they came.
    """
    return bool(_log_capital(errors_mm, samples, limit_mm) >= -math.log(RISK))


def at_least_mm(errors_mm: Array, samples: int) -> float:
    """The highest limit that the mean of all samples' errors is beyond, to 0.01 mm below it."""
    low_mm, high_mm = 0.0, float(np.mean(errors_mm))
    while high_mm - low_mm > 0.01:
        middle_mm = (low_mm + high_mm) / 2
        if is_beyond(errors_mm, samples, middle_mm):
            low_mm = middle_mm
        else:
            high_mm = middle_mm
    return low_mm


def half_width_mm(errors_mm: Array, samples: int) -> float | None:
    """The whole's mean error is within this of the mean of (n,) errors; None for too few."""
    count = len(errors_mm)
    if count == samples:
        return 0.0
    if count < FEWEST:
        return None
    surprise = -2 * math.log(DOUBT)
    mixed = (surprise + math.log(surprise + 1)) / NARROWEST_AFTER
    counted = count / (1 - count / samples)
    grown = counted * mixed + 1
    width = math.sqrt(grown / (counted**2 * mixed) * math.log(grown / DOUBT**2))
    return width * float(np.std(errors_mm))


def _log_capital(errors_mm: Array, samples: int, limit_mm: float) -> float:
    """The most that the player had at any time, as a logarithm; without end once all is certain.

    Before each error the mean of those still to come is known, were the limit the mean of all. The
    stake is chosen by what came before: the more errors spread, the smaller.
    """
    count = len(errors_mm)
    if count == 0:
        return 0.0
    number = np.arange(1, count + 1)
    sums_mm = np.cumsum(errors_mm)
    to_come_mm = (samples * limit_mm - sums_mm + errors_mm) / (samples - number + 1)
    if sums_mm[-1] >= samples * limit_mm:
        return math.inf
    distances = (errors_mm - sums_mm / number) ** 2
    variance = (SPREAD_MM**2 + np.cumsum(distances) - distances) / number
    stake = np.sqrt(-2 * math.log(RISK) / (variance * number * np.log(number + 1)))
    stake = np.minimum(stake, STAKE / to_come_mm)
    return float(np.log1p(stake * (errors_mm - to_come_mm)).cumsum().max(initial=0.0))
