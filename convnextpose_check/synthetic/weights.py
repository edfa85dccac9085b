"""Seeded weights for four untrained models: the same bits on every machine.

Their heatmaps are sharp and depend on the image, but their errors in mm mean nothing beyond being
reproducible. Every number comes from the raw stream of PCG64, which numpy guarantees, and from
exact or correctly rounded arithmetic. The published XS's value ranges come last.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from convnextpose_check.checkpoints.training_record import FIVE_SUBJECTS
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.network.layout import expected_layout
from convnextpose_check.synthetic.rescaling import rescaled
from convnextpose_check.variants import Architecture

if TYPE_CHECKING:
    from torch import Tensor

TYPICAL_INPUT = 500.0
"""A mid-gray pixel after normalization, the mean of the stem's BatchNorm."""
INPUT_SPREAD = 250.0
"""Standard deviation of the stem's BatchNorm."""


def seeded_state(architecture: Architecture, seed: int) -> dict[str, Tensor]:
    """A state dict with modern keys, no prefix; the seed is the epoch of its counters."""
    return rescaled(initial_state(architecture, seed), architecture)


def initial_state(architecture: Architecture, seed: int) -> dict[str, Tensor]:
    """The same before rescaling: variances about 1, and weights that keep an input's spread."""
    import torch

    stream = np.random.PCG64(seed)
    state: dict[str, Array] = {}
    for key, (dtype, shape) in expected_layout(architecture).items():
        if dtype is torch.int64:
            state[key] = np.array((seed + 1) * FIVE_SUBJECTS, dtype=np.int64)
        else:
            # Evenly spread multiples of 2**-23 in [-1, 1), exact in float32 and float64.
            raw = stream.random_raw(math.prod(shape)) >> np.uint64(40)
            uniform = (raw.astype(np.float64) * 2.0**-23 - 1.0).reshape(shape)
            state[key] = _scaled(key, uniform).astype(np.float32)
    # The stem's BatchNorm expects pixels from 0 to 255, as the network reads them.
    convolution, norm = "backbone.downsample_layers.0.0", "backbone.downsample_layers.0.1"
    response = state[f"{convolution}.weight"].astype(np.float64).sum(axis=(1, 2, 3))
    state[f"{norm}.running_mean"] = (TYPICAL_INPUT * response).astype(np.float32)
    state[f"{norm}.running_var"] *= np.float32(INPUT_SPREAD**2)
    return {key: torch.from_numpy(array) for key, array in state.items()}


def _scaled(key: str, uniform: Array) -> Array:
    """Scale uniform numbers in [-1, 1) to the range that suits the tensor's role."""
    layer, _, kind = key.rpartition(".")
    if uniform.ndim == 4:
        return uniform * (_gain(layer) * math.sqrt(3.0 / math.prod(uniform.shape[1:])))
    if kind == "running_var":
        return 1.0 + 0.5 * uniform
    if kind == "weight":
        return 1.0 + 0.3 * uniform
    return 0.2 * uniform


def _gain(layer: str) -> float:
    """Ratio of a convolution's output spread to its input's."""
    if layer.endswith("pwconv2"):
        return 0.5
    if layer.endswith("final_layer"):
        return 2.0  # makes the softmax of a heatmap settle on a few cells
    return math.sqrt(2.0) if "pwconv" in layer else 1.0
