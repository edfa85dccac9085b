"""The order in which images are evaluated, and the batches that they form."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from convnextpose_check.evaluation.measurements import Measurements

SEED = 0


def shuffled(samples: int) -> list[int]:
    """Indices of so many samples in the order in which they are evaluated, always the same.

    Shuffled one by one, so that the running mean is that of a random part of the whole, however
    alike neighboring frames are. Results are stored by sample index and do not depend on the order.
    """
    order: list[int] = np.random.default_rng(SEED).permutation(samples).tolist()
    return order


def remaining_batches(measured: Collection[Measurements], batch_size: int) -> list[list[int]]:
    """Sample indices of each batch of which some network lacks a sample.

    Batches begin at multiples of their size whatever was measured before: an image gets the same
    answer to the last digit only in the same batch.
    """
    (samples,) = {len(each.done) for each in measured}
    order = shuffled(samples)
    batches = [order[begin : begin + batch_size] for begin in range(0, samples, batch_size)]
    return [batch for batch in batches if any(each.lacks(batch) for each in measured)]
