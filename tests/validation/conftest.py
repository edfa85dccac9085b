"""Parametrize every validation test over targets and variants."""

from __future__ import annotations

import pytest

from convnextpose_check.plugin.recording import Obtained
from convnextpose_check.plugin.required import VALIDATION_TESTS
from convnextpose_check.plugin.session import Session, session_of

PARAMETERS = ("trial", "variant")
BY_FUNCTION = {test.function: test for test in VALIDATION_TESTS}


def parameters_of(session: Session, function: str, taken: list[str]) -> list[object]:
    """A ``pytest.param`` with the values of the ``taken`` names for each case of a test."""
    parameters: list[object] = []
    for target in session.targets:
        is_on_gpu = target == "published" and not session.settings.weights_only
        for case in session.cases_of(BY_FUNCTION[function], target):
            values = {"trial": target, "variant": case.variant}
            marks = [pytest.mark.gpu] if is_on_gpu else []
            parameters.append(
                pytest.param(*(values[name] for name in taken), id=case.case_id, marks=marks)
            )
    return parameters


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str) -> list[pytest.Item] | None:
    """Leave out a test that applies to no variant of any target of this run."""
    if name in BY_FUNCTION and not parameters_of(session_of(collector.config), name, []):
        return []
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    function = metafunc.definition.originalname
    if function in BY_FUNCTION:
        taken = [name for name in PARAMETERS if name in metafunc.fixturenames]
        parameters = parameters_of(session_of(metafunc.config), function, taken)
        metafunc.parametrize(taken, parameters, indirect=["trial"])


@pytest.fixture
def obtained(request: pytest.FixtureRequest) -> Obtained:
    """Show what a check obtained in the report's table and in JUnit's file."""
    # Not record_property, which warns of JUnit's newer form: its readers take the properties.
    properties = request.node.user_properties

    def record(
        value: object,
        expected: object = None,
        unit: str = "",
        *,
        warning: str = "",
        unverified: str = "",
    ) -> None:
        for name, each in {
            "obtained": value,
            "expected": expected,
            "unit": unit or None,
            "warning": warning or None,
            "not verified": unverified or None,
        }.items():
            if each is not None:
                properties.append((name, each if isinstance(each, (int, float)) else str(each)))

    return record
