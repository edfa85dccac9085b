"""Factories for ``--network`` that build the network a little wrong."""

from __future__ import annotations

from msgspec.structs import replace

from convnextpose_check.miniature.reference import miniature_catalogue
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
    """The network with these changes; weights that the file has not are the same each time."""
    import torch

    from convnextpose_check.network.plain import ConvNeXtPose

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ConvNeXtPose(replace(miniature_catalogue()[variant].architecture, **changes))
