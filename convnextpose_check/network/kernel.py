"""The soft-argmax as one GPU kernel, which does not store the upsampled volume.

Written in Triton, which is installed with torch for CUDA. ``optimized`` uses it where it works.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from convnextpose_check.network.reference import UPSAMPLING

WARPS = 8
"""Warps of 32 threads per joint: on an H100 the fastest of 4, 8 and 16, or close to it."""


@triton.jit  # type: ignore[untyped-decorator]  # Triton has no types
def _expected_cells(  # type: ignore[no-untyped-def]  # Triton reads annotations
    heatmaps, cells_xyz, bins: tl.constexpr, coarse: tl.constexpr, side: tl.constexpr
):
    """Reduce one joint's volume: its maximum, then sums of exponentials by slice.

    Each depth slice has ``coarse`` x ``coarse`` cells and is interpolated to ``side`` x ``side``.
    Interpolation weights are quotients of integers, to avoid rounding of positions.
    """
    joint = tl.program_id(0).to(tl.int64)
    first = heatmaps + joint * bins * coarse * coarse
    cells = tl.arange(0, coarse * coarse)
    highest = tl.full([coarse * coarse], float("-inf"), tl.float32)
    for depth in range(bins):
        highest = tl.maximum(highest, tl.load(first + depth * coarse * coarse + cells))
    maximum = tl.max(highest, axis=0)

    cell = tl.arange(0, side * side)
    row, column = cell // side, cell % side
    # Aligned corners: side - 1 steps from the first to the last cell.
    top, left = row * (coarse - 1) // (side - 1), column * (coarse - 1) // (side - 1)
    bottom, right = tl.minimum(top + 1, coarse - 1), tl.minimum(left + 1, coarse - 1)
    bottom_weight = (row * (coarse - 1) % (side - 1)).to(tl.float32) / (side - 1)
    right_weight = (column * (coarse - 1) % (side - 1)).to(tl.float32) / (side - 1)
    total = tl.zeros([side * side], tl.float32)
    by_depth = tl.zeros([side * side], tl.float32)
    for depth in range(bins):
        slice_start = first + depth * coarse * coarse
        if side == coarse:
            value = tl.load(slice_start + cell) - maximum
        else:
            top_left = tl.load(slice_start + top * coarse + left) - maximum
            top_right = tl.load(slice_start + top * coarse + right) - maximum
            bottom_left = tl.load(slice_start + bottom * coarse + left) - maximum
            bottom_right = tl.load(slice_start + bottom * coarse + right) - maximum
            upper = top_left * (1 - right_weight) + top_right * right_weight
            lower = bottom_left * (1 - right_weight) + bottom_right * right_weight
            value = upper * (1 - bottom_weight) + lower * bottom_weight
        exponential = tl.exp(value)
        total += exponential
        by_depth += exponential * depth
    normalizer = tl.sum(total, axis=0)
    position = cells_xyz + joint * 3
    tl.store(position, tl.sum(total * column.to(tl.float32), axis=0) / normalizer)
    tl.store(position + 1, tl.sum(total * row.to(tl.float32), axis=0) / normalizer)
    tl.store(position + 2, tl.sum(by_depth, axis=0) / normalizer)


def soft_argmax(heatmaps: Tensor, upsamples: bool) -> Tensor:
    """Expected position (B, J, 3) under the softmax over each joint's volume.

    The order is x, y, z. ``heatmaps`` is (B, J, D, h, h) float32, h a power of 2. With
    ``upsamples``, each depth slice is upsampled to (2h, 2h), bilinear with aligned corners.
    """
    images, joints, bins, coarse, _ = heatmaps.shape
    cells_xyz = torch.empty(images, joints, 3, device=heatmaps.device)
    side = coarse * UPSAMPLING if upsamples else coarse
    # Triton launches on the current device.
    with torch.cuda.device_of(heatmaps):  # type: ignore[no-untyped-call]  # untyped in torch
        _expected_cells[(images * joints,)](
            heatmaps.contiguous(), cells_xyz, bins, coarse, side, num_warps=WARPS
        )
    return cells_xyz
