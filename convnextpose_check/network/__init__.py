"""The reference model, the optimized model, models of users; keys and shapes of their weights."""

from typing import Protocol as Interface

from torch import Tensor

from convnextpose_check.variants import Architecture


class Network(Interface):
    """Crops (B, 3, 256, 256) to joint positions (B, J, 3) in heatmap cells."""

    @property
    def architecture(self) -> Architecture:
        """The variant's architecture, which determines J and the heatmap size."""

    def __call__(self, crops: Tensor, /) -> Tensor:
        """Return the positions, in the order x, y, z."""
