"""What a network answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.failures import failure, is_lack_of_memory, told_as_failure
from convnextpose_check.evaluation.precision import use_exact_float32
from convnextpose_check.human36m.crops import constant_on
from convnextpose_check.human36m.skeleton import MIRRORED
from convnextpose_check.network import Network

if TYPE_CHECKING:
    from torch import Tensor


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
        opposite = constant_on(mirrored.device, MIRRORED)
        return (cells_xyz + mirrored.index_select(1, opposite)) / 2


class Predictor:
    """Predicts batches in parts that fit the device's memory."""

    def __init__(
        self,
        network: Network,
        flip: bool,
        batch_size: int,
        on_note: Callable[[str], None],
    ) -> None:
        self.network = network
        self.flip = flip
        self.batch_size = batch_size
        self.on_note = on_note

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
            use_exact_float32()  # a network may have switched TF32 on
            return torch.cat([predict(self.network, part, flip=self.flip) for part in parts])
        except ConvNeXtPoseCheckError:
            raise
        except Exception as error:  # noqa: BLE001 - a network may raise anything
            if is_lack_of_memory(error):
                return None
            raise failure(error, "the network") from None
