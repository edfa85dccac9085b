"""The fixtures of the suite: the models on the device and Human3.6M, each loaded once in a run.

A test that takes ``trial`` is asked about each subject of the run: the published models on your
files, and the miniature that the suite carries. The options and the gate are the package's plugin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.verdict import Judgement, judge
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.plugin.session import session_of
from convnextpose_check.trial.networks import Networks
from convnextpose_check.trial.trial import Trial
from convnextpose_check.variants import Variant

if TYPE_CHECKING:
    from torch.nn import Module

    from convnextpose_check.network.plain import ConvNeXtPose

pytest_plugins = ["convnextpose_check.plugin.suite"]


@pytest.fixture(scope="session")
def trial(request: pytest.FixtureRequest) -> Trial:
    """The subject that the test is asked about: its files, networks and verdicts."""
    return session_of(request.config).trials[request.param]


@pytest.fixture(scope="session")
def networks(trial: Trial) -> Networks:
    """The models, loaded strictly onto the device: plain, counted and judged, each built once."""
    trial.networks.device()
    return trial.networks


@pytest.fixture(scope="session")
def human36m(trial: Trial) -> Dataset:
    """The test samples of Human3.6M, read once, or of the miniature in its layout."""
    return trial.files.dataset()


@pytest.fixture(scope="session")
def pictures(request: pytest.FixtureRequest, trial: Trial) -> Dataset:
    """What networks are compared on: Human3.6M, or the miniature where weights alone are judged."""
    if trial.settings.weights_only:
        return session_of(request.config).trials["miniature"].files.dataset()
    return trial.files.dataset()


@pytest.fixture
def checkpoint(trial: Trial, variant: Variant) -> Checkpoint:
    """The variant's checkpoint as the file holds it, opened once."""
    return trial.files.checkpoint(variant.name)


@pytest.fixture
def network(networks: Networks, variant: Variant) -> ConvNeXtPose:
    """The variant's network on the device, with the checkpoint's weights."""
    return networks.plain(variant.name)


@pytest.fixture
def module(networks: Networks, variant: Variant) -> Module:
    """What is counted: the network, or the user's own."""
    return networks.counted(variant.name)


@pytest.fixture
def evaluation(request: pytest.FixtureRequest, trial: Trial, variant: Variant) -> Evaluation:
    """The variant evaluated on the whole data set, in one pass with those that others ask for."""
    return trial.evaluation(variant.name, session_of(request.config).evaluated)


@pytest.fixture
def judgement(trial: Trial, variant: Variant, evaluation: Evaluation) -> Judgement:
    """The variant's error held against its reference."""
    return judge(evaluation, trial.reference(variant.name))
