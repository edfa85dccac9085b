"""The suite run as a user runs it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.processes import run_python

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(pytestconfig: pytest.Config, tmp_path: Path) -> Run:
    """Run the validation tests with these arguments; results go to ``tmp_path / "out"``."""

    def run_suite(
        *arguments: object, targets: tuple[str, ...] = ("tests/validation",)
    ) -> subprocess.CompletedProcess[str]:
        return run_python(
            "-m", "pytest", *targets, "-p", "no:cacheprovider",
            "--results-dir", tmp_path / "out", *arguments,
            folder=pytestconfig.rootpath,
            environment={k: v for k, v in os.environ.items() if not k.startswith("CONVNEXTPOSE_")},
        )  # fmt: skip

    return run_suite
