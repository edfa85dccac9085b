"""The optimized model: the reference model's function in fewer operations.

Differences from ``reference.ConvNeXtPose``, which has the same weights:

* Every BatchNorm but the backbone's last is fused, in float64, into the convolution before or
  after it. The last one cannot be, since the head pads its output with zeros.
* Where the last head layer upsamples, the final 1x1 convolution runs before the upsampling, on a
  quarter of the cells. They commute: one combines channels, the other cells.
* Volumes are upsampled, exponentiated and summed a few joints at a time, so that they fit in the
  CPU's cache.
* Activations and weights have the memory format of the device's fastest convolutions.
"""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.nn.utils.fusion import fuse_conv_bn_eval

from convnextpose_check.network.reference import (
    UPSAMPLING,
    Backbone,
    Block,
    ConvNeXtPose,
    HeadLayer,
)

VOLUME_ELEMENTS_CPU = 2**20
"""Elements of the volumes computed at once on the CPU: 4 MB of float32 fit its level 2 cache."""

VOLUME_ELEMENTS_GPU = 2**28
"""Elements of the volumes computed at once on a GPU: limits memory to 1 GB."""

MAX_MATRICES = 2**16 - 1
"""Most matrices in one batched product: the limit of a CUDA grid."""

BLOCK_ELEMENTS = 2**23
"""Limit of a block's widest activation on the CPU: glibc's malloc reuses at most 32 MB."""


class OptimizedConvNeXtPose(nn.Module):
    """Crops (B, 3, 256, 256) to joint positions xyz (B, J, 3) in heatmap cells.

    Copies the weights of ``reference`` to ``device``, by default the device of ``reference``.
    """

    def __init__(self, reference: ConvNeXtPose, device: torch.device | None = None) -> None:
        super().__init__()
        self.architecture = reference.architecture
        device = device or next(reference.parameters()).device
        self.on_cpu = device.type == "cpu"
        # Channels last is fastest for the CPU's depthwise and 1x1 convolutions, slow for cuDNN's.
        self.memory_format = torch.channels_last if self.on_cpu else torch.contiguous_format
        network = copy.deepcopy(reference).cpu().double().eval()
        head = network.head
        self.body = nn.Sequential(
            *_fuse_backbone(network.backbone),
            FusedHeadLayer(head.deconv_layers_1),
            FusedHeadLayer(head.deconv_layers_2),
        )
        self.last = FusedHeadLayer(head.deconv_layers_3)
        self.final = head.final_layer
        self.requires_grad_(False)
        # One call for device and format: in two, weights could keep channels-last strides.
        self.to(device, torch.float32, memory_format=self.memory_format)  # type: ignore[call-overload]
        self.upsampling: Tensor | None = None
        if self.last.upsamples:
            self.last.upsamples = False
            side = self.architecture.heatmap_side // UPSAMPLING
            self.upsampling = upsampling_matrix(side).to(device)

    def forward(self, crops: Tensor) -> Tensor:
        x = self.body(crops.contiguous(memory_format=self.memory_format))
        images = 1 if self.on_cpu else MAX_MATRICES // self.architecture.depth_bins
        return torch.cat([self._predict_cells(part) for part in torch.split(x, images)])

    def _predict_cells(self, x: Tensor) -> Tensor:
        """Positions (B, J, 3) from the output (B, C, h, h) of the second head layer."""
        x = self.last(x)
        a = self.architecture
        # The final 1x1 convolution as a matrix product: each joint's volume is contiguous, and
        # flatten makes no copy in either memory format.
        weight = self.final.weight.flatten(1).expand(len(x), -1, -1)
        assert self.final.bias is not None
        maps = torch.baddbmm(self.final.bias.view(1, -1, 1), weight, x.flatten(2))
        volumes = maps.view(-1, a.joints, a.depth_bins, *x.shape[2:])
        elements = VOLUME_ELEMENTS_CPU if self.on_cpu else VOLUME_ELEMENTS_GPU
        joints = min(
            elements // (len(x) * math.prod(a.grid_whd)), MAX_MATRICES // (len(x) * a.depth_bins)
        )
        parts = torch.split(volumes, max(1, joints), dim=1)
        return torch.cat([soft_argmax(part, self.upsampling) for part in parts], dim=1)


class FusedBlock(nn.Module):
    """A ``Block`` with BatchNorm fused into the depthwise convolution."""

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.depthwise = fuse_conv_bn_eval(block.dwconv, block.norm)
        self.widen, self.narrow = block.pwconv1, block.pwconv2

    def forward(self, x: Tensor) -> Tensor:
        inner: Tensor = self.depthwise(x)
        if x.device.type != "cpu":
            inner = self.narrow(self.widen(inner).relu_())
            return inner.add_(x)
        images = max(1, BLOCK_ELEMENTS // (self.widen.out_channels * x.shape[2] * x.shape[3]))
        for begin in range(0, len(x), images):
            part = slice(begin, begin + images)
            x[part] += self.narrow(self.widen(inner[part]).relu_())
        return x


class FusedHeadLayer(nn.Module):
    """A ``HeadLayer`` with BatchNorm fused into the depthwise convolution."""

    def __init__(self, layer: HeadLayer) -> None:
        super().__init__()
        self.depthwise = fuse_conv_bn_eval(layer.dwconv, layer.norm)
        self.pointwise = layer.pwconv
        self.upsamples = layer.upsamples

    def forward(self, x: Tensor) -> Tensor:
        x = self.pointwise(self.depthwise(x)).relu_()
        return upsample(x) if self.upsamples else x


def upsample(x: Tensor) -> Tensor:
    """Bilinear upsampling from (B, C, H, W) to (B, C, 2H, 2W), aligned corners.

    Keeps the memory format but computes in channels last: in torch's CUDA kernel for contiguous
    tensors, one thread loops over all channels and images of a cell. It took half of L's time.
    """
    is_channels_last = x.is_contiguous(memory_format=torch.channels_last)
    x = interpolate(
        x.contiguous(memory_format=torch.channels_last),
        scale_factor=UPSAMPLING,
        mode="bilinear",
        align_corners=True,
    )
    return x if is_channels_last else x.contiguous()


def _fuse_backbone(backbone: Backbone) -> list[nn.Module]:
    parts: list[nn.Module] = []
    for downsample, stage in zip(backbone.downsample_layers, backbone.stages, strict=True):
        match tuple(downsample.children()):
            case nn.Conv2d() as convolution, nn.BatchNorm2d() as norm:  # the stem
                parts.append(fuse_conv_bn_eval(convolution, norm))
            case nn.BatchNorm2d() as norm, nn.Conv2d() as convolution:
                parts.append(fuse_bn_conv(norm, convolution))
        parts += [FusedBlock(block) for block in stage.children() if isinstance(block, Block)]
    return [*parts, backbone.norm]


def fuse_bn_conv(norm: nn.BatchNorm2d, convolution: nn.Conv2d) -> nn.Conv2d:
    """Fuse a BatchNorm and the convolution after it, which has no padding, into one convolution."""
    fused = copy.deepcopy(convolution)
    mean, variance = (norm.get_buffer(name) for name in ("running_mean", "running_var"))
    scale = norm.weight.data / (variance + norm.eps).sqrt()
    shift = norm.bias.data - mean * scale
    fused.get_parameter("bias").data += (fused.weight.data.sum(dim=(2, 3)) * shift).sum(dim=1)
    fused.weight.data *= scale.view(1, -1, 1, 1)
    return fused


def upsampling_matrix(side: int) -> Tensor:
    """Matrix (2 side, side) of linear upsampling along one axis, aligned corners."""
    rows = torch.eye(side, dtype=torch.float64)[None]
    upsampled = interpolate(rows, scale_factor=UPSAMPLING, mode="linear", align_corners=True)
    return upsampled[0].T.float().contiguous()


def soft_argmax(heatmaps: Tensor, upsampling: Tensor | None) -> Tensor:
    """Expected position xyz (B, J, 3) under the softmax over each joint's volume.

    ``heatmaps`` is (B, J, D, h, w); the matrix ``upsampling``, if given, doubles h and w. The
    maximum can be subtracted first, since no interpolated value exceeds it.
    """
    volume = heatmaps - heatmaps.amax(dim=(2, 3, 4), keepdim=True)
    if upsampling is not None:
        volume = upsampling @ (volume @ upsampling.T)
    volume = volume.exp_()
    by_depth_and_row = volume.sum(dim=4)
    x = volume @ _indices(volume, 4)
    by_row, by_depth = by_depth_and_row.sum(dim=2), by_depth_and_row.sum(dim=3)
    moments = [x.sum(dim=(2, 3)), by_row @ _indices(volume, 3), by_depth @ _indices(volume, 2)]
    return torch.stack(moments, dim=2) / by_depth.sum(dim=2).unsqueeze(2)


def _indices(volume: Tensor, dim: int) -> Tensor:
    return torch.arange(volume.shape[dim], dtype=volume.dtype, device=volume.device)
