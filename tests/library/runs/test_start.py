"""Asking for help, or for a list of the tests, waits for nothing large."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

LARGE = ("torch", "cv2", "matplotlib")
FOR_DEVELOPERS = ("selenium", "markdown_it", "jsonschema", "nbclient", "yaml")
"""Not there where a user judges models: with them missing everything is collected all the same."""
COLLECT = ["--collect-only", "-q", "-p", "no:cacheprovider"]

SHOW_LOADED = f"""
import sys
import pytest
code = pytest.main(sys.argv[1:])
print("loaded:", *(name for name in {(*LARGE, *FOR_DEVELOPERS)!r} if name in sys.modules))
sys.exit(code)
"""

HIDE_PACKAGES = f"""
import sys
import pytest
from importlib.abc import MetaPathFinder

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {(*FOR_DEVELOPERS, "hypothesis")!r}:
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Missing())
sys.exit(pytest.main(sys.argv[1:]))
"""


def started(
    arguments: list[str], root: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("CONVNEXTPOSE_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("arguments", [["--help"], COLLECT], ids=["help", "collect-only"])
def test_nothing_large_and_nothing_of_developers_is_imported(
    arguments: list[str], pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    own_folder = [f"--results-dir={tmp_path}"]  # this very run holds the default one
    command = ["-c", SHOW_LOADED, *own_folder, *arguments]
    result = started(command, pytestconfig.rootpath)

    assert result.returncode == pytest.ExitCode.OK, result.stdout
    assert result.stdout.splitlines()[-1].split() == ["loaded:"]
    if "--help" not in arguments:
        for module in ("library/network/test_plain.py", "hostile/test_hostile.py"):
            assert f"tests/{module}::" in result.stdout


def test_collection_without_packages_for_developers_skips_what_needs_them(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    arguments = ["-p", "no:hypothesispytest", f"--results-dir={tmp_path}"]
    result = started(["-c", HIDE_PACKAGES, *arguments, *COLLECT], pytestconfig.rootpath)

    assert result.returncode == pytest.ExitCode.OK, result.stdout
    assert "tests/validation/test_counts.py::" in result.stdout


@pytest.mark.slow
def test_collecting_everything_takes_less_time_than_importing_torch(
    pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    """Best of three each, in turns, after a first time that compiles."""

    def seconds(arguments: list[str]) -> float:
        begun = time.perf_counter()
        result = started(arguments, pytestconfig.rootpath, PYTHONPYCACHEPREFIX=str(tmp_path))
        assert result.returncode == 0, result.stdout
        return time.perf_counter() - begun

    collecting, importing = ["-m", "pytest", *COLLECT], ["-c", "import torch"]
    rounds = [(seconds(collecting), seconds(importing)) for _ in range(4)][1:]

    assert min(collected for collected, _ in rounds) < min(imported for _, imported in rounds)
