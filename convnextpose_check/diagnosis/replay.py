"""Predict a few dozen of a run's samples again, with the verified pipeline and under conditions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np

from convnextpose_check.diagnosis.regression import distance_cells
from convnextpose_check.diagnosis.table import scaled_boxes
from convnextpose_check.evaluation.predict import predict_passes
from convnextpose_check.human36m import crops
from convnextpose_check.human36m.annotations import spread
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.human36m.skeleton import MIRRORED
from convnextpose_check.network import Network

if TYPE_CHECKING:
    from torch import Tensor

    from convnextpose_check.run.models import VariantModels

SAMPLES, TRIED, AT_A_TIME = 24, 6, 8
"""Samples to predict again, the first of them for each condition, and samples in a batch."""


@dataclass(frozen=True)
class Condition:
    """One departure from the verified pipeline between image and position.

    ``box`` changes a sample's crop, ``to_input`` the normalization of uint8 pixels.
    """

    what: str
    remedy: str
    box: Callable[[Sample], Array] = lambda sample: sample.box_xywh_px
    border: str = "BORDER_CONSTANT"
    to_input: Callable[[Tensor], Tensor] = crops.to_input


VERIFIED = Condition("", "")
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

    Samples with unusable images are left out; ``indices`` has those of the others.
    """

    def __init__(
        self, samples: Sequence[Sample], models: VariantModels, *, has_own_network: bool
    ) -> None:
        self.checkpoint, self.has_own_network = models.checkpoint.path.name, has_own_network
        self.architecture, self._models = models.variant.architecture, models
        chosen = spread(list(range(len(samples))), SAMPLES)
        read = [(index, crops.read_image(samples[index])) for index in chosen]
        pairs = [(index, image) for index, image in read if image is not None]
        self.indices = np.array([index for index, _ in pairs], dtype=int)
        self._pairs = [(samples[index], image) for index, image in pairs]

    @cached_property
    def _verified(self) -> Network:
        from convnextpose_check.network.fast import FastConvNeXtPose

        return FastConvNeXtPose(self._models.reference)

    def predict(self, condition: Condition = VERIFIED, count: int = SAMPLES) -> Passes:
        """Both passes over the first ``count`` samples."""
        import torch

        network = self._verified
        warped = [
            crops.warp_box(image, condition.box(sample), border=condition.border)
            for sample, image in self._pairs[:count]
        ]
        pixels = torch.from_numpy(np.stack([crops.planes_rgb(crop) for crop in warped]))
        with torch.inference_mode():
            passes = [
                predict_passes(network, condition.to_input(part.to(self._models.devices[0])))
                for part in torch.split(pixels, AT_A_TIME)
            ]
        plain, mirrored = (
            torch.cat(parts).double().cpu().numpy() for parts in zip(*passes, strict=True)
        )
        return plain, mirrored

    def try_conditions(
        self, run_xyz: Array, verified_xyz: Array, say: Callable[[str], None]
    ) -> tuple[float, Condition]:
        """The condition nearest to the run's positions (N, 18, 3), and the share that it leaves.

        This is the least over the ways to combine the passes.
        """
        few, found = run_xyz[:TRIED], []
        apart = float(distance_cells(few, verified_xyz[:TRIED]).mean())
        for condition in CONDITIONS:
            say(f"predicted again: {condition.what}")
            bases = combine(self.predict(condition, TRIED), flip=True).values()
            left = min(float(distance_cells(few, base).mean()) for base in bases)
            found.append((left / max(apart, 1e-9), condition))
        return min(found, key=lambda each: each[0])


def _exchange_statistics(pixels: Tensor) -> Tensor:
    mean, std = (
        crops.constant_on(pixels.device, each).view(3, 1, 1)
        for each in (crops.PIXEL_MEAN_RGB, crops.PIXEL_STD_RGB)
    )
    return (pixels.float() - std) / mean


def _scale_box(factor: float, sample: Sample) -> Array:
    return scaled_boxes(sample.box_xywh_px, factor)


def _annotated_sides(sample: Sample) -> Array:
    x, y, side, _ = sample.box_xywh_px
    if sample.sides_px is None:
        return sample.box_xywh_px
    w, h = side * sample.sides_px / sample.sides_px.max()
    return np.array([x + (side - w) / 2, y + (side - h) / 2, w, h])


_INPUT = "Use pixels of 0 to 255, red first, minus mean, divided by std"
_BOX = "Square the annotated box and grow it by 1.25, once"

CONDITIONS: tuple[Condition, ...] = (
    Condition("pixels are divided by 255", _INPUT, to_input=lambda p: crops.to_input(p / 255)),
    Condition("pixels are blue first", _INPUT, to_input=lambda p: crops.to_input(p.flip(1))),
    Condition("mean and std of the pixels are exchanged", _INPUT, to_input=_exchange_statistics),
    Condition("pixels are not normalized", _INPUT, to_input=lambda p: p.float()),
    Condition("boxes grow by 1.2", _BOX, box=partial(_scale_box, 1.2 / 1.25)),
    Condition("boxes do not grow", _BOX, box=partial(_scale_box, 1 / 1.25)),
    Condition("boxes grow twice", _BOX, box=partial(_scale_box, 1.25)),
    Condition("boxes keep the sides of the annotation", _BOX, box=_annotated_sides),
    Condition("the border of the image is repeated", "Warp with a black border",
              border="BORDER_REPLICATE"),
)  # fmt: skip
"""Departures that a regression on verified positions does not show."""
