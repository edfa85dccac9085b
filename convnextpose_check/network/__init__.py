"""The network: reference, optimized or the user's own; its keys, layout and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Protocol as Interface

from convnextpose_check.variants import Architecture

if TYPE_CHECKING:
    from torch import Tensor


class Network(Interface):
    """A function from crops (B, 3, 256, 256) to joint positions (B, J, 3) in heatmap cells."""

    @property
    def architecture(self) -> Architecture:
        """The architecture that it computes."""

    def __call__(self, crops: Tensor, /) -> Tensor:
        """The positions, order x, y, z."""
