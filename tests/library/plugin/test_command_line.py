"""Options take their value after a blank as well as after an equals sign."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from convnextpose_check.plugin.command_line import joined


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(["-m", "gpu"], ["-m", "gpu"], id="others-stay"),
        pytest.param(["--h36m-root", "/data", "-q"], ["--h36m-root=/data", "-q"], id="joined"),
        pytest.param(
            ["--h36m-root=/data", "tests"], ["--h36m-root=/data", "tests"], id="was-joined"
        ),
        pytest.param(["--no-flip", "tests"], ["--no-flip", "tests"], id="flag-takes-no-value"),
        pytest.param(["--gate", "--no-flip"], ["--gate", "--no-flip"], id="value-missing"),
        pytest.param(
            ["--checkpoints", "a", "--checkpoints", "b"],
            ["--checkpoints=a", "--checkpoints=b"],
            id="twice",
        ),
    ],
)
def test_own_options_are_joined_to_their_values(given: list[str], expected: list[str]) -> None:
    assert joined(given) == expected


@pytest.mark.parametrize(
    "program",
    [
        ["-m", "pytest"],
        pytest.param([str(Path(sys.executable).with_name("pytest"))], marks=pytest.mark.slow),
    ],
)
def test_existing_path_after_a_blank_is_no_folder_of_tests(
    program: list[str], pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    """Without the plugin pytest would look for its settings there, and know none of ours."""
    for name in ("data", "out"):
        (tmp_path / name).mkdir()

    result = subprocess.run(
        [
            sys.executable, *program, "-m", "gpu", "--collect-only", "-q", "-p", "no:cacheprovider",
            "--ignore=tests/library", "--ignore=tests/hostile",
            "--h36m-root", tmp_path / "data", "--results-dir", tmp_path / "out",
        ],
        cwd=pytestconfig.rootpath,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip

    # Tests of published models that are only listed are not passed.
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stderr
    assert "test_errors.py::test_dataset_is_complete[published]" in result.stdout
    assert "[miniature]" not in result.stdout
