"""The soft-argmax as one GPU kernel, which reads the heatmaps and never writes a volume.

It is written in Triton, which torch installs for CUDA. ``fast`` uses it where it works.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from convnextpose_check.network.reference import UPSAMPLING

WARPS = 8
"""Of 32 threads each. Of 4, 8 and 16 the fastest on an H100, or nearly."""


@triton.jit  # type: ignore[untyped-decorator]  # Triton has no types
def _expected_cells(  # type: ignore[no-untyped-def]  # Triton reads annotations
    heatmaps, cells_xyz, bins: tl.constexpr, coarse: tl.constexpr, side: tl.constexpr
):
    """One joint's volume: its maximum first, then its exponentials' sums, slice by slice.

    A slice of ``coarse`` cells a side is interpolated to ``side`` cells, with weights that are
    quotients of whole numbers, so that no position is rounded.
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
    # side - 1 steps from corner to corner.
    above, left = row * (coarse - 1) // (side - 1), column * (coarse - 1) // (side - 1)
    down = (row * (coarse - 1) % (side - 1)).to(tl.float32) / (side - 1)
    right = (column * (coarse - 1) % (side - 1)).to(tl.float32) / (side - 1)
    below, beside = tl.minimum(above + 1, coarse - 1), tl.minimum(left + 1, coarse - 1)
    total = tl.zeros([side * side], tl.float32)
    by_depth = tl.zeros([side * side], tl.float32)
    for depth in range(bins):
        at = first + depth * coarse * coarse
        if side == coarse:
            value = tl.load(at + cell) - maximum
        else:
            upper = (tl.load(at + above * coarse + left) - maximum) * (1 - right) + (
                tl.load(at + above * coarse + beside) - maximum
            ) * right
            lower = (tl.load(at + below * coarse + left) - maximum) * (1 - right) + (
                tl.load(at + below * coarse + beside) - maximum
            ) * right
            value = upper * (1 - down) + lower * down
        exponential = tl.exp(value)
        total += exponential
        by_depth += exponential * depth
    everything = tl.sum(total, axis=0)
    answer = cells_xyz + joint * 3
    tl.store(answer, tl.sum(total * column.to(tl.float32), axis=0) / everything)
    tl.store(answer + 1, tl.sum(total * row.to(tl.float32), axis=0) / everything)
    tl.store(answer + 2, tl.sum(by_depth, axis=0) / everything)


def soft_argmax(heatmaps: Tensor, upsamples: bool) -> Tensor:
    """Expected position under the softmax of each joint's whole volume, order x, y, z.

    ``heatmaps`` is (B, J, D, h, h) float32, h a power of 2; ``upsamples`` doubles both axes of a
    slice, with aligned corners.
    """
    images, joints, bins, coarse, _ = heatmaps.shape
    cells_xyz = torch.empty(images, joints, 3, device=heatmaps.device)
    side = coarse * UPSAMPLING if upsamples else coarse
    # Triton uses the current device.
    with torch.cuda.device_of(heatmaps):  # type: ignore[no-untyped-call]  # untyped in torch
        _expected_cells[(images * joints,)](
            heatmaps.contiguous(), cells_xyz, bins, coarse, side, num_warps=WARPS
        )
    return cells_xyz
