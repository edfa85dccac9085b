"""Ways to show pictures to a network, each other than the paper's in one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import Field, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from convnextpose_check.human36m import crops
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.network import Network

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import BatchNorm2d

    from convnextpose_check.network.plain import ConvNeXtPose, HeadLayer


@dataclass(frozen=True)
class Condition:
    """One way to show pictures to a network, other than the paper's in one thing, or in two.

    ``box`` (4,) of a sample is what it is cropped to, ``border`` and ``interpolation`` are
    OpenCV's names, ``shown`` makes the network's input of uint8 pixels, whose ``planes`` are in
    this order, ``changed`` changes the plain network, ``upsamplings`` is added to those of its
    head. ``flip`` takes the place of the flip test. ``of`` are the two that it is made of.
    """

    name: str
    done: str
    remedy: str
    box: Callable[[Sample], Array] = lambda sample: sample.box_xywh_px
    border: str = "BORDER_CONSTANT"
    interpolation: str = "INTER_LINEAR"
    shown: Callable[[Tensor], Tensor] = crops.to_input
    changed: Callable[[ConvNeXtPose], object] | None = None
    upsamplings: int = 0
    flip: Callable[[Network, Tensor], Tensor] | None = None
    planes: tuple[int, int, int] = (0, 1, 2)
    of: tuple[Condition, ...] = ()

    def with_other(self, other: Condition) -> Condition | None:
        """Both at once; None where both are about the same thing."""
        own, others = ({f.name for f in fields(c) if _is_set(c, f)} for c in (self, other))
        if not own or not others or own & others:
            return None
        return replace(self, of=(self, other), **{name: getattr(other, name) for name in others})


_WORDS = ("name", "done", "remedy", "of")


def _is_set(condition: Condition, field: Field[Any]) -> bool:
    return field.name not in _WORDS and getattr(condition, field.name) != field.default


def _norms(network: ConvNeXtPose) -> list[BatchNorm2d]:
    from torch.nn import BatchNorm2d

    return [module for module in network.modules() if isinstance(module, BatchNorm2d)]


def _with_eps(eps: float) -> Callable[[ConvNeXtPose], object]:
    def change(network: ConvNeXtPose) -> None:
        for module in _norms(network):
            module.eps = eps

    return change


def _in_training(network: ConvNeXtPose) -> None:
    for module in _norms(network):
        module.running_mean = module.running_var = None


def _in_half(network: ConvNeXtPose) -> None:
    for weights in network.parameters():
        weights.data = weights.data.half().float()


def _corners_left(network: ConvNeXtPose) -> None:
    """Upsample as torch does unless it is told to align corners."""
    from torch.nn.functional import interpolate, relu

    def forward(layer: HeadLayer, x: Tensor) -> Tensor:
        x = relu(layer.pwconv(layer.norm(layer.dwconv(x))))
        return interpolate(x, scale_factor=2, mode="bilinear") if layer.upsamples else x

    for layer in network.head.children():
        if hasattr(layer, "upsamples"):
            layer.forward = lambda x, layer=layer: forward(layer, x)


def _unswapped(network: Network, shown: Tensor) -> Tensor:
    answer, mirrored = network(shown), network(shown.flip(3))
    mirrored[:, :, 0] = network.architecture.heatmap_side - 1 - mirrored[:, :, 0]
    both: Tensor = (answer + mirrored) / 2
    return both


def _grown(factor: float) -> Callable[[Sample], Array]:
    """The sample's box about its middle, its sides multiplied."""

    def grown(sample: Sample) -> Array:
        x, y, w, h = sample.box_xywh_px
        more = np.array([w, h]) * (factor - 1)
        return np.array([x - more[0] / 2, y - more[1] / 2, w + more[0], h + more[1]])

    return grown


def _not_squared(sample: Sample) -> Array:
    """The box with the sides that it had before it was squared; as it is if it was square."""
    x, y, side, _ = sample.box_xywh_px
    if sample.sides_px is None:
        return sample.box_xywh_px
    w, h = side * sample.sides_px / sample.sides_px.max()
    return np.array([x + (side - w) / 2, y + (side - h) / 2, w, h])


def _swapped_statistics(pixels: Tensor) -> Tensor:
    import torch

    mean, std = (
        torch.tensor(each, device=pixels.device).view(3, 1, 1)
        for each in (crops.PIXEL_MEAN_RGB, crops.PIXEL_STD_RGB)
    )
    return (pixels.float() - std) / mean


_INPUT = "Give pixels of 0 to 255, red first, less mean and divided by std of 0 to 1"
_BOX = "Square the annotated box and grow it by 1.25, once"
_NORM = "Leave BatchNorm's eps at 1e-5 and the network in evaluation mode"
_WARP = "Warp with cv2.INTER_LINEAR and a black border"
_HEAD = "Upsample by 2 with align_corners=True, as often as the variant does"

OWN_NETWORK = Condition(
    "own-network",
    "the network computes otherwise than the paper's",
    "Compare it with this suite's network, layer by layer",
)
"""The run's own network, where it is not this suite's."""

CONDITIONS: tuple[Condition, ...] = (
    Condition("divided-by-255", "pixels are divided by 255", _INPUT,
              shown=lambda p: crops.to_input(p / 255)),
    Condition("blue-first", "pixels are blue first", _INPUT, planes=(2, 1, 0)),
    Condition("mean-and-std", "mean and std of the pixels are in each other's place", _INPUT,
              shown=_swapped_statistics),
    Condition("not-normalised", "pixels are given without mean and std", _INPUT,
              shown=lambda p: p.float()),
    Condition("eps", "BatchNorm's eps is 1e-3", _NORM, changed=_with_eps(1e-3)),
    Condition("eps", "BatchNorm's eps is 1e-6", _NORM, changed=_with_eps(1e-6)),
    Condition("batch-statistics", "each BatchNorm takes the statistics of the batch", _NORM,
              changed=_in_training),
    Condition("corners-not-aligned", "the head upsamples without align_corners", _HEAD,
              changed=_corners_left),
    Condition("upsamplings", "the head upsamples once less", _HEAD, upsamplings=-1),
    Condition("upsamplings", "the head upsamples once more", _HEAD, upsamplings=1),
    Condition("half-precision", "weights are rounded to half precision",
              "Keep the weights in float32", changed=_in_half),
    Condition("box-margin", "boxes grow by 1.2, not by 1.25", _BOX, box=_grown(1.2 / 1.25)),
    Condition("box-margin", "boxes do not grow by 1.25", _BOX, box=_grown(1 / 1.25)),
    Condition("box-margin", "boxes grow by 1.25 twice", _BOX, box=_grown(1.25)),
    Condition("box-not-squared", "boxes keep the sides of the annotation", _BOX, box=_not_squared),
    Condition("border", "the border of the picture is repeated instead of black", _WARP,
              border="BORDER_REPLICATE"),
    Condition("interpolation", "crops are warped by cubic interpolation", _WARP,
              interpolation="INTER_CUBIC"),
    Condition("interpolation", "crops are warped to the nearest pixel", _WARP,
              interpolation="INTER_NEAREST"),
    Condition("flip-not-swapped", "left and right are not swapped in the flip test",
              "Swap the pairs of the mirrored pass before averaging", flip=_unswapped),
    Condition("flip-left-out", "the flip test is left out",
              "Take the mean of both passes, as the paper has it",
              flip=lambda network, shown: network(shown)),
    OWN_NETWORK,
)  # fmt: skip
"""The ways that are tried."""

PAPERS_WAY = Condition("", "", "")
