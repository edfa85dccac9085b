"""Factories for ``--network`` that build the network a little wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from convnextpose_check.variants import read_catalogue

if TYPE_CHECKING:
    from convnextpose_check.network.plain import ConvNeXtPose


def seventeen_joints(variant: str) -> ConvNeXtPose:
    """Without the thorax, as the Kaggle guide builds it."""
    return _built(variant, joints=17)


def thirty_two_bins(variant: str) -> ConvNeXtPose:
    """With the depth of XS and S."""
    return _built(variant, depth_bins=32)


def norms_without_buffers(variant: str) -> ConvNeXtPose:
    """With BatchNorms that always use the statistics of the batch."""
    from torch.nn import BatchNorm2d

    network = _built(variant)
    for module in network.modules():
        if isinstance(module, BatchNorm2d):
            module.running_mean = module.running_var = module.num_batches_tracked = None
    return network


def _built(variant: str, **changes: int) -> ConvNeXtPose:
    from convnextpose_check.network.plain import ConvNeXtPose

    return ConvNeXtPose(replace(read_catalogue()[variant].architecture, **changes))
