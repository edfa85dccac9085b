"""Parameters and multiply-adds, exactly and against the reported values.

``convnextpose_check/variants.json`` has the paper's parameters (3.53, 7.44, 7.59 and 8.38 M,
trainable) and the guide's (3.53, 7.45, 7.60 and 8.39 M, the whole state dict), with their sources.
"""

from __future__ import annotations

from convnextpose_check.checks.network import (
    GMACS_SLACK,
    MILLIONS_SLACK,
    check_count,
    check_heatmap_grid,
    check_reported_value,
)
from convnextpose_check.plugin.gate import Recorder
from convnextpose_check.run.models import VariantModels
from convnextpose_check.run.run import ByVariant
from convnextpose_check.variants import Variant

Models = ByVariant[VariantModels]


def test_parameter_count(variant: Variant, models: Models, record: Recorder) -> None:
    count, expected = models[variant.name].size.parameters, variant.parameters
    record(check_count("parameters", count, expected, variant.name), expected)


def test_state_element_count(variant: Variant, models: Models, record: Recorder) -> None:
    count, expected = models[variant.name].size.state_elements, variant.state_elements
    record(check_count("state dict elements", count, expected, variant.name), expected)


def test_multiply_adds(variant: Variant, models: Models, record: Recorder) -> None:
    count, expected = models[variant.name].size.multiply_adds, variant.multiply_adds
    record(check_count("multiply-adds", count, expected, variant.name), expected)


def test_heatmap_grid(variant: Variant, models: Models, record: Recorder) -> None:
    grid = check_heatmap_grid(variant, models[variant.name].reference)
    record(" x ".join(map(str, grid)))


def test_reported_parameters(variant: Variant, models: Models, record: Recorder) -> None:
    reported = variant.paper.parameters_millions
    what, millions = "million parameters", models[variant.name].size.parameters / 1e6
    check_reported_value(what, millions, reported, MILLIONS_SLACK, variant.name)
    record(millions, reported and reported.value, "M")


def test_reported_state_elements(variant: Variant, models: Models, record: Recorder) -> None:
    reported = variant.guide
    millions = models[variant.name].size.state_elements / 1e6
    what = "million state dict elements"
    check_reported_value(what, millions, reported, MILLIONS_SLACK, variant.name)
    record(millions, reported and reported.value, "M")


def test_reported_gmacs(variant: Variant, models: Models, record: Recorder) -> None:
    reported = variant.paper.gmacs
    gmacs = models[variant.name].size.multiply_adds / 1e9
    check_reported_value("GMACs", gmacs, reported, GMACS_SLACK, variant.name)
    record(gmacs, reported and reported.value, "GMACs")
