"""A tiny reference model and random crops."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from convnextpose_check.network.layout import build_network
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.synthetic.weights import seeded_state
from convnextpose_check.variants import Architecture


@pytest.fixture(scope="module")
def reference(tiny: Architecture) -> ConvNeXtPose:
    return build_network(tiny, seeded_state(tiny, seed=1), torch.device("cpu"))


@pytest.fixture(scope="module")
def crops() -> Tensor:
    return torch.randn(3, 3, 256, 256, generator=torch.Generator().manual_seed(1))
