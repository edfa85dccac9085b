"""Count a network's parameters and multiply-adds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from convnextpose_check.variants import INPUT_SIDE_PX, Architecture

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from convnextpose_check.network.plain import ConvNeXtPose


def parameter_count(network: Module) -> int:
    """Number of trainable parameters, as the paper counts."""
    return sum(parameter.numel() for parameter in network.parameters())


def state_element_count(state: Mapping[str, Tensor]) -> int:
    """Numbers in a state dict with BatchNorm's buffers, as the Kaggle guide counts."""
    return sum(tensor.numel() for tensor in state.values())


def multiply_add_count(network: Module) -> int:
    """Multiply-adds of the convolutions for one image, by torch's counter.

    Runs one forward pass on the network's device. Torch counts a multiply-add as two operations.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    device = next(network.parameters()).device
    image = torch.zeros(1, 3, INPUT_SIDE_PX, INPUT_SIDE_PX, device=device)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(image)
    return counter.get_total_flops() // 2


def skeleton_network(architecture: Architecture) -> ConvNeXtPose:
    """The network on torch's meta device: shapes and costs, without storage."""
    import torch

    from convnextpose_check.network.plain import ConvNeXtPose

    with torch.device("meta"):
        return ConvNeXtPose(architecture).eval()
