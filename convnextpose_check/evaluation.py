"""Run a network over a data set and measure its error."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any
from typing import Protocol as Interface

import numpy as np

from convnextpose_check.crops import Crop, read_crops, to_input
from convnextpose_check.devices import synchronise
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.geometry import Array
from convnextpose_check.human36m import Dataset, Exclusion
from convnextpose_check.metrics import joint_errors_mm
from convnextpose_check.skeleton import ACTIONS, ANNOTATED_JOINTS, JOINTS, MIRRORED
from convnextpose_check.variants import Architecture, Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Network(Interface):
    """Whatever turns crops (B, 3, 256, 256) into joint positions (B, J, 3) in heatmap cells."""

    @property
    def architecture(self) -> Architecture:
        """What it is built of."""

    def __call__(self, crops: Tensor, /) -> Any:
        """The positions, order x, y, z."""


@dataclass(frozen=True)
class Evaluation:
    """What one network made of one data set.

    ``errors_mm`` is (N, 17) float64 in the order of the samples that could be read; under
    protocol 1 they are errors after rigid alignment. ``cells_xyz`` is (N, 18, 3) float32, what
    the network said. ``file_names`` tell the samples apart. ``complete`` says whether these are
    all the samples that the protocol has. ``images_sha256`` is taken over the sha256 of every
    image file.
    """

    protocol: Protocol
    errors_mm: Array
    cells_xyz: Array
    image_ids: tuple[int, ...]
    file_names: tuple[str, ...]
    actions: tuple[str, ...]
    unreadable: tuple[Exclusion, ...]
    complete: bool
    images_sha256: str
    seconds: float
    batch_size: int

    @property
    def error_mm(self) -> float:
        """MPJPE or PA-MPJPE: the mean over samples and joints, not over actions."""
        return float(np.mean(self.errors_mm))

    def per_action_mm(self) -> dict[str, float]:
        """The mean error of each action that has samples."""
        actions = np.array(self.actions)
        return {
            action: float(np.mean(self.errors_mm[actions == action]))
            for action in ACTIONS.values()
            if action in self.actions
        }

    def per_joint_mm(self) -> dict[str, float]:
        """The mean error of each joint."""
        means = self.errors_mm.mean(axis=0)
        return dict(zip(JOINTS[:ANNOTATED_JOINTS], map(float, means), strict=True))


def evaluate(
    network: Network,
    dataset: Dataset,
    device: torch.device,
    *,
    flip: bool,
    batch_size: int,
    workers: int,
    on_progress: Callable[[int], None] = lambda _count: None,
    on_note: Callable[[str], None] = lambda _note: None,
) -> Evaluation:
    """Predict every sample and measure it; ``on_progress`` hears of each batch's samples.

    Where the device's memory is too small for a batch, batches are halved, ``on_note`` is told,
    and the evaluation goes on.

    An image that cannot be read or decoded, or has not its annotated size, is left out and named
    in the result, which is then not complete. Raises ``ConvNeXtPoseCheckError``: ``no-data`` if
    none can be used, ``not-finite`` if the network answers with NaN, ``out-of-memory`` if one
    image is too many.
    """
    import torch

    started = time.perf_counter()
    grid_whd = network.architecture.grid_whd
    predictor = Predictor(network, flip, batch_size, on_note)
    images = hashlib.sha256()
    measured: list[Crop] = []
    unreadable: list[Exclusion] = []
    errors_mm: list[Array] = []
    predicted_cells_xyz: list[Array] = []
    for batch in _batches(read_crops(dataset.samples, workers), batch_size):
        readable = [(crop, crop.pixels_rgb) for crop in batch if crop.pixels_rgb is not None]
        for crop in batch:
            images.update(bytes.fromhex(crop.sha256))
            if crop.problem is not None:
                path = crop.sample.path
                unreadable.append(Exclusion(crop.sample.image_id, path.name, crop.problem))
        if readable:
            pixels = torch.from_numpy(np.stack([pixels_rgb for _, pixels_rgb in readable]))
            cells_xyz = predictor(to_input(pixels.to(device))).cpu().numpy()
            if not np.isfinite(cells_xyz).all():
                raise ConvNeXtPoseCheckError(
                    "not-finite",
                    f"the network answers {readable[0][0].sample.path.name} or a near one with NaN",
                    "Check the weights",
                )
            for (crop, _), cells in zip(readable, cells_xyz, strict=True):
                measured.append(crop)
                predicted_cells_xyz.append(cells)
                errors_mm.append(joint_errors_mm(cells, crop.sample, grid_whd, dataset.protocol))
        on_progress(len(batch))
    synchronise(device)
    if not measured:
        raise ConvNeXtPoseCheckError(
            "no-data",
            f"none of the {len(dataset.samples)} images below {dataset.layout.root} can be used,"
            f" the first because {unreadable[0].reason}",
            "Fetch the images again",
        )
    return Evaluation(
        protocol=dataset.protocol,
        errors_mm=np.array(errors_mm, dtype=np.float64),
        cells_xyz=np.array(predicted_cells_xyz),
        image_ids=tuple(crop.sample.image_id for crop in measured),
        file_names=tuple(crop.sample.path.name for crop in measured),
        actions=tuple(crop.sample.action for crop in measured),
        unreadable=tuple(unreadable),
        complete=dataset.is_complete() and not unreadable,
        images_sha256=images.hexdigest(),
        seconds=time.perf_counter() - started,
        batch_size=predictor.batch_size,
    )


def predict(network: Network, crops: Tensor, *, flip: bool) -> Tensor:
    """Joint positions (B, 18, 3) in heatmap cells; with ``flip`` averaged with the mirrored crop's.

    Both go through the network in one batch. Mirrored columns count from the other end, and left
    and right joints change places.
    """
    import torch

    with torch.inference_mode():
        if not flip:
            cells_xyz: Tensor = network(crops)
            return cells_xyz
        both: Tensor = network(torch.cat([crops, crops.flip(3)]))
        cells_xyz, mirrored = both.chunk(2)
        mirrored[:, :, 0] = network.architecture.heatmap_side - mirrored[:, :, 0] - 1
        return (cells_xyz + mirrored[:, MIRRORED]) / 2


class Predictor:
    """Predicts batches in parts that fit the device's memory."""

    def __init__(
        self, network: Network, flip: bool, batch_size: int, on_note: Callable[[str], None]
    ) -> None:
        self.network = network
        self.flip = flip
        self.batch_size = batch_size
        self.on_note = on_note

    def __call__(self, crops: Tensor) -> Tensor:
        """Predict (B, 3, 256, 256) crops, halving the parts until they fit."""
        import torch

        while True:
            try:
                parts = torch.split(crops, self.batch_size)
                return torch.cat([predict(self.network, part, flip=self.flip) for part in parts])
            except torch.OutOfMemoryError:
                if self.batch_size == 1:
                    raise ConvNeXtPoseCheckError(
                        "out-of-memory",
                        f"the memory of {crops.device} is too small for a single image",
                        "End what else runs there, or use --device cpu",
                    ) from None
            self.batch_size = max(1, min(self.batch_size, len(crops)) // 2)
            torch.cuda.empty_cache()
            self.on_note(f"out of memory on {crops.device}: going on with {self.batch_size} images")


def _batches(crops: Iterable[Crop], size: int) -> Iterator[list[Crop]]:
    remaining = iter(crops)
    while batch := list(islice(remaining, size)):
        yield batch
