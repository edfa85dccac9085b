"""Gives a network the value ranges of the published XS without changing its output.

A factor on a convolution's output channel can be undone by the layers that read it: by the
BatchNorm that follows, by the weights of the next convolution (ReLU commutes with positive
factors), or by all layers of a stage that share the channel. So each BatchNorm gets the variances,
gammas and means of the published one, and the weights compensate. Only float64 products, quotients,
square roots and sums in a fixed order are used, so that the result is the same to the last bit.

One exception: the published network has dead channels, with variances or gammas near zero. Here
every channel is used, so the weight that reads such a channel would have to be very large;
``MAX_READER_GAIN`` limits it.
"""

from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from convnextpose_check.files.json_files import read_json
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.network.keymap import StateDict
from convnextpose_check.variants import Architecture, read_catalogue

EPS = 1e-5
"""Epsilon of every BatchNorm; most of the published variances are below it."""

MAX_READER_GAIN = 6.0
"""Largest increase of the weights that read a channel, relative to the median channel."""


class PublishedStatistics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Value ranges of each layer of the published XS, under modern keys.

    ``batch_norms`` contains the quantiles of gamma, mean and variance at ``levels``.
    """

    about: str
    levels: tuple[float, ...]
    batch_norms: dict[str, dict[str, tuple[float, ...]]]
    convolution_rms: dict[str, float]

    def interpolate(self, quantiles: tuple[float, ...], channels: int) -> Array:
        """Interpolate the quantiles to one value per channel, ascending."""
        positions = np.linspace(0.0, 1.0, channels) if channels > 1 else np.array([0.5])
        levels, values = np.array(self.levels), np.array(quantiles)
        above = np.clip(np.searchsorted(levels, positions, side="right"), 1, len(levels) - 1)
        share = (positions - levels[above - 1]) / (levels[above] - levels[above - 1])
        interpolated: Array = values[above - 1] + share * (values[above] - values[above - 1])
        return interpolated


@cache
def published_statistics() -> PublishedStatistics:
    """Read ``xs_statistics.json``."""
    return read_json(Path(__file__).with_name("xs_statistics.json"), PublishedStatistics)


def rescale_weights(state: StateDict, architecture: Architecture) -> dict[str, Tensor]:
    """Return the state dict with published value ranges; keys are modern, without prefix."""
    arrays = {
        key: tensor.numpy().astype(np.float64)
        for key, tensor in state.items()
        if tensor.is_floating_point()
    }
    _Rescaling(arrays, architecture.blocks).run()
    return {
        key: torch.from_numpy(arrays[key].astype(np.float32)) if key in arrays else tensor
        for key, tensor in state.items()
    }


class _Rescaling:
    """Moves factors between the layers of a state dict, in place."""

    def __init__(self, arrays: dict[str, Array], blocks: tuple[int, ...]) -> None:
        self.arrays = arrays
        self.blocks = blocks
        self.statistics = published_statistics()

    def run(self) -> None:
        """Rescale all layers, from the stem to the last."""
        head = [f"head.deconv_layers_{layer}" for layer in (1, 2, 3)]
        published_blocks = read_catalogue()["XS"].architecture.blocks
        for stage, depth in enumerate(self.blocks):
            self._rescale_stage(stage, f"{head[0]}.dwconv")
            for block in range(depth):
                name = f"backbone.stages.{stage}.{block}"
                # The block of the published XS at the same relative depth in its stage.
                published_block = block * (published_blocks[stage] - 1) // max(depth - 1, 1)
                published = f"backbone.stages.{stage}.{published_block}"
                self._rescale_depthwise(name, f"{name}.pwconv1", published)
                self._balance_relu_pair(f"{name}.pwconv1", f"{name}.pwconv2", f"{published}.")
        for name in head:
            self._rescale_depthwise(name, f"{name}.pwconv", name)
        readers = [*(f"{name}.dwconv" for name in head[1:]), "head.final_layer"]
        for name, reader in zip(head, readers, strict=True):
            self._balance_relu_pair(f"{name}.pwconv", reader, "")

    def _rescale_stage(self, stage: int, head: str) -> None:
        """Rescale the channels of a stage's residual connection."""
        last = stage == len(self.blocks) - 1
        between = f"backbone.downsample_layers.{stage + 1}"
        norm = "backbone.norm" if last else f"{between}.0"
        # ``xs_statistics.json`` lacks the BatchNorm after the first stage.
        published = norm if stage else "backbone.downsample_layers.2.0"
        factor = self._rescale_norm(norm, head if last else f"{between}.1", published)
        self._scale_outputs(f"backbone.downsample_layers.{stage}.1", factor)
        for block in range(self.blocks[stage]):
            self._scale_outputs(f"backbone.stages.{stage}.{block}.pwconv2", factor)
            self._unscale_inputs(f"backbone.stages.{stage}.{block}.dwconv", factor)

    def _rescale_depthwise(self, name: str, reader: str, published: str) -> None:
        """Rescale a depthwise convolution and the BatchNorm that follows it."""
        convolution, norm = f"{name}.dwconv", f"{name}.norm"
        self._scale_outputs(convolution, self._rescale_norm(norm, reader, f"{published}.norm"))
        # The mean absorbs any change of the convolution's bias.
        mean = self.arrays[f"{norm}.running_mean"]
        means = self.statistics.batch_norms[f"{published}.norm"]["mean"]
        target = _reorder_by_rank(mean, self.statistics.interpolate(means, len(mean)))
        self.arrays[f"{convolution}.bias"] += target - mean
        self.arrays[f"{norm}.running_mean"] = target

    def _balance_relu_pair(self, writer: str, reader: str, published: str) -> None:
        """Match the ratio of the weights before and after a ReLU to the published one.

        ``published`` is the prefix of both published layers; if empty, their names are the same.
        """
        names = [f"{published}{n.rpartition('.')[2]}" if published else n for n in (writer, reader)]
        target = [self.statistics.convolution_rms[name] for name in names]
        rms = [_channel_rms(self.arrays[f"{writer}.weight"], 0), self._input_rms(reader)]
        factor = np.sqrt(target[0] / rms[0] * (rms[1] / target[1]))
        self._scale_outputs(writer, factor)
        self._unscale_inputs(reader, factor)

    def _rescale_norm(self, norm: str, reader: str, published: str) -> Array:
        """Give a BatchNorm the published ranges; returns the factor (C,) on its input."""
        statistics = self.statistics.batch_norms[published]
        gamma, beta, mean, variance = (
            self.arrays[f"{norm}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        channels = len(gamma)
        new_variance = _reorder_by_rank(
            variance, self.statistics.interpolate(statistics["variance"], channels)
        )
        gammas = self.statistics.interpolate(statistics["gamma"], channels)
        gammas = gammas[np.argsort(np.abs(gammas), kind="stable")]
        # Effective weight on the normalized channel: gamma times the reader's weights.
        gain = np.abs(gamma) / np.sqrt(variance + EPS) * np.sqrt(variance) * self._input_rms(reader)
        # EPS reduces the output of a BatchNorm by this factor.
        eps_factor = np.sqrt(new_variance / (new_variance + EPS))
        new_gamma = _reorder_by_rank(gain / eps_factor, gammas)
        # Limit the reader's weights: see MAX_READER_GAIN.
        min_scale = gain / (MAX_READER_GAIN * np.median(gain / (np.abs(new_gamma) * eps_factor)))
        min_eps_factor = np.minimum(min_scale / np.abs(gammas).max(), 0.99)
        new_variance = np.maximum(new_variance, EPS * min_eps_factor**2 / (1 - min_eps_factor**2))
        eps_factor = np.sqrt(new_variance / (new_variance + EPS))
        new_gamma = np.copysign(np.maximum(np.abs(new_gamma), min_scale / eps_factor), new_gamma)
        factor = np.sqrt(new_variance / variance)
        before = gamma / np.sqrt(variance + EPS)
        after = new_gamma / np.sqrt(new_variance + EPS)
        output = after * factor / before
        self.arrays[f"{norm}.weight"] = new_gamma
        self.arrays[f"{norm}.bias"] = beta * output
        self.arrays[f"{norm}.running_mean"] = mean * factor
        self.arrays[f"{norm}.running_var"] = new_variance
        self._unscale_inputs(reader, output)
        return np.asarray(factor)

    def _scale_outputs(self, layer: str, factor: Array) -> None:
        """Multiply the output channels of a convolution or BatchNorm."""
        weight = self.arrays[f"{layer}.weight"]
        weight *= factor.reshape(-1, *[1] * (weight.ndim - 1))
        self.arrays[f"{layer}.bias"] *= factor

    def _unscale_inputs(self, layer: str, factor: Array) -> None:
        """Divide a convolution's weights by the factor on its input channels."""
        weight = self.arrays[f"{layer}.weight"]
        weight /= factor.reshape((-1, 1, 1, 1) if weight.shape[1] == 1 else (1, -1, 1, 1))

    def _input_rms(self, layer: str) -> Array:
        weight = self.arrays[f"{layer}.weight"]
        return _channel_rms(weight, 0 if weight.shape[1] == 1 else 1)


def _reorder_by_rank(values: Array, ascending: Array) -> Array:
    """Reorder ascending numbers so that their ranks are those of ``values``."""
    ordered = np.empty_like(ascending)
    ordered[np.argsort(values, kind="stable")] = ascending
    return ordered


def _channel_rms(weight: Array, axis: int) -> Array:
    """Root mean square of each channel's weights, summed in a fixed order."""
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    sums: Array = np.add.accumulate(rows * rows, axis=1)[:, -1]
    return np.sqrt(sums / rows.shape[1])
