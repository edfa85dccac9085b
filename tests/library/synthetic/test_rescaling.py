from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from convnextpose_check.network.layout import build_network
from convnextpose_check.synthetic.reference import reference_variant, trained_state
from convnextpose_check.synthetic.rescaling import EPS, published_statistics, rescale_weights


def test_rescale_weights_gives_the_published_ranges_and_the_same_output(fixtures: Path) -> None:
    architecture, cpu = reference_variant().architecture, torch.device("cpu")
    trained, statistics = trained_state(fixtures), published_statistics()
    changed = rescale_weights(trained, architecture)
    crop = torch.from_numpy(np.random.default_rng(1).uniform(0, 1000, (1, 3, 64, 64)))

    with torch.inference_mode():
        expected, obtained = (
            build_network(architecture, state, cpu).double()(crop) for state in (trained, changed)
        )

    torch.testing.assert_close(obtained, expected, atol=1e-4, rtol=0)
    norms = statistics.batch_norms
    for norm, published in norms.items():
        found = np.quantile(changed[f"{norm}.running_var"].numpy(), (0.75, 0.9))
        wanted = np.interp((0.75, 0.9), statistics.levels, published["variance"])
        np.testing.assert_allclose(found, wanted, rtol=0.1, err_msg=norm)
    variances = np.concatenate([changed[f"{norm}.running_var"].numpy() for norm in norms])
    assert 0.68 < (variances < EPS).mean() < 0.72
    gammas = np.concatenate([changed[f"{norm}.weight"].numpy() for norm in norms])
    wanted = np.concatenate(
        [
            statistics.interpolate(f["gamma"], len(changed[f"{norm}.weight"]))
            for norm, f in norms.items()
        ]
    )
    # Quantiles above the dead channels that only the published network has.
    above = (0.25, 0.5, 0.75, 0.9)
    np.testing.assert_allclose(np.quantile(gammas, above), np.quantile(wanted, above), rtol=0.1)
    assert abs((gammas < 0).mean() - (wanted < 0).mean()) < 0.01
