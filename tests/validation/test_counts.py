"""Parameters and multiply-adds, exactly and against the reported values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convnextpose_check.checks.network import (
    check_heatmap_grid,
    check_multiply_adds,
    check_paper_gmacs,
    check_paper_parameters,
    check_parameter_count,
    check_state_element_count,
)
from convnextpose_check.network.cost import multiply_add_count, parameter_count
from convnextpose_check.plugin.recording import Obtained
from convnextpose_check.variants import Variant

if TYPE_CHECKING:
    from torch.nn import Module

    from convnextpose_check.network.plain import ConvNeXtPose


def test_parameter_count(variant: Variant, module: Module, obtained: Obtained) -> None:
    obtained(check_parameter_count(variant, module), variant.parameters)


def test_state_element_count(variant: Variant, module: Module, obtained: Obtained) -> None:
    obtained(check_state_element_count(variant, module), variant.state_elements)


def test_multiply_adds(variant: Variant, module: Module, obtained: Obtained) -> None:
    obtained(check_multiply_adds(variant, module), variant.multiply_adds)


def test_heatmap_grid(variant: Variant, network: ConvNeXtPose, obtained: Obtained) -> None:
    obtained(" x ".join(map(str, check_heatmap_grid(variant, network))))


def test_reported_parameters(variant: Variant, module: Module, obtained: Obtained) -> None:
    figure = variant.paper.parameters_millions
    millions = check_paper_parameters(variant, parameter_count(module))
    obtained(millions, figure and figure.value, "M")


def test_reported_gmacs(variant: Variant, module: Module, obtained: Obtained) -> None:
    figure = variant.paper.gmacs
    gmacs = check_paper_gmacs(variant, multiply_add_count(module))
    obtained(gmacs, figure and figure.value, "GMACs")
