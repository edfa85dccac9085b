"""Collecting the validation tests imports no large or developer package."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.texts import ROOT

LARGE_PACKAGES = ("cv2", "matplotlib")
DEVELOPER_PACKAGES = ("selenium", "markdown_it", "jsonschema", "IPython", "yaml", "hypothesis")

COLLECT = f"""
import sys
import pytest
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {DEVELOPER_PACKAGES!r}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Missing())
code = pytest.main(sys.argv[1:])
print("loaded:", *(name for name in {LARGE_PACKAGES!r} if name in sys.modules))
sys.exit(code)
"""


def test_collection_beside_other_tests_package_imports_no_large_package(tmp_path: Path) -> None:
    """Some wheels install a top-level package ``tests``."""
    other = tmp_path / "packages" / "tests" / "__init__.py"
    other.parent.mkdir(parents=True)
    other.write_text("")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CONVNEXTPOSE_")}
    arguments = ["tests/validation", "--collect-only", "-q", "-p", "no:hypothesispytest"]

    result = subprocess.run(
        [sys.executable, "-c", COLLECT, *arguments, f"--results-dir={tmp_path}"],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(other.parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == pytest.ExitCode.OK, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1].split() == ["loaded:"]
    assert "tests/validation/test_counts.py::" in result.stdout


def test_validation_tests_import_no_other_tests() -> None:
    for path in (ROOT / "tests" / "validation").glob("*.py"):
        assert not re.search("(from|import) tests", path.read_text(encoding="utf-8")), path
