"""Faults of the network: a wrong architecture, or wrong computations with the right weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from msgspec.structs import replace
from torch import Tensor
from torch.nn import BatchNorm2d
from torch.nn.functional import interpolate

from convnextpose_check.network import layout
from convnextpose_check.network import optimized as optimized_model
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.run import models as models_of_run
from convnextpose_check.synthetic.reference import synthetic_catalogue
from tests.faults.fault import fault
from tests.faults.scene import Scene


@fault("two upsamplings", "network", "check_count", variant_name="M")
def two_upsamplings(scene: Scene) -> None:
    scene.set_architecture(head_upsamplings=2)


@fault("three upsamplings", "network", "check_reported_value", variant_name="XS")
def three_upsamplings(scene: Scene) -> None:
    scene.set_architecture(head_upsamplings=3)


@fault("17 joints", "network", "check_count", variant_name="XS")
def seventeen_joints(scene: Scene) -> None:
    scene.network = f"{__name__}:build_seventeen_joints"


@fault("32 depth bins", "network", "check_reported_value", variant_name="L")
def thirty_two_bins(scene: Scene) -> None:
    scene.network = f"{__name__}:build_thirty_two_bins"


@fault("BatchNorm without buffers", "network", "check_reported_value", variant_name="S")
@fault("BatchNorm without buffers", "network", "check_count", variant_name="S")
def norms_without_buffers(scene: Scene) -> None:
    scene.network = f"{__name__}:build_norms_without_buffers"


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


@fault("heatmaps read as (depth, joint)", "network", "check_heatmap_grid")
def joint_and_depth_swapped(scene: Scene) -> None:
    heatmaps = ConvNeXtPose.heatmaps

    def swapped(self: ConvNeXtPose, crops: Tensor) -> Tensor:
        a = self.architecture
        maps = heatmaps(self, crops)
        return maps.reshape(-1, a.depth_bins, a.joints, *maps.shape[-2:])

    scene.patch.setattr(ConvNeXtPose, "heatmaps", swapped)


@fault("BatchNorm of the reference model left in training mode", "network", "check_networks_agree")
def left_in_training_mode(scene: Scene) -> None:
    _after_building(scene, lambda network: network.train())


@fault("BatchNorm's eps is 1e-3", "network", "check_error_is_within")
def another_eps(scene: Scene) -> None:
    def change(network: ConvNeXtPose) -> None:
        for module in network.modules():
            if isinstance(module, BatchNorm2d):
                module.eps = 1e-3

    _after_building(scene, change)


@fault("align_corners=False in the reference model", "network", "check_networks_agree")
def corners_not_aligned_in_one(scene: Scene) -> None:
    _disable_align_corners(scene, "reference")


@fault("align_corners=False in both networks", "network", "check_error_is_within")
def corners_not_aligned(scene: Scene) -> None:
    _disable_align_corners(scene, "reference", "optimized")


@fault("soft-argmax of the optimized model counts from 1", "network", "check_networks_agree")
def cells_from_one(scene: Scene) -> None:
    indices = optimized_model._indices
    scene.patch.setattr(optimized_model, "_indices", lambda volume, dim: indices(volume, dim) + 1)


def _after_building(scene: Scene, change: Callable[[ConvNeXtPose], object]) -> None:
    def built(*arguments: Any) -> ConvNeXtPose:
        network = layout.build_network(*arguments)
        change(network)
        return network

    scene.patch.setattr(models_of_run, "build_network", built)


def _disable_align_corners(scene: Scene, *modules: str) -> None:
    def unaligned(x: Tensor, **options: Any) -> Tensor:
        return interpolate(x, **(options | {"align_corners": False}))

    for module in modules:
        scene.patch.setattr(f"convnextpose_check.network.{module}.interpolate", unaligned)
