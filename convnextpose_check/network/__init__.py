"""The reference model, the optimized model, models of users; keys and shapes of their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Protocol as Interface

from convnextpose_check.variants import Architecture

if TYPE_CHECKING:
    from torch import Tensor


class Network(Interface):
    """Crops (B, 3, 256, 256) to joint positions (B, J, 3) in heatmap cells."""

    @property
    def architecture(self) -> Architecture:
        """The variant's architecture, which determines J and the heatmap size."""

    def __call__(self, crops: Tensor, /) -> Tensor:
        """Return the positions, in the order x, y, z."""
