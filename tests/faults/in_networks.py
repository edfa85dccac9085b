"""Faults of the network: a wrong architecture, or wrong computations with the right weights."""

from __future__ import annotations

from typing import Any

import torch
from msgspec.structs import replace
from torch import Tensor
from torch.nn import BatchNorm2d

from convnextpose_check.network import optimized, reference
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.run import models
from convnextpose_check.synthetic.reference import synthetic_catalogue
from tests.faults import change
from tests.faults.fault import Fault


def build_seventeen_joints(variant: str) -> ConvNeXtPose:
    """Factory for ``--network``: without the thorax, as in the Kaggle guide."""
    return _build(variant, joints=17)


def build_thirty_two_bins(variant: str) -> ConvNeXtPose:
    """Factory for ``--network``: with the depth of XS and S."""
    return _build(variant, depth_bins=32)


def build_norms_without_buffers(variant: str) -> ConvNeXtPose:
    """Factory for ``--network``: BatchNorm always uses the statistics of the batch."""
    network = _build(variant)
    for module in network.modules():
        if isinstance(module, BatchNorm2d):
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return network


def _build(variant: str, **changes: int) -> ConvNeXtPose:
    """Build a changed network; seeded, since weights that the file lacks keep these values."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ConvNeXtPose(replace(synthetic_catalogue()[variant].architecture, **changes))


def swap_joint_and_depth(original: Any, network: ConvNeXtPose, crops: Tensor) -> Tensor:
    a, maps = network.architecture, original(network, crops)
    swapped: Tensor = maps.reshape(-1, a.depth_bins, a.joints, *maps.shape[-2:])
    return swapped


def set_eps(network: ConvNeXtPose) -> ConvNeXtPose:
    for module in network.modules():
        if isinstance(module, BatchNorm2d):
            module.eps = 1e-3
    return network


def leave_corners_unaligned(original: Any, x: Tensor, **options: Any) -> Any:
    return original(x, **options | {"align_corners": False})


without_buffers = change.network(f"{__name__}:build_norms_without_buffers")
FAULTS = [
    Fault("two upsamplings", "network", lambda scene: scene.set_architecture(head_upsamplings=2),
          "check_count", {"variant_name": "M"}),
    Fault("three upsamplings", "network", lambda scene: scene.set_architecture(head_upsamplings=3),
          "check_reported_value", {"variant_name": "XS"},
          words="layers upsample|multiplied by (2|1.9)"),
    Fault("17 joints", "network", change.network(f"{__name__}:build_seventeen_joints"),
          "check_count", {"variant_name": "XS"}),
    Fault("32 depth bins", "network", change.network(f"{__name__}:build_thirty_two_bins"),
          "check_reported_value", {"variant_name": "L"}, words="model of --network"),
    Fault("BatchNorm without buffers", "network", without_buffers, "check_count",
          {"variant_name": "S"}, words="model of --network"),
    Fault("BatchNorm without buffers", "network", without_buffers, "check_reported_value",
          {"variant_name": "S"}),
    Fault("heatmaps read as (depth, joint)", "network",
          change.function("heatmaps", swap_joint_and_depth, ConvNeXtPose), "check_heatmap_grid"),
    Fault("BatchNorm of the reference model left in training mode", "network",
          change.result(models, "build_network", lambda network: network.train()),
          "check_networks_agree"),
    Fault("BatchNorm's eps is 1e-3", "network", change.result(models, "build_network", set_eps),
          words="eps"),
    Fault("align_corners=False in the reference model", "network",
          change.function("interpolate", leave_corners_unaligned, reference),
          "check_networks_agree"),
    Fault("align_corners=False in both networks", "network",
          change.network_function("interpolate", leave_corners_unaligned), words="align_corners"),
    Fault("soft-argmax of the optimized model counts from 1", "network",
          change.result(optimized, "_indices", lambda indices: indices + 1), "check_networks_agree",
          words="shifted by .1.00 cells"),
]  # fmt: skip
