"""A pytest plugin for a separate process: the hand-made data set counts as complete."""

import pytest

from tests.support.datasets import FACTS


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main() -> None:
    """Replace the facts of Human3.6M by those of the hand-made data set."""
    pytest.MonkeyPatch().setattr("convnextpose_check.run.run.read_facts", lambda: FACTS)
