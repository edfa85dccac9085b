"""The network that is judged, rearranged for speed or the user's own, is the plain one's equal."""

from __future__ import annotations

from convnextpose_check.checks import check_agrees, check_flip_is_symmetric
from convnextpose_check.crops import usable_input
from convnextpose_check.human36m import spread
from convnextpose_check.subjects import Subject
from convnextpose_check.variants import Variant
from tests.validation.recording import Obtained

SAMPLES = 8


def test_judged_network_agrees_with_the_plain_one(
    subject: Subject, variant: Variant, obtained: Obtained
) -> None:
    """On samples spread over the whole data set."""
    crops, samples = usable_input(spread(subject.dataset().samples, SAMPLES), subject.device())
    where = f"{subject.name} {variant.name}"
    network, plain = subject.judged_network(variant.name), subject.network(variant.name)
    cells, _ = check_agrees(network, plain, crops, samples, where)
    obtained(cells, 0.0, "cells")


def test_flip_test_is_symmetric(subject: Subject, variant: Variant, obtained: Obtained) -> None:
    crops, _ = usable_input(spread(subject.dataset().samples, SAMPLES), subject.device())
    network = subject.judged_network(variant.name)
    cells = check_flip_is_symmetric(network, crops, f"{subject.name} {variant.name}")
    obtained(cells, 0.0, "cells")
