"""Collecting the validation tests imports no large or developer package."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.texts import ROOT

LARGE_PACKAGES = ("cv2", "matplotlib")
DEVELOPER_PACKAGES = (
    "IPython", "jsonschema", "markdown_it", "onnx", "onnxruntime", "onnxscript",
    "pytest_httpserver", "selenium", "syrupy", "werkzeug", "xdist", "yaml",
)  # fmt: skip
THEIR_PLUGINS = ("pytest_httpserver", "syrupy", "xdist", "xdist.looponfail")

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


def collect(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Collect tests without developer packages."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CONVNEXTPOSE_")}
    disabled = (part for name in THEIR_PLUGINS for part in ("-p", f"no:{name}"))
    return subprocess.run(
        [
            *(sys.executable, "-c", COLLECT, "--collect-only", "-q", *disabled),
            *(f"--results-dir={folder}", *arguments),
        ],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(folder / "packages")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_collection_beside_other_tests_package_imports_no_large_package(tmp_path: Path) -> None:
    """Some wheels install a top-level package ``tests``."""
    other = tmp_path / "packages" / "tests" / "__init__.py"
    other.parent.mkdir(parents=True)
    other.write_text("")

    result = collect(tmp_path, "tests/validation")

    assert result.returncode == pytest.ExitCode.OK, result.stdout + result.stderr
    assert result.stdout.splitlines()[-1].split() == ["loaded:"]
    assert "tests/validation/test_counts.py::" in result.stdout


def test_published_run_needs_no_developer_package(tmp_path: Path) -> None:
    """``python -m pytest -m gpu`` loads every conftest and test module."""
    result = collect(tmp_path, "-m", "gpu")

    # Collected tests are not passed, so the exit code is 1; an error would be counted here.
    assert re.search(r"^109/\d+ tests collected \(\d+ deselected\) in ", result.stdout, re.M), (
        result.stdout + result.stderr
    )
    assert "test_mpjpe_is_within_tolerance_of_reported_value[published-XS-1mm]" in result.stdout
