"""Parameters and multiply-adds, exactly and against the reported values.

``convnextpose_check/variants.json`` has the paper's parameters (3.53, 7.44, 7.59 and 8.38 M,
trainable) and the guide's (3.53, 7.45, 7.60 and 8.39 M, the whole state dict), with their sources.
"""

from __future__ import annotations

from convnextpose_check.checks.network import (
    check_guide_parameters,
    check_heatmap_grid,
    check_multiply_adds,
    check_paper_gmacs,
    check_paper_parameters,
    check_parameter_count,
    check_state_element_count,
)
from convnextpose_check.network.layout import (
    multiply_add_count,
    parameter_count,
    state_element_count,
)
from convnextpose_check.plugin.gate import Recorder
from convnextpose_check.run.models import VariantModels
from convnextpose_check.run.run import ByVariant
from convnextpose_check.variants import Variant

Models = ByVariant[VariantModels]


def test_parameter_count(variant: Variant, models: Models, record: Recorder) -> None:
    record(check_parameter_count(variant, models[variant.name].counted), variant.parameters)


def test_state_element_count(variant: Variant, models: Models, record: Recorder) -> None:
    count = check_state_element_count(variant, models[variant.name].counted)
    record(count, variant.state_elements)


def test_multiply_adds(variant: Variant, models: Models, record: Recorder) -> None:
    record(check_multiply_adds(variant, models[variant.name].counted), variant.multiply_adds)


def test_heatmap_grid(variant: Variant, models: Models, record: Recorder) -> None:
    grid = check_heatmap_grid(variant, models[variant.name].reference)
    record(" x ".join(map(str, grid)))


def test_reported_parameters(variant: Variant, models: Models, record: Recorder) -> None:
    reported = variant.paper.parameters_millions
    count = parameter_count(models[variant.name].counted)
    record(check_paper_parameters(variant, count), reported and reported.value, "M")


def test_reported_state_elements(variant: Variant, models: Models, record: Recorder) -> None:
    reported = variant.guide
    count = state_element_count(models[variant.name].counted.state_dict())
    record(check_guide_parameters(variant, count), reported and reported.value, "M")


def test_reported_gmacs(variant: Variant, models: Models, record: Recorder) -> None:
    reported = variant.paper.gmacs
    count = multiply_add_count(models[variant.name].counted)
    record(check_paper_gmacs(variant, count), reported and reported.value, "GMACs")
