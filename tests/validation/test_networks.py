"""The network that is judged, rearranged for speed or the user's own, is the plain one's equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convnextpose_check.checks.network import check_agrees, check_flip_is_symmetric
from convnextpose_check.human36m.crops import usable_input
from convnextpose_check.human36m.samples import Sample, spread
from convnextpose_check.trial.subjects import Subject
from convnextpose_check.variants import Variant
from tests.validation.recording import Obtained

if TYPE_CHECKING:
    from torch import Tensor

SAMPLES = 8


def _spread_input(subject: Subject) -> tuple[Tensor, list[Sample]]:
    """Crops of samples spread over the whole data set, and those samples."""
    return usable_input(spread(subject.dataset().samples, SAMPLES), subject.device())


def test_judged_network_agrees_with_the_plain_one(
    subject: Subject, variant: Variant, obtained: Obtained
) -> None:
    crops, samples = _spread_input(subject)
    where = f"{subject.name} {variant.name}"
    network, plain = subject.judged_network(variant.name), subject.network(variant.name)
    cells, _ = check_agrees(network, plain, crops, samples, where)
    obtained(cells, 0.0, "cells")


def test_flip_test_is_symmetric(subject: Subject, variant: Variant, obtained: Obtained) -> None:
    crops, _ = _spread_input(subject)
    network = subject.judged_network(variant.name)
    cells = check_flip_is_symmetric(network, crops, f"{subject.name} {variant.name}")
    obtained(cells, 0.0, "cells")
