"""Imports Hypothesis, or skips the test module if it is not installed.

Only the ``dev`` extra installs it, and users may collect all tests without that.
"""

from __future__ import annotations

import pytest

pytest.importorskip(
    "hypothesis", reason="needs hypothesis: python -m pip install -e '.[dev]' installs it"
)

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

__all__ = ["HealthCheck", "given", "settings", "st"]
