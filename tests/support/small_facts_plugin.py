"""A plugin for a run of pytest in a process of its own, to which six hand-made samples are all."""

from __future__ import annotations

import pytest

from tests.support.datasets import FACTS


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main() -> None:
    """Have the published data set expected to be that small, until the process ends."""
    pytest.MonkeyPatch().setattr("convnextpose_check.run.run.read_facts", lambda: FACTS)
