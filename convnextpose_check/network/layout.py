"""Identify the variant of a state dict, load it, count parameters and multiply-adds."""

from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor
from torch.nn import Module

from convnextpose_check.network.keymap import StateDict, strip_prefix, to_modern
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.variants import INPUT_SIDE_PX, Architecture, Catalogue


def count_parameters(network: Module) -> int:
    """Number of trainable parameters, the count that the paper reports."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_state_elements(state: Mapping[str, Tensor]) -> int:
    """Number of all elements, also of BatchNorm's buffers, as the Kaggle guide counts."""
    return sum(tensor.numel() for tensor in state.values())


def count_multiply_adds(network: Module) -> int:
    """Multiply-adds of the convolutions for one image: half of torch's FLOPs."""
    from torch.utils.flop_counter import FlopCounterMode

    device = next(network.parameters(), torch.empty(0)).device
    image = torch.zeros(1, 3, INPUT_SIDE_PX, INPUT_SIDE_PX, device=device)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network(image)
    return counter.get_total_flops() // 2


def build_meta_network(architecture: Architecture) -> ConvNeXtPose:
    """Build the network on torch's meta device: shapes without storage."""
    with torch.device("meta"):
        return ConvNeXtPose(architecture).eval()


def normalize_keys(state: StateDict) -> StateDict:
    """Return the state dict with keys of ``ConvNeXtPose``: no prefix, modern."""
    return to_modern(strip_prefix(state))


@cache
def expected_layout(architecture: Architecture) -> dict[str, tuple[torch.dtype, torch.Size]]:
    """Dtype and shape of each key in the architecture's state dict, in its order."""
    state = build_meta_network(architecture).state_dict()
    return {key: (tensor.dtype, tensor.shape) for key, tensor in state.items()}


def find_layout_difference(state: StateDict, architecture: Architecture) -> str | None:
    """Describe the first wrong key, dtype or shape; None if all are as expected."""
    expected = expected_layout(architecture)
    if missing := [key for key in expected if key not in state]:
        return f"{len(missing)} of {len(expected)} keys are missing, the first is '{missing[0]}'"
    if unexpected := [key for key in state if key not in expected]:
        return f"{len(unexpected)} keys are unexpected, the first is '{unexpected[0]}'"
    for key, (dtype, shape) in expected.items():
        if state[key].dtype != dtype:
            return f"'{key}' is {state[key].dtype}: expected {dtype}"
        if state[key].shape != shape:
            return f"'{key}' has shape {tuple(state[key].shape)}: expected {tuple(shape)}"
    return None


def identify_variants(state: StateDict, catalogue: Catalogue) -> tuple[str, ...]:
    """Names of the variants with the state dict's keys, dtypes and shapes.

    Variants that differ only in upsampling, which has no weights, are all returned.
    """
    return tuple(
        variant.name
        for variant in catalogue.variants
        if find_layout_difference(state, variant.architecture) is None
    )


def build_network(
    architecture: Architecture, state: StateDict, device: torch.device
) -> ConvNeXtPose:
    """Build the reference model in evaluation mode, with ``state`` loaded strictly."""
    network = ConvNeXtPose(architecture)
    network.load_state_dict(dict(state), strict=True)
    return network.eval().to(device)
