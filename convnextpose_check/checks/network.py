"""Check a network's size and cost, and that it agrees with the reference network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from convnextpose_check.errors import CheckFailedError, ErrorCode
from convnextpose_check.evaluation.metrics import sample_errors_mm
from convnextpose_check.evaluation.predict import Predictor
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.human36m.skeleton import MIRRORED
from convnextpose_check.network import Network
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.variants import INPUT_SIDE_PX, ReportedValue, Variant

GMACS_SLACK = 0.05
"""Other tools also count BatchNorm or upsampling; a wrong upsampling differs by 0.2 or more."""

MILLIONS_SLACK = 0.005
"""Parameters are reported to two decimals of a million."""

AGREEMENT_CELLS = 0.01
AGREEMENT_MM = 0.05
"""Rounding moves a joint by up to a thousandth of a cell; another interpolation or a wrong layer
by a tenth of a cell or more."""

T = TypeVar("T")


def check_count(what: str, obtained: T, expected: T, where: str) -> T:
    """Parameters, elements of the state dict or multiply-adds, exactly.

    Multiply-adds depend on the upsampling, which has no weights.
    """
    if obtained != expected:
        problem = f"{where} has {what} {obtained}: expected {expected}"
        raise CheckFailedError(ErrorCode.WRONG_COUNT, problem, obtained=obtained, expected=expected)
    return obtained


def check_reported_value(
    what: str, obtained: float, reported: ReportedValue | None, slack: float, where: str
) -> float:
    """The value is the reported one, up to rounding or what counting tools differ by."""
    if reported is None:
        raise CheckFailedError(
            ErrorCode.BAD_VARIANTS_FILE, f"the variants file has no {what} of {where}"
        )
    if not abs(obtained - reported.value) <= slack:
        raise CheckFailedError(
            ErrorCode.WRONG_COUNT,
            f"{where} has {obtained:.3f} {what}: expected {reported.value} +/- {slack}"
            f" ({reported.source})",
            "Check the number of head layers that upsample" if what == "GMACs" else "",
            obtained,
            reported.value,
        )
    return obtained


def check_heatmap_grid(variant: Variant, network: ConvNeXtPose) -> tuple[int, ...]:
    """The heatmaps have the variant's shape (J, D, H, W)."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        image = torch.zeros(1, 3, INPUT_SIDE_PX, INPUT_SIDE_PX, device=device)
        obtained = tuple(network.heatmaps(image).shape[1:])
    architecture = variant.architecture
    columns, rows, bins = architecture.grid_whd
    expected = (architecture.joints, bins, rows, columns)
    return check_count("heatmap (joints, depth, height, width)", obtained, expected, variant.name)


def check_networks_agree(
    network: Network, plain: Network, crops: Tensor, samples: Sequence[Sample], where: str
) -> tuple[float, float]:
    """The evaluated network agrees with the reference network of the same weights.

    ``crops`` (B, 3, 256, 256) are the samples'. Returns the largest difference of a joint in cells
    and the difference of the mean error in millimeters, under protocol 2.
    """
    grid_whd = plain.architecture.grid_whd
    with torch.inference_mode():
        obtained, expected = (each(crops).cpu().numpy() for each in (network, plain))
    cells = float(np.abs(obtained - expected).max())
    mpjpe_mm, expected_mpjpe_mm = (
        float(np.mean(sample_errors_mm(cells_xyz, samples, grid_whd, 2)))
        for cells_xyz in (obtained, expected)
    )
    moved_mm = mpjpe_mm - expected_mpjpe_mm
    apart = not cells <= AGREEMENT_CELLS
    if apart or not abs(moved_mm) <= AGREEMENT_MM:
        raise CheckFailedError(
            ErrorCode.DISAGREEMENT,
            f"{where} differs from the reference model by up to {cells:.4f} cells, and its error on"
            f" {len(samples)} samples by {moved_mm:+.4f} mm: expected at most"
            f" {AGREEMENT_CELLS:g} cells and {AGREEMENT_MM:g} mm",
            "Check its weights, its input (RGB, mean and std of 0 to 255) and its upsamplings",
            f"{cells:.3f} cells" if apart else f"{moved_mm:+.4f} mm",
            f"{AGREEMENT_CELLS:g} cells" if apart else f"{AGREEMENT_MM:g} mm",
        )
    return cells, moved_mm


def check_flip_is_symmetric(network: Network, crops: Tensor, where: str) -> float:
    """With the flip test, mirrored crops (B, 3, 256, 256) give mirrored positions.

    An offset of one column moves all joints alike, which hardly changes the error in millimeters.
    Returns the largest difference of a joint in cells.
    """
    with_flip = Predictor(network, True, len(crops), lambda _note: None)
    straight, mirrored = (with_flip(each).cpu().numpy() for each in (crops, crops.flip(3)))
    expected = mirrored[:, MIRRORED]
    expected[..., 0] = network.architecture.heatmap_side - 1 - expected[..., 0]
    cells = float(np.abs(straight - expected).max())
    if not cells <= AGREEMENT_CELLS:
        raise CheckFailedError(
            ErrorCode.DISAGREEMENT,
            f"with the flip test, the positions of {where} for a crop and for its mirror image"
            f" differ by {cells:.4f} cells: expected at most {AGREEMENT_CELLS:g}",
            "This is a defect of the flip test",
            f"{cells:.3f} cells",
            f"{AGREEMENT_CELLS:g} cells",
        )
    return cells
