"""What cannot be undone on positions: a few samples are shown to the network again, otherwise.

Each condition is told by its answers: either they are what the run has recorded, and then the run
did so, or they come nearer to the truth than those of the paper's way, and then the network expects
it so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from convnextpose_check.diagnosis.case import Case
from convnextpose_check.diagnosis.cause import ALIKE
from convnextpose_check.diagnosis.conditions import CONDITIONS, OWN_NETWORK, PAPERS_WAY, Condition
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.devices import use_exact_float32
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

    from convnextpose_check.network.keymap import StateDict
    from convnextpose_check.network.plain import ConvNeXtPose
    from convnextpose_check.variants import Architecture

TRIED, SAMPLES = 6, 24
"""So many are shown again under every condition, and under those that may be the cause."""

AT_A_TIME = 8


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
        plain = self._case(few, pictures, PAPERS_WAY, self._papers) if images else None
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
        boxes = [how.box(sample) for sample in few]
        pixels = _warped(images, boxes, how)
        cells_xyz = _answers(network, pixels, how, self.device, self.flip)
        case = Case.at(few, cells_xyz, network.architecture.grid_whd, self.protocol)
        return dataclasses.replace(case, boxes_px=np.array(boxes, dtype=np.float64))

    def _network(self, condition: Condition) -> Network | None:
        """The network under the condition; None where it cannot be had."""
        if condition is OWN_NETWORK:
            return self.judged
        if condition.changed is None and not condition.upsamplings:
            return self._papers
        network = self._built(condition.upsamplings)
        if network is not None and condition.changed is not None:
            condition.changed(network)
        return network

    @cached_property
    def _papers(self) -> Network:
        """The paper's network with the run's weights; the run's own where they do not fit it."""
        from convnextpose_check.network.fast import FastConvNeXtPose

        plain = self._built()
        return self.judged if plain is None else FastConvNeXtPose(plain)

    def _built(self, more_upsamplings: int = 0) -> ConvNeXtPose | None:
        """The plain network with the run's weights; None where there is none."""
        upsamplings = self.architecture.head_upsamplings + more_upsamplings
        if self.state is None or not 0 <= upsamplings <= 3:
            return None
        changed = msgspec.structs.replace(self.architecture, head_upsamplings=upsamplings)
        try:
            return build_network(changed, self.state, self.device)
        except ConvNeXtPoseCheckError:
            return None


def rerun(way: Way, case: Case, reference_mm: float) -> Reruns:
    """Try every condition on a few samples, and those on more that may be the cause.

    They are the two that give the run's positions best, and the two that bring the error nearest to
    the reference. Where none gives the positions again, each is tried together with the one that
    does so best.
    """
    first = way.gone(TRIED, CONDITIONS)
    if first.plain is None or not first.others:
        return first
    few = case.take(first.numbers)
    excess_mm = case.error_mm - reference_mm

    def apart_mm(other: Rerun) -> float:
        return few.distance_mm(other.case)

    def left_mm(other: Rerun) -> float:
        return abs(excess_mm - few.error_mm + other.case.error_mm)

    nearest = sorted(first.others, key=apart_mm)[:2]
    likely = [*nearest, *sorted(first.others, key=left_mm)[:2]]
    if apart_mm(nearest[0]) > (1 - ALIKE) * few.distance_mm(first.plain):
        pairs = [nearest[0].condition.with_other(other) for other in CONDITIONS]
        second = way.gone(TRIED, [pair for pair in pairs if pair is not None])
        likely += sorted(second.others, key=apart_mm)[:1]
    return way.gone(SAMPLES, list(dict.fromkeys(other.condition for other in likely)))


def _warped(images: Sequence[Array], boxes: Sequence[Array], condition: Condition) -> Tensor:
    """The crops (N, 3, 256, 256) uint8, red first."""
    import torch

    how = (condition.interpolation, condition.border)
    pairs = zip(images, boxes, strict=True)
    warped = [crops.planes_rgb(crops.warp_box(image, box, *how)) for image, box in pairs]
    return torch.from_numpy(np.stack(warped)[:, list(condition.planes)])


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
