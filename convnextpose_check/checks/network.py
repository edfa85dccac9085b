"""Check a model's size and cost, and that it agrees with the reference model."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from convnextpose_check.errors import CheckFailedError, ErrorCode
from convnextpose_check.evaluation.metrics import sample_errors_mm
from convnextpose_check.evaluation.predict import Predictor, wrap_network_errors
from convnextpose_check.human36m.samples import Sample
from convnextpose_check.human36m.skeleton import MIRRORED
from convnextpose_check.network import Network
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.variants import INPUT_SIDE_PX, ReportedValue, Variant

GMACS_SLACK = 0.05
"""Other tools also count BatchNorm or upsampling. Wrong upsampling changes GMACs by 0.2 or more."""

MILLIONS_SLACK = 0.005
"""Parameters are reported in millions with two decimals."""

AGREEMENT_CELLS = 0.01
AGREEMENT_MM = 0.05
"""Rounding moves a joint by up to 0.001 cells; a wrong interpolation or layer by at least 0.1."""

T = TypeVar("T")


def check_count(what: str, obtained: T, expected: T, where: str) -> T:
    """The number of parameters, elements or multiply-adds is exact; returns it.

    Only multiply-adds and the heatmap shape reveal wrong upsampling, which has no weights.
    """
    if obtained != expected:
        problem = f"{where} has {obtained} {what}: expected {expected}"
        remedy = "Use the published file, or correct the count in the --variants-file"
        raise CheckFailedError(ErrorCode.WRONG_COUNT, problem, remedy, obtained, expected)
    return obtained


def check_reported_value(
    what: str, obtained: float, reported: ReportedValue | None, slack: float, where: str
) -> float:
    """The value is the reported one, within ``slack``; returns it."""
    assert reported is not None  # the tests are required only where a value is reported
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
    """The heatmaps have the variant's shape; returns it as (J, D, H, W)."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        image = torch.zeros(1, 3, INPUT_SIDE_PX, INPUT_SIDE_PX, device=device)
        obtained = tuple(network.heatmaps(image).shape[1:])
    architecture = variant.architecture
    columns, rows, bins = architecture.grid_whd
    expected = (architecture.joints, bins, rows, columns)
    return check_count("as heatmap shape (J, D, H, W)", obtained, expected, variant.name)


def check_networks_agree(
    network: Network, reference: Network, crops: Tensor, samples: Sequence[Sample], where: str
) -> tuple[float, float]:
    """The evaluated model agrees with the reference model with the same weights.

    ``crops`` (B, 3, 256, 256) belong to ``samples``. Returns the largest difference of a coordinate
    in cells and the difference of MPJPE in mm.
    """
    grid_whd = reference.architecture.grid_whd
    with torch.inference_mode(), wrap_network_errors("the network"):
        obtained, expected = (each(crops).cpu().numpy() for each in (network, reference))
    cells = float(np.abs(obtained - expected).max())
    mpjpe_mm, expected_mpjpe_mm = (
        float(np.mean(sample_errors_mm(cells_xyz, samples, grid_whd, 2)))
        for cells_xyz in (obtained, expected)
    )
    difference_mm = mpjpe_mm - expected_mpjpe_mm
    differs_in_cells = not cells <= AGREEMENT_CELLS
    if differs_in_cells or not abs(difference_mm) <= AGREEMENT_MM:
        raise CheckFailedError(
            ErrorCode.DISAGREEMENT,
            f"{where} differs from the reference model by up to {cells:.4f} cells, and its error on"
            f" {len(samples)} samples by {difference_mm:+.4f} mm: expected at most"
            f" {AGREEMENT_CELLS:g} cells and {AGREEMENT_MM:g} mm",
            "Check its weights, its input (RGB, mean and std of 0 to 255) and its upsampling",
            f"{cells:.3f} cells" if differs_in_cells else f"{difference_mm:+.4f} mm",
            f"{AGREEMENT_CELLS:g} cells" if differs_in_cells else f"{AGREEMENT_MM:g} mm",
        )
    return cells, difference_mm


def check_flip_is_symmetric(network: Network, crops: Tensor, where: str) -> float:
    """With the flip test, mirroring the crops (B, 3, 256, 256) mirrors the positions.

    Detects an offset of one column, which moves all joints equally and hardly changes the error in
    mm. Returns the largest difference of a coordinate in cells.
    """
    with_flip = Predictor(network, True, len(crops), lambda _note: None)
    with wrap_network_errors("the network"):  # a GPU reports its errors here
        obtained, mirrored = (with_flip(each).cpu().numpy() for each in (crops, crops.flip(3)))
    expected = mirrored[:, MIRRORED]
    expected[..., 0] = network.architecture.heatmap_side - 1 - expected[..., 0]
    cells = float(np.abs(obtained - expected).max())
    if not cells <= AGREEMENT_CELLS:
        raise CheckFailedError(
            ErrorCode.DISAGREEMENT,
            f"with the flip test, the positions of {where} for a crop and for its mirror image"
            f" differ by {cells:.4f} cells: expected at most {AGREEMENT_CELLS:g}",
            "Report this as a bug of convnextpose-check",
            f"{cells:.3f} cells",
            f"{AGREEMENT_CELLS:g} cells",
        )
    return cells
