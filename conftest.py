"""The session fixtures of the suite: the run, and its checkpoints, models, data and evaluations.

A run judges one target: with ``-m gpu`` the published models on your files, else the synthetic
models that the suite generates. Options, gate and report are in the plugin.
"""

from __future__ import annotations

import pytest

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.plugin.session import get_session, synthetic_dataset
from convnextpose_check.run.models import VariantModels
from convnextpose_check.run.run import ByVariant, Run

# suite imports html_table, which must come first: pytest warns if a plugin is already imported.
pytest_plugins = ["convnextpose_check.plugin.html_table", "convnextpose_check.plugin.suite"]


@pytest.fixture(scope="session")
def run(request: pytest.FixtureRequest) -> Run:
    """The run of this session's target."""
    return get_session(request.config).run


@pytest.fixture(scope="session")
def checkpoints(run: Run) -> ByVariant[Checkpoint]:
    """The checkpoint of each variant, opened once; reading one that is unusable raises."""
    return run.checkpoints


@pytest.fixture(scope="session")
def models(run: Run) -> ByVariant[VariantModels]:
    """The models of each variant on the device, with the checkpoint's weights."""
    return run.models


@pytest.fixture(scope="session")
def human36m(run: Run) -> Dataset:
    """The test samples of Human3.6M, or of the synthetic data in its layout."""
    return run.dataset


@pytest.fixture(scope="session")
def evaluations(run: Run) -> ByVariant[Evaluation]:
    """The errors of all samples of each variant, measured in one pass over the images."""
    return run.evaluations


@pytest.fixture(scope="session")
def comparison_samples(run: Run) -> Dataset:
    """Samples to compare models on: Human3.6M, or synthetic ones with ``--weights-only``."""
    return synthetic_dataset(run.display) if run.settings.weights_only else run.dataset
