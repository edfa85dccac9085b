"""Option values after a space, and the plugin in projects other than this suite."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from convnextpose_check.plugin.command_line import join_options
from convnextpose_check.settings.options import OPTIONS


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
def test_join_options_joins_own_options_to_their_values(
    given: list[str], expected: list[str]
) -> None:
    assert join_options(given) == expected


def run_pytest(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run pytest in the folder with the plugins that are installed in this environment."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *map(str, arguments)],
        cwd=folder,
        env={name: text for name, text in os.environ.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two existing folders outside the suite: data and results."""
    (tmp_path / "data").mkdir()
    (tmp_path / "out").mkdir()
    return tmp_path / "data", tmp_path / "out"


LISTED = ("-m", "gpu", "--collect-only", "-q", "--ignore=tests/library", "--ignore=tests/hostile")


@pytest.mark.parametrize(
    ("folder", "more"),
    [
        pytest.param(".", (), id="ini-found"),
        pytest.param("tests/validation", ("-c", "../../pytest.ini"), id="ini-given-from-below"),
    ],
)
def test_existing_path_after_a_space_is_answered_with_the_corrected_command_line(
    pytestconfig: pytest.Config, folders: tuple[Path, Path], folder: str, more: tuple[str, ...]
) -> None:
    """pytest alone would know none of the options, and call them unrecognized."""
    data, out = folders

    result = run_pytest(
        pytestconfig.rootpath / folder, *LISTED, *more, "--h36m-root", data, f"--results-dir={out}"
    )

    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    assert result.stdout == ""
    errors = re.findall(r"^ERROR: (.*)$", result.stderr, re.MULTILINE)
    assert len(errors) == 1
    assert errors[0].startswith(f"pytest takes {data} for a path of tests")
    assert errors[0].endswith(" ".join([*more, f"--h36m-root={data}", f"--results-dir={out}"]))


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(
            ["tests/validation", "--h36m-root", "{data}", "--results-dir", "{out}"],
            id="space-beside-a-path-of-tests",
        ),
        pytest.param(
            ["--h36m-root", "{data}/missing", "--results-dir={out}"],
            id="space-and-missing-path",
            marks=pytest.mark.slow,  # collects every test
        ),
    ],
)
def test_other_command_lines_reach_the_suite(
    pytestconfig: pytest.Config, folders: tuple[Path, Path], arguments: list[str]
) -> None:
    data, out = folders

    result = run_pytest(
        pytestconfig.rootpath, *LISTED, *(text.format(data=data, out=out) for text in arguments)
    )

    # Tests of published models that are only listed are not passed.
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stderr
    assert "test_mpjpe.py::test_dataset_is_complete[published]" in result.stdout
    assert "[miniature]" not in result.stdout


def test_misspelled_option_is_answered_with_a_suggestion(pytestconfig: pytest.Config) -> None:
    result = run_pytest(pytestconfig.rootpath, *LISTED, "--h36m-rot=/data")

    assert result.returncode == pytest.ExitCode.USAGE_ERROR
    said = "ERROR: there is no option --h36m-rot: did you mean --h36m-root?"
    assert result.stderr.strip() == said


@pytest.fixture
def foreign_project(tmp_path: Path) -> Path:
    """A project that declares --limit and --device itself and has nothing to do with this suite."""
    (tmp_path / "conftest.py").write_text(
        "def pytest_addoption(parser):\n"
        "    parser.addoption('--limit', action='store_true', help='foreign limit')\n"
        "    parser.addoption('--device', default='none', help='foreign device')\n",
        encoding="utf-8",
    )
    (tmp_path / "test_x.py").write_text(
        "def test_options(pytestconfig):\n"
        "    assert pytestconfig.getoption('limit') is True\n"
        "    assert pytestconfig.getoption('device') == 'tests'\n",
        encoding="utf-8",
    )
    (tmp_path / "tests").mkdir()
    return tmp_path


def test_plugin_is_installed_in_this_environment() -> None:
    """Otherwise the tests of other projects below would pass whatever the plugin does."""
    installed = entry_points(group="pytest11", name="convnextpose_check")
    assert [entry.value for entry in installed] == ["convnextpose_check.plugin.command_line"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--device=tests", "--limit", "test_x.py"], pytest.ExitCode.OK, "1 passed"),
        (["test_x.py", "--device", "tests", "--limit"], pytest.ExitCode.OK, "1 passed"),
        (["--h36m-rot=x"], pytest.ExitCode.USAGE_ERROR, "unrecognized arguments: --h36m-rot=x"),
    ],
    ids=["flag-before-a-path", "value-is-a-path", "misspelled"],
)
def test_foreign_project_keeps_its_own_options(
    foreign_project: Path, arguments: list[str], code: int, said: str
) -> None:
    result = run_pytest(foreign_project, *arguments)

    assert result.returncode == code, result.stdout + result.stderr
    assert said in result.stdout + result.stderr


def test_foreign_project_sees_no_option_of_the_suite(foreign_project: Path) -> None:
    result = run_pytest(foreign_project, "--help")

    assert result.returncode == pytest.ExitCode.OK, result.stderr
    shown = set(re.findall(r"--[a-z][a-z0-9-]*", result.stdout))
    assert {o.flag for o in OPTIONS} & shown == {"--limit", "--device"}
    assert "ConvNeXtPose" not in result.stdout
