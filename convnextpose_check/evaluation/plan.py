"""In which order images are measured, and in which company."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from convnextpose_check.evaluation.measurements import Measurements

SEED = 0


def shuffled(samples: int) -> list[int]:
    """The places of so many samples in the order in which they are measured, always the same.

    Shuffled one by one, so that the running mean is that of a random part of the whole, however
    alike neighbouring frames are. Where an answer is written down is its sample's place, so that no
    figure depends on the order.
    """
    order: list[int] = np.random.default_rng(SEED).permutation(samples).tolist()
    return order


@dataclass(frozen=True)
class Plan:
    """The batches of a pass, each as the places of its samples among all.

    Batches begin at multiples of their size whatever was measured before: in the same company an
    image gets the same answer to the last digit.
    """

    batches: Sequence[list[int]]

    @classmethod
    def of(cls, measured: Collection[Measurements], batch_size: int) -> Plan:
        """All batches of which some network lacks a sample."""
        (samples,) = {len(each.done) for each in measured}
        order = shuffled(samples)
        batches = [order[begin : begin + batch_size] for begin in range(0, samples, batch_size)]
        lacking = [place for place in batches if any(each.lacks(place) for each in measured)]
        return cls(lacking)
