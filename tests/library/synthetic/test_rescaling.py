from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from convnextpose_check.network.layout import build_network
from convnextpose_check.synthetic.reference import reference_variant, trained_state
from convnextpose_check.synthetic.rescaling import EPS, published_statistics, rescale_weights


def test_rescale_weights_has_published_ranges_and_same_output(fixtures: Path) -> None:
    architecture, cpu = reference_variant().architecture, torch.device("cpu")
    trained, statistics = trained_state(fixtures), published_statistics()
    rescaled = rescale_weights(trained, architecture)
    crop = torch.from_numpy(np.random.default_rng(1).uniform(0, 1000, (1, 3, 64, 64)))

    with torch.inference_mode():
        expected, obtained = (
            build_network(architecture, state, cpu).double()(crop) for state in (trained, rescaled)
        )

    torch.testing.assert_close(obtained, expected, atol=1e-4, rtol=0)
    norms = statistics.batch_norms
    for norm, published in norms.items():
        found = np.quantile(rescaled[f"{norm}.running_var"].numpy(), (0.75, 0.9))
        wanted = np.interp((0.75, 0.9), statistics.levels, published["variance"])
        np.testing.assert_allclose(found, wanted, rtol=0.1, err_msg=norm)
    variances = np.concatenate([rescaled[f"{norm}.running_var"].numpy() for norm in norms])
    assert 0.68 < (variances < EPS).mean() < 0.72
    gammas = np.concatenate([rescaled[f"{norm}.weight"].numpy() for norm in norms])
    wanted = np.concatenate(
        [
            statistics.interpolate(published["gamma"], len(rescaled[f"{norm}.weight"]))
            for norm, published in norms.items()
        ]
    )
    # Lower quantiles are those of dead channels, which only the published network has.
    levels = (0.25, 0.5, 0.75, 0.9)
    np.testing.assert_allclose(np.quantile(gammas, levels), np.quantile(wanted, levels), rtol=0.1)
    assert abs((gammas < 0).mean() - (wanted < 0).mean()) < 0.01
