"""A plugin for a run of pytest in a process of its own, whose Drive is at ``$DRIVE_PORT``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.drive import send_google_to


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main() -> None:
    """Have requests to Google answered there, until the process ends, without Kaggle's folder."""
    patch = pytest.MonkeyPatch()
    send_google_to(int(os.environ["DRIVE_PORT"]), patch)
    patch.setattr("convnextpose_check.settings.options.KAGGLE_INPUT", Path("no kaggle input"))
