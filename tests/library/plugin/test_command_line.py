"""Option values after a space, and the plugin in projects other than this suite."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from convnextpose_check.plugin.command_line import join_options
from tests.support.texts import ROOT


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


@dataclass(frozen=True)
class Ended:
    """Exit code and output of a pytest run."""

    code: int
    out: str
    err: str


RunPytest = Callable[..., Ended]


@pytest.fixture
def run_pytest(nothing_set: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> RunPytest:
    """Run pytest in a folder with the plugins that are installed in this environment."""
    nothing_set.delenv("PYTEST_ADDOPTS", raising=False)
    nothing_set.setattr(sys, "path", sys.path[:])

    def run_in(folder: Path, *arguments: object) -> Ended:
        nothing_set.chdir(folder)
        quick = ["-p", "no:cacheprovider", "--import-mode=importlib"]
        code = pytest.main([*quick, *map(str, arguments)])
        return Ended(int(code), *capfd.readouterr())

    return run_in


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two existing folders outside the suite: data and results."""
    (tmp_path / "data").mkdir()
    (tmp_path / "out").mkdir()
    return tmp_path / "data", tmp_path / "out"


LISTED = ("-m", "gpu", "--collect-only", "-q")


@pytest.mark.parametrize(
    ("folder", "more"),
    [
        pytest.param(".", (), id="ini-found"),
        pytest.param("tests/validation", ("-c", "../../pytest.ini"), id="ini-given-from-below"),
    ],
)
def test_existing_path_after_a_space_is_answered_with_the_corrected_command_line(
    run_pytest: RunPytest, folders: tuple[Path, Path], folder: str, more: tuple[str, ...]
) -> None:
    """pytest alone would know none of the options, and call them unrecognized."""
    data, out = folders

    ended = run_pytest(ROOT / folder, *LISTED, *more, "--h36m-root", data, f"--results-dir={out}")

    assert ended.code == pytest.ExitCode.USAGE_ERROR
    assert ended.out == ""
    errors = re.findall(r"^ERROR: (.*)$", ended.err, re.MULTILINE)
    assert len(errors) == 1
    assert errors[0].startswith(f"pytest takes {data} for a path of tests")
    assert errors[0].endswith(" ".join([*more, f"--h36m-root={data}", f"--results-dir={out}"]))


@pytest.mark.parametrize("data", ["data", "data/missing"])
def test_other_command_lines_reach_the_suite(
    run_pytest: RunPytest, folders: tuple[Path, Path], data: str
) -> None:
    given = ["--h36m-root", folders[0].parent / data, "--results-dir", folders[1]]

    ended = run_pytest(ROOT, *LISTED, "tests/validation/test_mpjpe.py", *given)

    # Tests of published models that are only listed are not passed.
    assert ended.code == pytest.ExitCode.TESTS_FAILED, ended
    assert "test_mpjpe.py::test_dataset_is_complete[published]" in ended.out
    assert "[miniature]" not in ended.out


def test_misspelled_option_is_refused_with_the_one_that_was_meant(run_pytest: RunPytest) -> None:
    ended = run_pytest(ROOT, *LISTED, "--h36m-rot=/x")

    assert ended.code == pytest.ExitCode.USAGE_ERROR
    assert "there is no option --h36m-rot (did you mean --h36m-root?)" in ended.err


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
    ("arguments", "code", "message"),
    [
        (["--device=tests", "--limit", "test_x.py"], pytest.ExitCode.OK, "1 passed"),
        (["test_x.py", "--device", "tests", "--limit"], pytest.ExitCode.OK, "1 passed"),
        (["--h36m-rot=x"], pytest.ExitCode.USAGE_ERROR, "unrecognized arguments: --h36m-rot=x"),
    ],
    ids=["flag-before-a-path", "value-is-a-path", "misspelled"],
)
def test_foreign_project_keeps_its_own_options(
    run_pytest: RunPytest, foreign_project: Path, arguments: list[str], code: int, message: str
) -> None:
    ended = run_pytest(foreign_project, *arguments)

    assert ended.code == code, ended
    assert message in ended.out + ended.err
