"""The reference model, for evaluation only, written from the paper's description.

Modules have the names of the published state dicts (modern key style), so that a published
checkpoint loads with ``load_state_dict(..., strict=True)``.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu

from convnextpose_check.variants import Architecture

UPSAMPLING = 2
"""Factor by which an upsampling head layer enlarges height and width."""


class Block(nn.Module):
    """Residual block: depthwise 7x7, BatchNorm, 1x1 to 4C channels, ReLU, 1x1 to C."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.BatchNorm2d(channels)
        self.pwconv1 = nn.Conv2d(channels, 4 * channels, 1)
        self.pwconv2 = nn.Conv2d(4 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = self.pwconv2(relu(self.pwconv1(self.norm(self.dwconv(x)))))
        return x + inner


class Backbone(nn.Module):
    """Four stages of blocks: (B, 3, 256, 256) to (B, C, 8, 8)."""

    def __init__(self, blocks: tuple[int, ...], channels: tuple[int, ...]) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(3, channels[0], 4, stride=4), nn.BatchNorm2d(channels[0]))
        between = (
            nn.Sequential(nn.BatchNorm2d(before), nn.Conv2d(before, after, 2, stride=2))
            for before, after in pairwise(channels)
        )
        self.downsample_layers = nn.ModuleList([stem, *between])
        self.stages = nn.ModuleList(
            nn.Sequential(*(Block(width) for _ in range(depth)))
            for depth, width in zip(blocks, channels, strict=True)
        )
        self.norm = nn.BatchNorm2d(channels[-1])

    def forward(self, x: Tensor) -> Tensor:
        for downsample, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(downsample(x))
        normed: Tensor = self.norm(x)
        return normed


class HeadLayer(nn.Module):
    """Depthwise 3x3, BatchNorm, 1x1, ReLU, then bilinear upsampling if ``upsamples``."""

    align_corners = True

    def __init__(self, channels_in: int, channels_out: int, upsamples: bool) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels_in, channels_in, 3, padding=1, groups=channels_in)
        self.norm = nn.BatchNorm2d(channels_in)
        self.pwconv = nn.Conv2d(channels_in, channels_out, 1)
        self.upsamples = upsamples

    def forward(self, x: Tensor) -> Tensor:
        x = relu(self.pwconv(self.norm(self.dwconv(x))))
        if self.upsamples:
            x = interpolate(
                x, scale_factor=UPSAMPLING, mode="bilinear", align_corners=self.align_corners
            )
        return x


class Head(nn.Module):
    """Three head layers, the first ``head_upsamplings`` upsampling, and a final 1x1."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        width, upsamplings = architecture.head_channels, architecture.head_upsamplings
        self.deconv_layers_1 = HeadLayer(architecture.channels[-1], width, upsamplings >= 1)
        self.deconv_layers_2 = HeadLayer(width, width, upsamplings >= 2)
        self.deconv_layers_3 = HeadLayer(width, width, upsamplings >= 3)
        self.final_layer = nn.Conv2d(width, architecture.joints * architecture.depth_bins, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.deconv_layers_3(self.deconv_layers_2(self.deconv_layers_1(x)))
        maps: Tensor = self.final_layer(x)
        return maps


class ConvNeXtPose(nn.Module):
    """Crops (B, 3, 256, 256) to joint positions xyz (B, J, 3) in heatmap cells."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.backbone = Backbone(architecture.blocks, architecture.channels)
        self.head = Head(architecture)

    def heatmaps(self, crops: Tensor) -> Tensor:
        """Heatmaps (B, J, D, H, W) of the joints, before the softmax."""
        maps: Tensor = self.head(self.backbone(crops))
        a = self.architecture
        return maps.reshape(-1, a.joints, a.depth_bins, *maps.shape[-2:])

    def forward(self, crops: Tensor) -> Tensor:
        return soft_argmax(self.heatmaps(crops))


def soft_argmax(heatmaps: Tensor) -> Tensor:
    """Expected position under the softmax over each joint's volume.

    ``heatmaps`` is (B, J, D, H, W); returns (B, J, 3) in cells from 0, order x, y, z.
    """
    volume = heatmaps.flatten(2).softmax(dim=2).reshape(heatmaps.shape)

    def expected_cell(marginal: Tensor) -> Tensor:
        cells = torch.arange(marginal.shape[2], dtype=marginal.dtype, device=marginal.device)
        return (marginal * cells).sum(dim=2)

    dims_to_sum = ((2, 3), (2, 4), (3, 4))  # for x, y and z
    return torch.stack([expected_cell(volume.sum(dim=dims)) for dims in dims_to_sum], dim=2)
