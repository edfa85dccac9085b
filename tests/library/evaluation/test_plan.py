"""Images are measured in an order of their own, and no figure depends on it."""

from __future__ import annotations

import numpy as np

from convnextpose_check.evaluation.measurements import Measurements
from convnextpose_check.evaluation.plan import remaining_batches, shuffled


def test_every_sample_is_in_one_batch() -> None:
    batches = remaining_batches([Measurements.empty(99, 4)], 4)

    assert [len(batch) for batch in batches] == [4] * 24 + [3]
    assert sorted(place for batch in batches for place in batch) == list(range(99))


def test_batches_keep_their_company_whatever_was_measured_before() -> None:
    whole = remaining_batches([Measurements.empty(99, 4)], 4)
    begun = Measurements.empty(99, 4)
    begun.done[whole[0]] = True
    begun.done[whole[5][:3]] = True

    rest = remaining_batches([begun], 4)

    assert rest == whole[1:]


def test_neighbours_are_not_measured_together() -> None:
    """Of a take's frames, which err alike, a first batch in their own order would show one."""
    first = shuffled(8695)[:64]

    assert np.ptp(first) > 8000
    assert np.corrcoef(range(8695), shuffled(8695))[0, 1] < 0.05
