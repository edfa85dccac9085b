"""Hypothesis, or a skipped test module where the development extra is not installed.

Users who judge models collect all tests and do not have it.
"""

from __future__ import annotations

import pytest

pytest.importorskip(
    "hypothesis", reason="needs hypothesis: python -m pip install -e '.[dev]' installs it"
)

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

__all__ = ["HealthCheck", "given", "settings", "st"]
