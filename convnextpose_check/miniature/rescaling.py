"""Gives a network the numbers of the published XS, and leaves what it computes as it is.

The factor of a convolution's output channel can be taken back by whatever reads the channel: by the
BatchNorm behind it, by the weights of the next convolution (ReLU lets positive factors through),
and for the channels of a stage by all that write and read them. So each BatchNorm gets the
variances, gammas and means of the published one at its place, and the weights follow. Only float64
products, quotients, square roots and sums in a fixed order are used: the same bits everywhere.

What the form does not allow: the published network has channels at rest, with variances or gammas
next to zero, that nothing depends on. Where every channel says something, its reader would need a
weight as large as the gamma is small; ``MAX_READER_GAIN`` ends that.
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

FIGURES_FILE = Path(__file__).with_name("xs_figures.json")

EPS = 1e-5
"""Of every BatchNorm; most of the published variances lie below it."""

MAX_READER_GAIN = 6.0
"""How many times as strongly as the median channel of a BatchNorm any of them is read."""


class NormFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Quantiles over a BatchNorm's channels, at the levels of ``PublishedFigures``."""

    gamma: tuple[float, ...]
    mean: tuple[float, ...]
    variance: tuple[float, ...]


class PublishedFigures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the published XS holds, tensor by tensor, under the network's own names."""

    about: str
    levels: tuple[float, ...]
    batch_norms: dict[str, NormFigures]
    convolution_rms: dict[str, float]

    def spread(self, quantiles: tuple[float, ...], channels: int) -> Array:
        """So many numbers, rising, that have these quantiles."""
        places = np.linspace(0.0, 1.0, channels) if channels > 1 else np.array([0.5])
        levels, values = np.array(self.levels), np.array(quantiles)
        above = np.clip(np.searchsorted(levels, places, side="right"), 1, len(levels) - 1)
        share = (places - levels[above - 1]) / (levels[above] - levels[above - 1])
        spread: Array = values[above - 1] + share * (values[above] - values[above - 1])
        return spread


@cache
def published_figures() -> PublishedFigures:
    """The figures that are kept beside this file."""
    return read_json(FIGURES_FILE, PublishedFigures)


def block_name(stage: int, block: int) -> str:
    """Where a block stands in the network."""
    return f"backbone.stages.{stage}.{block}"


def published_block(stage: int, block: int, depth: int) -> str:
    """The block of the published XS at the same part of a stage that has this depth."""
    published = read_catalogue()["XS"].architecture.blocks[stage]
    return block_name(stage, block * (published - 1) // max(depth - 1, 1))


def rescaled(state: StateDict, architecture: Architecture) -> dict[str, Tensor]:
    """The same function in the published network's numbers; ``state`` has modern keys, no prefix.

    Running variances stay what they were: those of what the BatchNorm is given.
    """
    import torch

    work = _Rescaling(
        {
            key: tensor.numpy().astype(np.float64)
            for key, tensor in state.items()
            if tensor.is_floating_point()
        },
        architecture,
    )
    work.run()
    return {
        key: torch.from_numpy(work.arrays[key].astype(np.float32)) if key in work.arrays else tensor
        for key, tensor in state.items()
    }


class _Rescaling:
    """The state dict while factors are moved about in it."""

    def __init__(self, arrays: dict[str, Array], architecture: Architecture) -> None:
        self.arrays = arrays
        self.blocks = architecture.blocks
        self.figures = published_figures()

    def run(self) -> None:
        """From the stem to the last layer."""
        head = [f"head.deconv_layers_{layer}" for layer in (1, 2, 3)]
        for stage, depth in enumerate(self.blocks):
            self._stream(stage, f"{head[0]}.dwconv")
            for block in range(depth):
                name, published = block_name(stage, block), published_block(stage, block, depth)
                self._depthwise(name, f"{name}.pwconv1", published)
                self._hidden(f"{name}.pwconv1", f"{name}.pwconv2", published)
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
        writer = f"backbone.downsample_layers.{stage}.1"
        self._write(writer, factor)
        for block in range(self.blocks[stage]):
            name = block_name(stage, block)
            self._write(f"{name}.pwconv2", factor)
            self._read(f"{name}.dwconv", factor)

    def _depthwise(self, name: str, reader: str, published: str) -> None:
        """Scale the depthwise convolution by the BatchNorm behind it."""
        convolution, norm = f"{name}.dwconv", f"{name}.norm"
        self._write(convolution, self._renorm(norm, reader, f"{published}.norm"))
        # The convolution's bias is free as well: the mean takes it back.
        mean = self.arrays[f"{norm}.running_mean"]
        wanted = _by_rank(
            mean, self.figures.spread(self.figures.batch_norms[f"{published}.norm"].mean, len(mean))
        )
        self.arrays[f"{convolution}.bias"] += wanted - mean
        self.arrays[f"{norm}.running_mean"] = wanted

    def _hidden(self, writer: str, reader: str, published: str) -> None:
        """Share the weights before and behind a ReLU as the published network does."""
        wanted = [
            self.figures.convolution_rms[f"{published}.{n.rpartition('.')[2]}" if published else n]
            for n in (writer, reader)
        ]
        rms = [_rms(self.arrays[f"{writer}.weight"], 0), self._read_rms(reader)]
        factor = np.sqrt(wanted[0] / rms[0] * (rms[1] / wanted[1]))
        self._write(writer, factor)
        self._read(reader, factor)

    def _renorm(self, norm: str, reader: str, published: str) -> Array:
        """Give a BatchNorm its figures; returns the factor of its input."""
        figures = self.figures.batch_norms[published]
        gamma, beta, mean, variance = (
            self.arrays[f"{norm}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        channels = len(gamma)
        wanted_variance = _by_rank(variance, self.figures.spread(figures.variance, channels))
        signed = self.figures.spread(figures.gamma, channels)
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
        # Of the output: what the scaled input now becomes, against what it became before.
        before, after = (
            gamma / np.sqrt(variance + EPS),
            wanted_gamma / np.sqrt(wanted_variance + EPS),
        )
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
        """Take a factor of its input channels back in a convolution's weights."""
        weight = self.arrays[f"{layer}.weight"]
        weight /= factor.reshape((-1, 1, 1, 1) if weight.shape[1] == 1 else (1, -1, 1, 1))

    def _read_rms(self, layer: str) -> Array:
        weight = self.arrays[f"{layer}.weight"]
        return _rms(weight, 0 if weight.shape[1] == 1 else 1)


def _by_rank(values: Array, rising: Array) -> Array:
    """For the smallest value the first of these numbers, and so on."""
    ordered = np.empty_like(rising)
    ordered[np.argsort(values, kind="stable")] = rising
    return ordered


def _rms(weight: Array, axis: int) -> Array:
    """Root mean square of each channel's weights, summed one after another."""
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1)
    sums: Array = np.add.accumulate(rows * rows, axis=1)[:, -1]
    return np.sqrt(sums / rows.shape[1])
