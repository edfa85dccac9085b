"""Gives a network the value ranges of the published XS without changing what it computes.

The layer that reads a convolution's output channel can undo a factor on it: the BatchNorm behind
it, the weights of the next convolution (ReLU commutes with positive factors), and, for the channels
of a stage, all layers that write and read them. So each BatchNorm gets the variances, gammas and
means of the published one, and the weights follow. Only float64 products, quotients, square roots
and sums in a fixed order are used, so the bits are the same everywhere.

One thing cannot be taken over: the published network has dead channels, with variances or gammas
near zero. Where every channel matters, the reader of such a channel would need a weight as large as
the gamma is small; ``MAX_READER_GAIN`` limits that.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from convnextpose_check.files.json_files import read_json
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.network.keymap import StateDict
from convnextpose_check.variants import Architecture, read_catalogue

if TYPE_CHECKING:
    from torch import Tensor

EPS = 1e-5
"""Of every BatchNorm; most of the published variances lie below it."""

MAX_READER_GAIN = 6.0
"""The largest gain by which a channel of a BatchNorm is read, relative to the median channel."""


class PublishedStatistics(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Value ranges of the published XS by layer, under modern keys.

    ``batch_norms`` has the quantiles of gamma, mean and variance at these ``levels``.
    """

    about: str
    levels: tuple[float, ...]
    batch_norms: dict[str, dict[str, tuple[float, ...]]]
    convolution_rms: dict[str, float]

    def spread(self, quantiles: tuple[float, ...], channels: int) -> Array:
        """Ascending values (channels,) with these quantiles."""
        positions = np.linspace(0.0, 1.0, channels) if channels > 1 else np.array([0.5])
        levels, values = np.array(self.levels), np.array(quantiles)
        above = np.clip(np.searchsorted(levels, positions, side="right"), 1, len(levels) - 1)
        share = (positions - levels[above - 1]) / (levels[above] - levels[above - 1])
        spread: Array = values[above - 1] + share * (values[above] - values[above - 1])
        return spread


@cache
def published_statistics() -> PublishedStatistics:
    """Read ``xs_statistics.json``."""
    return read_json(Path(__file__).with_name("xs_statistics.json"), PublishedStatistics)


def rescaled(state: StateDict, architecture: Architecture) -> dict[str, Tensor]:
    """The same function with the published value ranges; ``state`` has modern keys, no prefix."""
    import torch

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
        """Rescale all layers from the stem to the last."""
        head = [f"head.deconv_layers_{layer}" for layer in (1, 2, 3)]
        published_blocks = read_catalogue()["XS"].architecture.blocks
        for stage, depth in enumerate(self.blocks):
            self._stream(stage, f"{head[0]}.dwconv")
            for block in range(depth):
                name = f"backbone.stages.{stage}.{block}"
                # The block of the published XS at the same part of its stage.
                same = block * (published_blocks[stage] - 1) // max(depth - 1, 1)
                published = f"backbone.stages.{stage}.{same}"
                self._depthwise(name, f"{name}.pwconv1", published)
                self._hidden(f"{name}.pwconv1", f"{name}.pwconv2", f"{published}.")
        for name in head:
            self._depthwise(name, f"{name}.pwconv", name)
        readers = [*(f"{name}.dwconv" for name in head[1:]), "head.final_layer"]
        for name, reader in zip(head, readers, strict=True):
            self._hidden(f"{name}.pwconv", reader, "")

    def _stream(self, stage: int, head: str) -> None:
        """Scale the channels that the blocks of a stage add to."""
        last = stage == len(self.blocks) - 1
        between = f"backbone.downsample_layers.{stage + 1}"
        norm = "backbone.norm" if last else f"{between}.0"
        # The file lacks the BatchNorm after the first stage.
        published = norm if stage else "backbone.downsample_layers.2.0"
        factor = self._renorm(norm, head if last else f"{between}.1", published)
        self._write(f"backbone.downsample_layers.{stage}.1", factor)
        for block in range(self.blocks[stage]):
            self._write(f"backbone.stages.{stage}.{block}.pwconv2", factor)
            self._read(f"backbone.stages.{stage}.{block}.dwconv", factor)

    def _depthwise(self, name: str, reader: str, published: str) -> None:
        """Scale the depthwise convolution by the BatchNorm behind it."""
        convolution, norm = f"{name}.dwconv", f"{name}.norm"
        self._write(convolution, self._renorm(norm, reader, f"{published}.norm"))
        # The convolution's bias is free as well: the mean absorbs it.
        mean = self.arrays[f"{norm}.running_mean"]
        means = self.statistics.batch_norms[f"{published}.norm"]["mean"]
        wanted = _by_rank(mean, self.statistics.spread(means, len(mean)))
        self.arrays[f"{convolution}.bias"] += wanted - mean
        self.arrays[f"{norm}.running_mean"] = wanted

    def _hidden(self, writer: str, reader: str, published: str) -> None:
        """Split the weights before and behind a ReLU as the published network does.

        ``published`` is the prefix of both layers there; if it is empty, the names are the same.
        """
        names = [f"{published}{n.rpartition('.')[2]}" if published else n for n in (writer, reader)]
        wanted = [self.statistics.convolution_rms[name] for name in names]
        rms = [_rms(self.arrays[f"{writer}.weight"], 0), self._read_rms(reader)]
        factor = np.sqrt(wanted[0] / rms[0] * (rms[1] / wanted[1]))
        self._write(writer, factor)
        self._read(reader, factor)

    def _renorm(self, norm: str, reader: str, published: str) -> Array:
        """Give a BatchNorm the published ranges; returns the factor (C,) of its input."""
        statistics = self.statistics.batch_norms[published]
        gamma, beta, mean, variance = (
            self.arrays[f"{norm}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        channels = len(gamma)
        wanted_variance = _by_rank(
            variance, self.statistics.spread(statistics["variance"], channels)
        )
        signed = self.statistics.spread(statistics["gamma"], channels)
        signed = signed[np.argsort(np.abs(signed), kind="stable")]
        # How strongly a channel is read, for an output of the BatchNorm as large as its input.
        read = np.abs(gamma) / np.sqrt(variance + EPS) * np.sqrt(variance) * self._read_rms(reader)
        damped = np.sqrt(wanted_variance / (wanted_variance + EPS))
        wanted_gamma = _by_rank(read / damped, signed)
        # No channel may have to be read much more strongly than the others.
        least = read / (MAX_READER_GAIN * np.median(read / (np.abs(wanted_gamma) * damped)))
        damping = np.minimum(least / np.abs(signed).max(), 0.99)
        wanted_variance = np.maximum(wanted_variance, EPS * damping**2 / (1 - damping**2))
        damped = np.sqrt(wanted_variance / (wanted_variance + EPS))
        wanted_gamma = np.copysign(np.maximum(np.abs(wanted_gamma), least / damped), wanted_gamma)
        factor = np.sqrt(wanted_variance / variance)
        before = gamma / np.sqrt(variance + EPS)
        after = wanted_gamma / np.sqrt(wanted_variance + EPS)
        output = after * factor / before
        self.arrays[f"{norm}.weight"] = wanted_gamma
        self.arrays[f"{norm}.bias"] = beta * output
        self.arrays[f"{norm}.running_mean"] = mean * factor
        self.arrays[f"{norm}.running_var"] = wanted_variance
        self._read(reader, output)
        return np.asarray(factor)

    def _write(self, layer: str, factor: Array) -> None:
        """Multiply the output channels of a convolution, or of a BatchNorm."""
        weight = self.arrays[f"{layer}.weight"]
        weight *= factor.reshape(-1, *[1] * (weight.ndim - 1))
        self.arrays[f"{layer}.bias"] *= factor

    def _read(self, layer: str, factor: Array) -> None:
        """Divide a convolution's weights by a factor of its input channels."""
        weight = self.arrays[f"{layer}.weight"]
        weight /= factor.reshape((-1, 1, 1, 1) if weight.shape[1] == 1 else (1, -1, 1, 1))

    def _read_rms(self, layer: str) -> Array:
        weight = self.arrays[f"{layer}.weight"]
        return _rms(weight, 0 if weight.shape[1] == 1 else 1)


def _by_rank(values: Array, ascending: Array) -> Array:
    """The ascending numbers in the order of the values' ranks."""
    ordered = np.empty_like(ascending)
    ordered[np.argsort(values, kind="stable")] = ascending
    return ordered


def _rms(weight: Array, axis: int) -> Array:
    """Root mean square of each channel's weights, summed one after another."""
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    sums: Array = np.add.accumulate(rows * rows, axis=1)[:, -1]
    return np.sqrt(sums / rows.shape[1])
