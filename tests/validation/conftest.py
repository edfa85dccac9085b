"""Parametrize every validation test over the variants of the run's target."""

from __future__ import annotations

from functools import partial

import pytest

from convnextpose_check.plugin.gate import Recorder, record_values
from convnextpose_check.plugin.required import VALIDATION_TESTS, list_cases
from convnextpose_check.plugin.session import get_session
from convnextpose_check.variants import Variant

BY_FUNCTION = {test.function: test for test in VALIDATION_TESTS}


def get_cases(config: pytest.Config, function: str) -> dict[str, Variant | None]:
    """The cases of a validation test in this run; empty if it does not apply."""
    return list_cases(BY_FUNCTION[function], get_session(config).run)


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str) -> list[pytest.Item] | None:
    """Skip the collection of a test that applies to no variant of this run."""
    return [] if name in BY_FUNCTION and not get_cases(collector.config, name) else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize a test by variant; tests of the published models get the marker ``gpu``."""
    function, run = metafunc.definition.originalname, get_session(metafunc.config).run
    if function not in BY_FUNCTION:
        return
    is_on_gpu = run.target == "published" and not run.settings.weights_only
    marks = [pytest.mark.gpu] if is_on_gpu else []
    names = ["variant"] if "variant" in metafunc.fixturenames else []
    parameters = [
        pytest.param(*[variant] * len(names), id=case_id, marks=marks)
        for case_id, variant in get_cases(metafunc.config, function).items()
    ]
    metafunc.parametrize(names, parameters)


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Recorder:
    """Records the value that a check obtained, for the report and the JUnit file."""
    return partial(record_values, request.node.user_properties)
