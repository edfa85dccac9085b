"""The evaluated model, optimized or the user's own, agrees with the reference model."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from convnextpose_check.checks.network import check_flip_is_symmetric, check_networks_agree
from convnextpose_check.human36m.annotations import select_evenly
from convnextpose_check.human36m.crops import load_inputs
from convnextpose_check.human36m.samples import Dataset, Sample
from convnextpose_check.plugin.gate import Recorder
from convnextpose_check.run.models import VariantModels
from convnextpose_check.run.run import ByVariant, Run
from convnextpose_check.variants import Variant

SAMPLES = 4


def comparison_crops(dataset: Dataset, device: torch.device) -> tuple[Tensor, list[Sample]]:
    """Crops (N, 3, 256, 256) of evenly spread samples, on the device, and the samples."""
    return load_inputs(select_evenly(dataset.samples, SAMPLES), device)


@pytest.fixture(scope="module")
def crops(comparison_samples: Dataset, run: Run) -> tuple[Tensor, list[Sample]]:
    """The crops that both models predict."""
    return comparison_crops(comparison_samples, run.devices[0])


def test_evaluated_model_agrees_with_reference_model(
    run: Run,
    variant: Variant,
    models: ByVariant[VariantModels],
    crops: tuple[Tensor, list[Sample]],
    record: Recorder,
) -> None:
    model, where = models[variant.name], f"{run.target} {variant.name}"
    cells, _ = check_networks_agree(model.evaluated, model.reference, *crops, where)
    record(cells, 0.0, "cells")


def test_flip_test_is_symmetric(
    run: Run,
    variant: Variant,
    models: ByVariant[VariantModels],
    crops: tuple[Tensor, list[Sample]],
    record: Recorder,
) -> None:
    where = f"{run.target} {variant.name}"
    cells = check_flip_is_symmetric(models[variant.name].evaluated, crops[0], where)
    record(cells, 0.0, "cells")
