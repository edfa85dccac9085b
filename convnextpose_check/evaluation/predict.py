"""What a network answers, and what one made of a data set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.devices import Precision, float32_products
from convnextpose_check.evaluation.failures import failure, is_lack_of_memory, told_as_failure
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Exclusion
from convnextpose_check.human36m.skeleton import ACTIONS, ANNOTATED_JOINTS, JOINTS, MIRRORED
from convnextpose_check.network import Network
from convnextpose_check.variants import Protocol

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Evaluation:
    """What one network made of one data set.

    ``errors_mm`` is (N, 17) float64 in the order of the samples that could be read; under
    protocol 1 they are errors after rigid alignment. ``cells_xyz`` is (N, 18, 3) float32, what
    the network said. ``file_names`` tell the samples apart. ``complete`` says whether these are
    all the samples that the protocol has. ``images_sha256`` is taken over the sha256 of every
    image file. ``seconds`` the network itself took; ``reading_seconds`` went by waiting for images,
    for all networks that were shown them together. Computed in another precision than float32, the
    error is ``moved_mm`` larger than float32's, over ``compared`` samples. ``alike`` names the
    files that are copies of an earlier one, each with that one.
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
    reading_seconds: float = 0.0
    precision: Precision = "fp32"
    moved_mm: float | None = None
    compared: int = 0
    alike: tuple[tuple[str, str], ...] = ()

    @property
    def misplaced(self) -> tuple[tuple[str, str], ...]:
        """Those of ``alike`` that are of different sequences: one stands in another's place."""
        return tuple(pair for pair in self.alike if not _of_one_sequence(*pair))

    @property
    def repeated(self) -> tuple[tuple[str, str], ...]:
        """Those of ``alike`` that are of one sequence: a camera may have repeated a frame."""
        return tuple(pair for pair in self.alike if _of_one_sequence(*pair))

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


def _of_one_sequence(one: str, other: str) -> bool:
    """Whether two image files are of one take and camera: their names differ in the frame."""
    return one.rpartition("_")[0] == other.rpartition("_")[0] != ""


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
        self,
        network: Network,
        flip: bool,
        batch_size: int,
        on_note: Callable[[str], None],
        precision: Precision = "fp32",
    ) -> None:
        self.network = network
        self.flip = flip
        self.batch_size = batch_size
        self.on_note = on_note
        self.precision = precision

    def __call__(self, crops: Tensor) -> Tensor:
        """Predict (B, 3, 256, 256) crops, halving the parts until they fit.

        Whatever the network raises is its failure: ``out-of-memory`` if one image is too many,
        else ``network-failed``.
        """
        import torch

        while (answer := self._answer(crops)) is None:
            if self.batch_size == 1:
                raise ConvNeXtPoseCheckError(
                    "out-of-memory",
                    f"the memory of {crops.device} is too small for a single image",
                    "End what else runs there, or use --device cpu",
                )
            self.batch_size = max(1, min(self.batch_size, len(crops)) // 2)
            with told_as_failure(str(crops.device), "device-failed"):
                torch.cuda.empty_cache()
            self.on_note(f"out of memory on {crops.device}: going on with {self.batch_size} images")
        return answer

    def _answer(self, crops: Tensor) -> Tensor | None:
        """What the network says, None where memory is too small for parts of this size."""
        import torch

        try:
            parts = torch.split(crops, self.batch_size)
            with float32_products(self.precision):
                answers = [predict(self.network, part, flip=self.flip) for part in parts]
            return torch.cat(answers)
        except ConvNeXtPoseCheckError:
            raise
        except Exception as error:  # noqa: BLE001 - a network may raise anything
            if is_lack_of_memory(error):
                return None
            raise failure(error, "the network") from None
