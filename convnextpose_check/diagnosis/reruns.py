"""What cannot be undone on positions: a few samples are shown to the network again, otherwise.

Each condition is told by its answers: either they are what the run has recorded, and then the run
did so, or they come nearer to the truth than those of the paper's way, and then the network expects
it so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.evaluation.precision import use_exact_float32
from convnextpose_check.evaluation.predict import predict
from convnextpose_check.human36m import crops
from convnextpose_check.human36m.annotations import spread
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.network import Network
from convnextpose_check.network.layout import build_network

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.nn import BatchNorm2d

    from convnextpose_check.network.keymap import StateDict
    from convnextpose_check.network.plain import ConvNeXtPose, HeadLayer
    from convnextpose_check.variants import Architecture

TRIED, SAMPLES = 6, 24
"""So many are shown again under every condition, and under those that may be the cause."""

AT_A_TIME = 8


@dataclass(frozen=True)
class Condition:
    """One way to show pictures to a network, other than the paper's in one thing.

    ``box`` multiplies the box's sides, ``border`` and ``interpolation`` are OpenCV's names,
    ``shown`` makes the network's input of uint8 pixels, ``changed`` changes the plain network,
    ``upsamplings`` is added to those of its head. ``flip`` takes the place of the flip test.
    """

    name: str
    done: str
    remedy: str
    box: float = 1.0
    border: str = "BORDER_CONSTANT"
    interpolation: str = "INTER_LINEAR"
    shown: Callable[[Tensor], Tensor] = crops.to_input
    changed: Callable[[ConvNeXtPose], object] | None = None
    upsamplings: int = 0
    flip: Callable[[Network, Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Rerun:
    """What the network says of the few samples under one condition."""

    condition: Condition
    case: Case


@dataclass(frozen=True)
class Reruns:
    """The few samples, by their ``numbers`` among all, the paper's way and otherwise.

    ``plain`` is None where there are none.
    """

    numbers: Array
    plain: Case | None
    others: tuple[Rerun, ...]


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

CONDITIONS: tuple[Condition, ...] = (
    Condition("divided-by-255", "pixels are divided by 255", _INPUT,
              shown=lambda p: crops.to_input(p / 255)),
    Condition("blue-first", "pixels are blue first", _INPUT,
              shown=lambda p: crops.to_input(p.flip(1))),
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
    Condition("box-margin", "boxes grow by 1.2, not by 1.25", _BOX, box=1.2 / 1.25),
    Condition("box-margin", "boxes do not grow by 1.25", _BOX, box=1 / 1.25),
    Condition("box-margin", "boxes grow by 1.25 twice", _BOX, box=1.25),
    Condition("border", "the border of the picture is repeated instead of black", _WARP,
              border="BORDER_REPLICATE"),
    Condition("interpolation", "crops are warped by cubic interpolation", _WARP,
              interpolation="INTER_CUBIC"),
    Condition("interpolation", "crops are warped to the nearest pixel", _WARP,
              interpolation="INTER_NEAREST"),
    Condition("own-network", "the network computes otherwise than the paper's",
              "Compare it with this suite's network, layer by layer", changed=id),
    Condition("flip-not-swapped", "left and right are not swapped in the flip test",
              "Swap the pairs of the mirrored pass before averaging", flip=_unswapped),
)  # fmt: skip
"""The ways that are tried."""

PAPERS_WAY = Condition("", "", "")


@dataclass(frozen=True)
class Way:
    """The way from a run's samples to its positions, as far as it can be gone again.

    ``judged`` is what the run has evaluated, ``state`` its weights under the network's own names,
    None where nobody but it knows them: what changes the network is then not tried.
    """

    samples: Sequence[Sample]
    protocol: int
    judged: Network
    state: StateDict | None
    architecture: Architecture
    device: torch.device
    flip: bool

    def gone(self, count: int, conditions: Sequence[Condition]) -> Reruns:
        """Show so many of the samples again; images that cannot be read are passed over."""
        use_exact_float32()
        numbered = spread(list(enumerate(self.samples)), count)
        read = [(number, crops.read_image(sample)) for number, sample in numbered]
        images = {number: image for number, image in read if image is not None}
        numbers = np.array(list(images), dtype=int)
        few, pictures = [self.samples[n] for n in numbers], list(images.values())
        plain = self._case(few, pictures, PAPERS_WAY, self.judged) if images else None
        others = []
        for condition in conditions if images else ():
            if condition.flip is not None and not self.flip:
                continue
            network = self._network(condition)
            if network is not None:
                others.append(Rerun(condition, self._case(few, pictures, condition, network)))
        return Reruns(numbers, plain, tuple(others))

    def _case(
        self, few: Sequence[Sample], images: Sequence[Array], how: Condition, network: Network
    ) -> Case:
        boxes = [_grown(sample.box_xywh_px, how.box) for sample in few]
        pixels = _warped(images, boxes, how)
        cells_xyz = _answers(network, pixels, how, self.device, self.flip)
        case = Case.at(few, cells_xyz, network.architecture.grid_whd, self.protocol)
        return dataclasses.replace(case, boxes_px=np.array(boxes, dtype=np.float64))

    def _network(self, condition: Condition) -> Network | None:
        """The network under the condition; None where it cannot be had."""
        if condition.changed is None and not condition.upsamplings:
            return self.judged
        upsamplings = self.architecture.head_upsamplings + condition.upsamplings
        if self.state is None or not 0 <= upsamplings <= 3:
            return None
        changed = msgspec.structs.replace(self.architecture, head_upsamplings=upsamplings)
        network = build_network(changed, self.state, self.device)
        if condition.changed is not None:
            condition.changed(network)
        return network


def rerun(way: Way, case: Case, reference_mm: float) -> Reruns:
    """Try every condition on a few samples, and those on more that may be the cause.

    They are the one that gives the run's positions best, and the two that bring the error nearest
    to the reference.
    """
    first = way.gone(TRIED, CONDITIONS)
    if not first.others:
        return first
    few = case.take(first.numbers)
    excess_mm = case.error_mm - reference_mm

    def left_mm(other: Rerun) -> float:
        return abs(excess_mm - few.error_mm + other.case.error_mm)

    nearest = min(first.others, key=lambda other: few.distance_mm(other.case))
    likely = [nearest, *sorted(first.others, key=left_mm)[:2]]
    return way.gone(SAMPLES, list(dict.fromkeys(other.condition for other in likely)))


def _grown(box_xywh_px: Array, factor: float) -> Array:
    """The box about its middle, its sides multiplied; as it is for 1."""
    if factor == 1:
        return box_xywh_px
    x, y, w, h = box_xywh_px
    return np.array([x + w * (1 - factor) / 2, y + h * (1 - factor) / 2, w * factor, h * factor])


def _warped(images: Sequence[Array], boxes: Sequence[Array], condition: Condition) -> Tensor:
    """The crops (N, 3, 256, 256) uint8, red first."""
    import torch

    how = (condition.interpolation, condition.border)
    pairs = zip(images, boxes, strict=True)
    warped = [crops.planes_rgb(crops.warp_box(image, box, *how)) for image, box in pairs]
    return torch.from_numpy(np.stack(warped))


def _answers(
    network: Network, pixels: Tensor, condition: Condition, device: torch.device, flip: bool
) -> Array:
    import torch

    def asked(part: Tensor) -> Tensor:
        shown = condition.shown(part.to(device))
        if condition.flip is None:
            return predict(network, shown, flip=flip)
        return condition.flip(network, shown)

    with torch.inference_mode():
        answers = torch.cat([asked(part) for part in torch.split(pixels, AT_A_TIME)])
    cells_xyz: Array = answers.float().cpu().numpy()
    return cells_xyz
