"""The network: plain, rearranged for speed, or a user's own; its keys, its layout and its cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from typing import Protocol as Interface

from convnextpose_check.variants import Architecture

if TYPE_CHECKING:
    from torch import Tensor


class Network(Interface):
    """Whatever turns crops (B, 3, 256, 256) into joint positions (B, J, 3) in heatmap cells."""

    @property
    def architecture(self) -> Architecture:
        """What it is built of."""

    def __call__(self, crops: Tensor, /) -> Any:
        """The positions, order x, y, z."""
