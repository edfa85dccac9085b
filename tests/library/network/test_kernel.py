"""The Triton soft-argmax kernel without a GPU: interpreted, and compiled for GPUs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace
from torch import Tensor

from convnextpose_check.network import optimized as optimized_model
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.variants import Architecture
from tests.support.texts import ROOT

ATOL_CELLS = 3e-5
"""torch's float32 operations differ from float64 by as much."""

INTERPRETED_CODE = """
import torch
from convnextpose_check.network import kernel, reference

rng = torch.Generator().manual_seed(0)

def difference_cells(heatmaps, upsamples):
    exact = heatmaps.double()
    if upsamples:
        exact = torch.nn.functional.interpolate(
            exact.flatten(0, 1), scale_factor=2, mode="bilinear", align_corners=True
        ).view(*heatmaps.shape[:3], *(2 * side for side in heatmaps.shape[3:]))
    cells = kernel.soft_argmax(heatmaps, upsamples)
    return float((cells - reference.soft_argmax(exact)).abs().max())

for bins, side, upsamples in [(5, 8, False), (16, 32, False), (5, 8, True), (16, 32, True)]:
    print(difference_cells(4 * torch.randn(2, 3, bins, side, side, generator=rng), upsamples))
permuted = torch.randn(2, 8, 8, 4, 3, generator=rng).permute(0, 4, 3, 1, 2)
print(difference_cells(permuted, True))
peaks = torch.full((1, 2, 4, 8, 8), -1e4)
peaks[0, 0, 3, 7, 0] = 1e4
print(difference_cells(peaks, False))
print(difference_cells(peaks, True))
peaks[0, 1, 2, 2, 2] = float("nan")
print(*kernel.soft_argmax(peaks, True).isnan().tolist()[0])
"""


def test_kernel_soft_argmax_agrees_with_reference() -> None:
    pytest.importorskip("triton")
    lines = subprocess.run(
        [sys.executable, "-c", INTERPRETED_CODE],
        cwd=ROOT, env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True, check=True, text=True,
    ).stdout.splitlines()  # fmt: skip

    *differences, nan_line = lines
    assert len(differences) == 7
    assert max(map(float, differences)) < ATOL_CELLS
    assert nan_line == "[False, False, False] [True, True, True]"


@pytest.mark.parametrize("capability", [75, 80, 90], ids=["T4", "A100", "H100"])
@pytest.mark.parametrize("side", [32, 64])
def test_kernel_compiled_for_gpu_writes_only_positions(
    capability: int, side: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from convnextpose_check.network import kernel

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    types = {"heatmaps": "*fp32", "cells_xyz": "*fp32"}
    sizes = {"bins": side, "coarse": 32, "side": side}
    source = ASTSource(
        kernel._expected_cells, types | dict.fromkeys(sizes, "constexpr"), constexprs=sizes
    )
    compiled = triton.compile(
        source, target=GPUTarget("cuda", capability, 32), options={"num_warps": kernel.WARPS}
    )

    assert compiled.asm["cubin"]
    assert compiled.asm["ptx"].count("st.global") == 3
    assert ".local" not in compiled.asm["ptx"]  # register spills


def torch_soft_argmax(heatmaps: Tensor, upsamples: bool) -> Tensor:
    matrix = optimized_model.upsampling_matrix(heatmaps.shape[-1]) if upsamples else None
    return optimized_model.soft_argmax(heatmaps, matrix)


def select_kernel() -> Any:
    """The kernel that this machine uses, or None."""
    return optimized_model.find_working_kernel.__wrapped__(torch.device("cpu"), 4, 8, True)


def test_select_kernel_disagreeing_kernel_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    assert select_kernel() is None, "Triton cannot run it without a GPU"
    for kernel, is_used in (
        (torch_soft_argmax, True),
        (lambda h, _upsamples: torch_soft_argmax(h, False), False),
    ):
        monkeypatch.setattr("convnextpose_check.network.kernel.soft_argmax", kernel)
        assert (select_kernel() is kernel) is is_used
    monkeypatch.setitem(sys.modules, "convnextpose_check.network.kernel", None)
    assert select_kernel() is None


@pytest.mark.parametrize("upsamplings", [2, 3])
def test_optimized_model_calls_kernel_for_all_joints(upsamplings: int, tiny: Architecture) -> None:
    torch.manual_seed(0)
    reference_model = ConvNeXtPose(replace(tiny, head_upsamplings=upsamplings)).eval()
    optimized = optimized_model.OptimizedConvNeXtPose(reference_model)
    crops, shapes = torch.randn(2, 3, 256, 256), []

    def kernel(heatmaps: Tensor, upsamples: bool) -> Tensor:
        shapes.append(heatmaps.shape)
        return torch_soft_argmax(heatmaps, upsamples)

    expected = optimized(crops)
    optimized.kernel = kernel

    torch.testing.assert_close(optimized(crops), expected, atol=1e-4, rtol=0)
    assert {shape[1] for shape in shapes} == {18}
