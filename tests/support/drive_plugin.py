"""A plugin for a run of pytest in a process of its own, whose Drive is at ``$DRIVE_PORT``."""

from __future__ import annotations

import os

import pytest

from tests.support.drive import send_google_to


def pytest_configure() -> None:
    """Have requests to Google answered there, until the process ends."""
    send_google_to(int(os.environ["DRIVE_PORT"]), pytest.MonkeyPatch())
