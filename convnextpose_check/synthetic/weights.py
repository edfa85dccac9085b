"""Generates seeded weights for the four untrained models, bit-identical on every machine.

Their heatmaps are sharp and depend on the image; their errors in mm are reproducible but have no
meaning. All values come from the raw stream of PCG64, which NumPy guarantees, and from exact or
correctly rounded arithmetic. In the end they are rescaled to the published XS's value ranges.
"""

import math

import numpy as np
import torch
from torch import Tensor

from convnextpose_check.checkpoints.training_record import PROTOCOL_2_ITERATIONS
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.network.layout import expected_layout
from convnextpose_check.synthetic.rescaling import rescale_weights
from convnextpose_check.variants import Architecture

INPUT_MEAN = 500.0
"""Mean of the network's input: a gray pixel of value 113 after normalization."""
INPUT_STD = 250.0
"""Standard deviation of the network's input."""


def seeded_state(architecture: Architecture, seed: int) -> dict[str, Tensor]:
    """A state dict with modern keys, without prefix; its counters are those of epoch ``seed``."""
    return rescale_weights(initial_state(architecture, seed), architecture)


def initial_state(architecture: Architecture, seed: int) -> dict[str, Tensor]:
    """The state before rescaling: variances about 1, and layers that preserve the variance."""
    stream = np.random.PCG64(seed)
    state: dict[str, Array] = {}
    for key, (dtype, shape) in expected_layout(architecture).items():
        if dtype is torch.int64:
            state[key] = np.array((seed + 1) * PROTOCOL_2_ITERATIONS, dtype=np.int64)
        else:
            # Uniform multiples of 2**-23 in [-1, 1), exact in float32 and float64.
            raw = stream.random_raw(math.prod(shape)) >> np.uint64(40)
            uniform = (raw.astype(np.float64) * 2.0**-23 - 1.0).reshape(shape)
            state[key] = _scale_uniform(key, uniform).astype(np.float32)
    # The input has this mean and deviation, so the stem's BatchNorm normalizes it.
    convolution, norm = "backbone.downsample_layers.0.0", "backbone.downsample_layers.0.1"
    response = state[f"{convolution}.weight"].astype(np.float64).sum(axis=(1, 2, 3))
    state[f"{norm}.running_mean"] = (INPUT_MEAN * response).astype(np.float32)
    state[f"{norm}.running_var"] *= np.float32(INPUT_STD**2)
    return {key: torch.from_numpy(array) for key, array in state.items()}


def _scale_uniform(key: str, uniform: Array) -> Array:
    """Scale uniform numbers in [-1, 1) to the range of the tensor's role."""
    layer, _, kind = key.rpartition(".")
    if uniform.ndim == 4:
        return uniform * (_convolution_gain(layer) * math.sqrt(3.0 / math.prod(uniform.shape[1:])))
    if kind == "running_var":
        return 1.0 + 0.5 * uniform
    if kind == "weight":
        return 1.0 + 0.3 * uniform
    return 0.2 * uniform


def _convolution_gain(layer: str) -> float:
    """Ratio of the standard deviations of a convolution's output and input."""
    if layer.endswith("pwconv2"):
        return 0.5
    if layer.endswith("final_layer"):
        return 2.0  # sharp heatmaps: the softmax selects few cells
    return math.sqrt(2.0) if "pwconv" in layer else 1.0
