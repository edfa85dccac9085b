"""Seeded weights for the miniature's four models: the same bits on every machine.

No training: the networks answer to the picture with sharp heatmaps, but their millimetres mean
nothing beyond being reproducible. Every number comes from the raw stream of PCG64, which numpy
guarantees, and from exact or correctly rounded arithmetic. Their numbers are then
brought to the size of the published XS's, with most variances below eps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from convnextpose_check.checkpoints.provenance import FIVE_SUBJECTS
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.miniature.rescaling import rescaled
from convnextpose_check.network.layout import expected_layout
from convnextpose_check.variants import Architecture

if TYPE_CHECKING:
    from torch import Tensor

TYPICAL_INPUT = 500.0
"""A mid-grey pixel after normalisation, which the stem's BatchNorm takes as its mean."""
INPUT_SPREAD = 250.0
"""Standard deviation that the stem's BatchNorm divides by."""

RESIDUAL_GAIN = 0.5
LOGIT_GAIN = 2.0
"""Makes the softmax of a heatmap settle on a few cells."""


def seeded_state(architecture: Architecture, seed: int) -> dict[str, Tensor]:
    """A state dict under modern keys without prefix, in the network's order.

    Its counters are those of a training that ended with the seed as its epoch.
    """
    return rescaled(initial_state(architecture, seed), architecture)


def initial_state(architecture: Architecture, seed: int) -> dict[str, Tensor]:
    """The same as it is drawn: variances about 1, and weights that keep the spread of an input."""
    import torch

    stream = np.random.PCG64(seed)
    state: dict[str, Array] = {}
    for key, (dtype, shape) in expected_layout(architecture).items():
        if dtype is torch.int64:
            state[key] = np.array((seed + 1) * FIVE_SUBJECTS.iterations, dtype=np.int64)
        else:
            uniform = _uniform(stream, math.prod(shape)).reshape(shape)
            state[key] = _scaled(key, uniform).astype(np.float32)
    _centre_stem(state)
    return {key: torch.from_numpy(array) for key, array in state.items()}


def _uniform(stream: np.random.PCG64, count: int) -> Array:
    """Evenly spread multiples of 2**-23 in [-1, 1), exact in float32 and float64."""
    return (stream.random_raw(count) >> np.uint64(40)).astype(np.float64) * 2.0**-23 - 1.0


def _scaled(key: str, uniform: Array) -> Array:
    """Bring uniform numbers in [-1, 1) to the range that suits the tensor's part."""
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
        return RESIDUAL_GAIN
    if layer.endswith("final_layer"):
        return LOGIT_GAIN
    return math.sqrt(2.0) if "pwconv" in layer else 1.0


def _centre_stem(state: dict[str, Array]) -> None:
    """Let the stem's BatchNorm expect pixels on the scale that the network reads, 0 to 255."""
    convolution, norm = "backbone.downsample_layers.0.0", "backbone.downsample_layers.0.1"
    response = state[f"{convolution}.weight"].astype(np.float64).sum(axis=(1, 2, 3))
    state[f"{norm}.running_mean"] = (TYPICAL_INPUT * response).astype(np.float32)
    state[f"{norm}.running_var"] *= np.float32(INPUT_SPREAD**2)
