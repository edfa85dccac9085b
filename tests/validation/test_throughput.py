"""Speed, measured and reported; machines differ, so no seconds are asserted."""

from __future__ import annotations

from math import inf

from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.plugin.recording import Obtained
from convnextpose_check.variants import Variant


def test_throughput(
    variant: Variant,  # noqa: ARG001 - asked about each
    evaluation: Evaluation,
    obtained: Obtained,
) -> None:
    """The network's own, in the run's batches: the one figure of terminal, results and report."""
    assert 0 < evaluation.images_per_second < inf
    obtained(evaluation.images_per_second, unit="images/s")
