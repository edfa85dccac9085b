"""Misread command lines are refused; other projects are not affected."""

import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from convnextpose_check.plugin import suite
from convnextpose_check.plugin.command_line import join_options
from tests.support.texts import ROOT


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["-m", "gpu"], ["-m", "gpu"]),
        (["--h36m-root", "/data", "-q"], ["--h36m-root=/data", "-q"]),
        (["--h36m-root=/data", "tests"], ["--h36m-root=/data", "tests"]),
        (["--no-flip", "tests"], ["--no-flip", "tests"]),
        (["--gate", "--no-flip"], ["--gate", "--no-flip"]),
        (["--checkpoints", "a", "--checkpoints", "b"], ["--checkpoints=a", "--checkpoints=b"]),
    ],
)
def test_join_options_joins_own_options_to_values(given: list[str], expected: list[str]) -> None:
    assert join_options(given) == expected


Patch = pytest.MonkeyPatch
RunPytest = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run_pytest(nothing_set: Patch, capfd: pytest.CaptureFixture[str]) -> RunPytest:
    """Run pytest in a folder with the installed plugins; returns exit code, output and errors."""
    nothing_set.delenv("PYTEST_ADDOPTS", raising=False)
    nothing_set.setattr(sys, "path", sys.path[:])

    def run_in(folder: Path, *arguments: object) -> tuple[int, str, str]:
        nothing_set.chdir(folder)
        fast_options = ["-p", "no:cacheprovider", "--import-mode=importlib"]
        code = pytest.main([*fast_options, *map(str, arguments)])
        return int(code), *capfd.readouterr()

    return run_in


COLLECT_ONLY = ("-m", "gpu", "--collect-only", "-q")


@pytest.mark.parametrize("more", [(), ("tests/validation",)])
def test_pytest_path_value_after_space_is_refused_with_corrected_command(
    run_pytest: RunPytest, tmp_path: Path, more: tuple[str, ...]
) -> None:
    """Without the plugin, pytest would report all options as unrecognized."""
    given = ("--h36m-root", tmp_path, f"--results-dir={tmp_path}")

    code, out, err = run_pytest(ROOT, *COLLECT_ONLY, *more, *given)

    assert (code, out) == (pytest.ExitCode.USAGE_ERROR, "")
    error, command = err.strip().splitlines()
    assert error.startswith(f"ERROR: pytest reads {tmp_path} as a test path")
    assert command.endswith(
        " ".join([*more, f"--h36m-root={tmp_path}", f"--results-dir={tmp_path}"])
    )


def test_pytest_test_and_missing_paths_are_accepted(run_pytest: RunPytest, tmp_path: Path) -> None:
    given = ["--h36m-root", tmp_path / "missing", f"--results-dir={tmp_path}"]

    code, out, _ = run_pytest(ROOT, *COLLECT_ONLY, "tests/validation/test_mpjpe.py", *given)

    # Collected tests of published models did not run, so the run fails.
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "test_mpjpe.py::test_dataset_is_complete[published]" in out
    assert "[synthetic]" not in out


@pytest.mark.parametrize(
    ("folder", "argument", "message"),
    [
        (ROOT, "--h36m-rot=/x", "unknown option --h36m-rot (did you mean --h36m-root?)."),
        ("/", "--h36m-root=x", "--h36m-root is an option of convnextpose-check, but its tests"),
    ],
)
def test_pytest_unknown_option_is_explained(
    run_pytest: RunPytest, folder: str | Path, argument: str, message: str
) -> None:
    code, out, err = run_pytest(Path(folder), *COLLECT_ONLY, argument)

    assert (code, out) == (pytest.ExitCode.USAGE_ERROR, "")
    assert err.startswith(f"ERROR: {message}")


def test_pytest_without_autoloaded_plugins_collects_throughput_tests(
    run_pytest: RunPytest, monkeypatch: Patch
) -> None:
    """``pytest.ini`` and a test need pytest-benchmark."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    _, out, err = run_pytest(ROOT, *COLLECT_ONLY, "tests/validation")

    assert "test_throughput.py::test_throughput[published-L]" in out, err


def test_validation_tests_are_first_and_exempt_from_timeouts(monkeypatch: Patch) -> None:
    """With ``--timeout``, pytest-timeout ends a test that has no such mark."""
    marks: list[int] = []
    monkeypatch.setitem(vars(pytest.mark), "timeout", lambda seconds: seconds)
    names = ("library/test_progress.py", "validation/test_mpjpe.py", "validation/test_counts.py")
    items: list[Any] = [
        SimpleNamespace(path=ROOT / "tests" / name, add_marker=marks.append) for name in names
    ]
    plugins = SimpleNamespace(hasplugin="timeout".__eq__)
    config: Any = SimpleNamespace(pluginmanager=plugins)

    suite.pytest_collection_modifyitems(config, items)

    assert marks == [0, 0]
    assert [item.path.stem for item in items] == ["test_counts", "test_mpjpe", "test_progress"]


def test_plugin_is_registered_as_entry_point() -> None:
    """Without the plugin, the following tests of other projects would always pass."""
    installed = entry_points(group="pytest11", name="convnextpose_check")
    assert [entry.value for entry in installed] == ["convnextpose_check.plugin.command_line"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--device=tests", "--limit", "test_x.py"], pytest.ExitCode.OK, "1 passed"),
        (["test_x.py", "--device", "tests", "--limit"], pytest.ExitCode.OK, "1 passed"),
        (["--h36m-rot=x"], pytest.ExitCode.USAGE_ERROR, "unrecognized arguments: --h36m-rot=x"),
    ],
)
def test_foreign_project_keeps_its_own_options(
    run_pytest: RunPytest, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    """The project declares its own --limit and --device."""
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

    obtained, *printed = run_pytest(tmp_path, *arguments)

    assert obtained == code, printed
    assert message in "".join(printed)
