"""The network that is judged, rearranged for speed or the user's own, is the plain one's equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from convnextpose_check.checks.network import check_agrees, check_flip_is_symmetric
from convnextpose_check.human36m.annotations import spread
from convnextpose_check.human36m.crops import usable_input
from convnextpose_check.human36m.samples import Dataset, Sample
from convnextpose_check.plugin.recording import Obtained
from convnextpose_check.trial.networks import Networks
from convnextpose_check.trial.trial import Trial
from convnextpose_check.variants import Variant

if TYPE_CHECKING:
    from torch import Tensor

SAMPLES = 8


def spread_input(pictures: Dataset, networks: Networks) -> tuple[Tensor, list[Sample]]:
    """Crops of samples spread over the whole data set, and those samples."""
    return usable_input(spread(pictures.samples, SAMPLES), networks.device())


@pytest.fixture
def shown(pictures: Dataset, networks: Networks) -> tuple[Tensor, list[Sample]]:
    """What both networks are shown."""
    return spread_input(pictures, networks)


def test_judged_network_agrees_with_the_plain_one(
    trial: Trial,
    variant: Variant,
    networks: Networks,
    shown: tuple[Tensor, list[Sample]],
    obtained: Obtained,
) -> None:
    where = f"{trial.name} {variant.name}"
    network, plain = networks.judged(variant.name), networks.plain(variant.name)
    cells, _ = check_agrees(network, plain, *shown, where)
    obtained(cells, 0.0, "cells")


def test_flip_test_is_symmetric(
    trial: Trial,
    variant: Variant,
    networks: Networks,
    shown: tuple[Tensor, list[Sample]],
    obtained: Obtained,
) -> None:
    crops, _ = shown
    where = f"{trial.name} {variant.name}"
    cells = check_flip_is_symmetric(networks.judged(variant.name), crops, where)
    obtained(cells, 0.0, "cells")
