"""Runs of two tiny models on six images."""

from collections.abc import Callable
from pathlib import Path

import pytest

from convnextpose_check.run.run import Run
from convnextpose_check.variants import read_catalogue
from tests.support.datasets import FACTS
from tests.support.passes import dataset, networks, read_counts  # noqa: F401 - fixtures
from tests.support.runs import make_run
from tests.support.whole_runs import write_own_reference

REFERENCE_MM = 700.0


@pytest.fixture
def open_run(inputs: Path) -> Callable[..., Run]:
    """Create a run of models T, which has a reference value, and U."""
    reported: dict[str, object] = {"value": REFERENCE_MM, "source": "a first run"}
    own = write_own_reference(inputs, inputs / "referenced.json", reported)

    def make_open_run(**given: str) -> Run:
        settings = {"results_dir": str(inputs / "out"), "variants_file": str(own), "device": "cpu"}
        catalogue = read_catalogue(own)
        places = (inputs / "h36m", inputs / "models")
        return make_run(settings | given, catalogue, FACTS, *places, name="published")

    return make_open_run
