"""Predict a few dozen of a run's samples again, with the verified pipeline and under conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np

from convnextpose_check.diagnosis.regression import distance_cells
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.devices import use_exact_float32
from convnextpose_check.human36m import crops
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.human36m.skeleton import MIRRORED
from convnextpose_check.network import Network
from convnextpose_check.network.layout import build_network

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from convnextpose_check.network.keymap import StateDict
    from convnextpose_check.network.plain import ConvNeXtPose, HeadLayer
    from convnextpose_check.variants import Architecture

SAMPLES, TRIED = 24, 6
"""Samples to predict again, and the first of them for each condition."""

AT_A_TIME = 8
MOST_UPSAMPLINGS = 3


@dataclass(frozen=True)
class Condition:
    """One departure from the verified pipeline between image and position.

    ``box`` changes a sample's crop, ``to_input`` the normalization of uint8 pixels, ``change`` the
    reference model; ``upsamplings`` is added to those of its head.
    """

    name: str
    what: str
    remedy: str
    box: Callable[[Sample], Array] = lambda sample: sample.box_xywh_px
    warp: tuple[str, str] = ("INTER_LINEAR", "BORDER_CONSTANT")
    to_input: Callable[[Tensor], Tensor] = crops.to_input
    change: Callable[[ConvNeXtPose], object] | None = None
    upsamplings: int = 0


Passes = tuple[Array, Array]
"""Positions (N, 18, 3) of the plain and of the mirrored pass, the latter mirrored back."""


def combine(passes: Passes, *, flip: bool) -> dict[str, Array]:
    """Ways to combine the passes by description, the verified pipeline's own first."""
    plain, mirrored = passes
    both = (plain + mirrored) / 2
    if not flip:
        return {"": plain, "the mirrored pass is averaged": both}
    return {
        "": both,
        "only the plain pass counts": plain,
        "only the mirrored pass counts": mirrored,
        "joints of the mirrored pass are not exchanged": (plain + mirrored[:, list(MIRRORED)]) / 2,
    }


class Replay:
    """The verified pipeline on some samples, with the weights of the checkpoint.

    Samples with unusable images are left out; ``used`` has the indices of the others.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        architecture: Architecture,
        state: StateDict,
        device: torch.device,
    ) -> None:
        use_exact_float32()
        self.architecture, self._state, self._device = architecture, state, device
        read = [(index, crops.read_image(sample)) for index, sample in enumerate(samples)]
        pairs = [(index, image) for index, image in read if image is not None]
        self.used = np.array([index for index, _ in pairs], dtype=int)
        self._pairs = [(samples[index], image) for index, image in pairs]

    @cached_property
    def _verified(self) -> Network:
        from convnextpose_check.network.fast import FastConvNeXtPose

        return FastConvNeXtPose(build_network(self.architecture, self._state, self._device))

    def _network(self, condition: Condition) -> Network:
        """The network; a fourth upsampling does not exist and raises ``RuntimeError``."""
        if condition.change is None and condition.upsamplings == 0:
            return self._verified
        upsamplings = self.architecture.head_upsamplings + condition.upsamplings
        if upsamplings > MOST_UPSAMPLINGS:
            raise RuntimeError(upsamplings)
        changed = msgspec.structs.replace(self.architecture, head_upsamplings=upsamplings)
        network = build_network(changed, self._state, self._device)
        if condition.change is not None:
            condition.change(network)
        return network

    def predict(self, condition: Condition | None = None, count: int | None = None) -> Passes:
        """Both passes over the first ``count`` used samples."""
        import torch

        condition = condition or VERIFIED
        network = self._network(condition)
        warped = [
            crops.warp_box(image, condition.box(sample), *condition.warp)
            for sample, image in self._pairs[:count]
        ]
        pixels = torch.from_numpy(np.stack([crops.planes_rgb(crop) for crop in warped]))
        plain, mirrored = [], []
        with torch.inference_mode():
            for part in torch.split(pixels, AT_A_TIME):
                shown = condition.to_input(part.to(self._device))
                plain.append(network(shown).double().cpu().numpy())
                mirrored.append(network(shown.flip(3)).double().cpu().numpy())
        back = np.concatenate(mirrored)[:, list(MIRRORED)]
        back[..., 0] = network.architecture.heatmap_side - 1 - back[..., 0]
        return np.concatenate(plain), back


def try_conditions(
    replay: Replay, run_xyz: Array, advance: Callable[[int], object]
) -> tuple[float, Condition]:
    """The condition that comes nearest to the run's positions (N, 18, 3), and its distance.

    The distance is a mean over joints in cells, for the best way to combine the passes. Positions
    on a heatmap of another size count as they are, and scaled.
    """
    few, found = run_xyz[:TRIED], []
    for condition in CONDITIONS:
        with suppress(ConvNeXtPoseCheckError, RuntimeError):
            passes = replay.predict(condition, TRIED)
            scale = np.array([0.5**condition.upsamplings] * 2 + [1.0])
            left = min(
                float(distance_cells(few, base * factor).mean())
                for base in combine(passes, flip=True).values()
                for factor in (scale, np.ones(3))
            )
            found.append((left, condition))
        advance(1)
    return min(found, key=lambda each: each[0])


def _with_eps(eps: float, network: ConvNeXtPose) -> None:
    for norm in _norms(network):
        norm.eps = eps


def _norms(network: ConvNeXtPose) -> list[Any]:
    from torch.nn import BatchNorm2d

    return [module for module in network.modules() if isinstance(module, BatchNorm2d)]


def _use_batch_statistics(network: ConvNeXtPose) -> None:
    for norm in _norms(network):
        norm.running_mean = norm.running_var = None


def _round_to_half(network: ConvNeXtPose) -> None:
    for weights in network.parameters():
        weights.data = weights.data.half().float()


def _upsample_as(mode: dict[str, Any], network: ConvNeXtPose) -> None:
    from torch.nn.functional import interpolate, relu

    def forward(layer: HeadLayer, x: Tensor) -> Tensor:
        x = relu(layer.pwconv(layer.norm(layer.dwconv(x))))
        return interpolate(x, scale_factor=2, **mode) if layer.upsamples else x

    for layer in network.head.children():
        if hasattr(layer, "upsamples"):
            layer.forward = partial(forward, cast("HeadLayer", layer))


def _exchange_statistics(pixels: Tensor) -> Tensor:
    mean, std = (
        crops.constant_on(pixels.device, each).view(3, 1, 1)
        for each in (crops.PIXEL_MEAN_RGB, crops.PIXEL_STD_RGB)
    )
    return (pixels.float() - std) / mean


def _scale_box(factor: float, sample: Sample) -> Array:
    x, y, w, h = sample.box_xywh_px
    more = np.array([w, h]) * (factor - 1)
    return np.array([x - more[0] / 2, y - more[1] / 2, w + more[0], h + more[1]])


def _annotated_sides(sample: Sample) -> Array:
    x, y, side, _ = sample.box_xywh_px
    if sample.sides_px is None:
        return sample.box_xywh_px
    w, h = side * sample.sides_px / sample.sides_px.max()
    return np.array([x + (side - w) / 2, y + (side - h) / 2, w, h])


_INPUT = "Use pixels of 0 to 255, red first, minus mean, divided by std"
_BOX = "Square the annotated box and grow it by 1.25, once"
_NORM = "Keep BatchNorm's eps at 1e-5 and the network in evaluation mode"
_WARP = "Warp with cv2.INTER_LINEAR and a black border"
_HEAD = "Upsample bilinearly by 2 with align_corners=True, as often as the variant does"

VERIFIED = Condition("verified", "", "")

CONDITIONS: tuple[Condition, ...] = (
    Condition("divided by 255", "pixels are divided by 255", _INPUT,
              to_input=lambda p: crops.to_input(p / 255)),
    Condition("blue first", "pixels are blue first", _INPUT,
              to_input=lambda p: crops.to_input(p.flip(1))),
    Condition("mean and std", "mean and std of the pixels are exchanged", _INPUT,
              to_input=_exchange_statistics),
    Condition("not normalized", "pixels are not normalized", _INPUT, to_input=lambda p: p.float()),
    Condition("eps", "BatchNorm's eps is 1e-3", _NORM, change=partial(_with_eps, 1e-3)),
    Condition("eps", "BatchNorm's eps is 1e-6", _NORM, change=partial(_with_eps, 1e-6)),
    Condition("batch statistics", "each BatchNorm uses the statistics of the batch", _NORM,
              change=_use_batch_statistics),
    Condition("corners", "the head upsamples without align_corners", _HEAD,
              change=partial(_upsample_as, {"mode": "bilinear"})),
    Condition("upsamplings", "the head upsamples once less", _HEAD, upsamplings=-1),
    Condition("upsamplings", "the head upsamples once more", _HEAD, upsamplings=1),
    Condition("half precision", "weights are rounded to half precision",
              "Keep the weights in float32", change=_round_to_half),
    Condition("box margin", "boxes grow by 1.2", _BOX, box=partial(_scale_box, 1.2 / 1.25)),
    Condition("box margin", "boxes do not grow", _BOX, box=partial(_scale_box, 1 / 1.25)),
    Condition("box margin", "boxes grow twice", _BOX, box=partial(_scale_box, 1.25)),
    Condition("box not squared", "boxes keep the sides of the annotation", _BOX,
              box=_annotated_sides),
    Condition("border", "the border of the image is repeated", _WARP,
              warp=("INTER_LINEAR", "BORDER_REPLICATE")),
    Condition("interpolation", "crops are warped by cubic interpolation", _WARP,
              warp=("INTER_CUBIC", "BORDER_CONSTANT")),
    Condition("interpolation", "crops are warped to the nearest pixel", _WARP,
              warp=("INTER_NEAREST", "BORDER_CONSTANT")),
)  # fmt: skip
"""Departures that a regression on verified positions does not show."""
