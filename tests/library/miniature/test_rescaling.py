"""The published numbers without the published function: what is computed stays what it was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from convnextpose_check.miniature.reference import reference_variant, trained_state
from convnextpose_check.miniature.rescaling import EPS, published_figures, rescaled
from convnextpose_check.network.layout import build_network
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = Deferred("torch")

LIVING = (0.25, 0.5, 0.75, 0.9)
"""Quantiles above the channels that are at rest in the published network alone."""


@pytest.fixture(scope="module")
def trained(fixtures: Path) -> dict[str, Tensor]:
    return trained_state(fixtures)


@pytest.fixture(scope="module")
def changed(trained: dict[str, Tensor]) -> dict[str, Tensor]:
    return rescaled(trained, reference_variant().architecture)


def test_network_computes_the_same(trained: dict[str, Tensor], changed: dict[str, Tensor]) -> None:
    architecture, cpu = reference_variant().architecture, torch.device("cpu")
    chance = np.random.default_rng(1)
    crop = torch.from_numpy(chance.uniform(0, 1000, (1, 3, 256, 256)))
    with torch.inference_mode():
        expected, obtained = (
            build_network(architecture, state, cpu).double()(crop) for state in (trained, changed)
        )

    torch.testing.assert_close(obtained, expected, atol=1e-4, rtol=0)


def test_variances_are_the_published_ones(changed: dict[str, Tensor]) -> None:
    figures = published_figures()
    for norm, expected in figures.batch_norms.items():
        obtained = np.quantile(changed[f"{norm}.running_var"].numpy(), (0.75, 0.9))
        published = np.interp((0.75, 0.9), figures.levels, expected.variance)
        np.testing.assert_allclose(obtained, published, rtol=0.1, err_msg=norm)
    variances = np.concatenate([changed[f"{n}.running_var"].numpy() for n in figures.batch_norms])
    assert (variances < EPS).mean() == pytest.approx(0.70, abs=0.02)


def test_gammas_are_the_published_ones(changed: dict[str, Tensor]) -> None:
    figures = published_figures()
    expected = np.concatenate(
        [
            figures.spread(f.gamma, len(changed[f"{norm}.weight"]))
            for norm, f in figures.batch_norms.items()
        ]
    )
    obtained = np.concatenate([changed[f"{norm}.weight"].numpy() for norm in figures.batch_norms])
    np.testing.assert_allclose(
        np.quantile(obtained, LIVING), np.quantile(expected, LIVING), rtol=0.1
    )
    assert (obtained < 0).mean() == pytest.approx((expected < 0).mean(), abs=0.01)


def test_same_bits_come_out_again(trained: dict[str, Tensor], changed: dict[str, Tensor]) -> None:
    again = rescaled(trained, reference_variant().architecture)
    assert all(torch.equal(again[key], tensor) for key, tensor in changed.items())
