"""What a gate's exit code says, whichever way a run was made to judge less than it should."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.library.runs.conftest import Judge, Run

PASSED, FAILED, REFUSED = (
    pytest.ExitCode.OK,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.USAGE_ERROR,
)


@pytest.mark.parametrize(
    ("off_mm", "code", "verdict"),
    [
        (4.99, PASSED, "Reproduced: T is within 5 mm of its figure."),
        (-5.01, FAILED, "Not reproduced: T differs by 5 mm or more."),
    ],
)
def test_five_millimetres_decide(
    judge: Judge, obtained_mm: float, off_mm: float, code: int, verdict: str
) -> None:
    result, written = judge(figure={"value": obtained_mm + off_mm, "source": "a first run"})

    assert result.returncode == code, result.stdout
    assert written["verdict"].startswith(verdict)
    assert written["variants"]["T"]["complete"]


def test_rank_in_environment_has_no_effect(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "1")

    result, written = judge("--gate=none")

    assert result.returncode == PASSED, result.stdout
    assert written["variants"]["T"]["complete"]


FOR_INFORMATION = {"value": 1.0, "source": "elsewhere", "information_only": "of another model"}


@pytest.mark.parametrize("protocol", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_information_passes_no_gate(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, protocol: int
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", f"--protocol={protocol}")

    result, written = judge(figure=FOR_INFORMATION)

    assert result.returncode == FAILED, result.stdout
    assert "add --gate none" in " ".join(result.stdout.split())
    assert written["verdict"].startswith("No verdict on T: information only, of another model.")


def test_information_passes_where_no_gate_was_asked_for(judge: Judge) -> None:
    result, _ = judge("--protocol", 1, "--gate", "none", figure=FOR_INFORMATION)

    assert result.returncode == PASSED, result.stdout
    assert "3 xfailed" in result.stdout


@pytest.mark.parametrize(
    "option",
    [
        "--collect-only",
        *(
            pytest.param(option, marks=pytest.mark.slow)
            for option in ("--setup-plan", "--setup-only", "--fixtures")
        ),
    ],
)
def test_run_that_executes_no_test_is_not_passed(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", option)

    result, _ = judge("-k", "opencv or kernel")

    assert result.returncode == FAILED, result.stdout


def test_gate_reached_through_a_link_keeps_its_books(
    judge: Judge, pytestconfig: pytest.Config, tmp_path: Path
) -> None:
    link = pytestconfig.rootpath / "tests" / f"{tmp_path.name}_link"
    link.symlink_to("validation")
    try:
        result, _ = judge("-k", "opencv or kernel", targets=(str(link),))
    finally:
        link.unlink()

    assert "2 passed" in result.stdout
    assert result.returncode == FAILED
    assert "was not run" in result.stdout


def test_failure_is_not_forgiven(
    judge: Judge, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "forgiving.py").write_text(
        "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    result, _ = judge("-p", "forgiving", figure={"value": 1.0, "source": "nowhere"})

    assert "1 failed" in result.stdout
    assert result.returncode == FAILED


def test_published_run_without_a_published_variant_is_refused(
    run: Run,
) -> None:
    result = run("-m", "gpu", "--variants", "reference", "--device", "cpu")

    assert result.returncode == REFUSED
    assert "names no published model, only the miniature's" in result.stdout + result.stderr


@pytest.mark.parametrize(
    "targets", [("tests/validation",), ("tests/library", "tests/validation/test_counts.py"), (".",)]
)
@pytest.mark.parametrize("shared", [["-n", "2"], ["--dist", "load", "--tx", "popen"]])
def test_gate_is_not_shared_out_among_processes(
    run: Run,
    targets: tuple[str, ...],
    shared: list[str],
) -> None:
    result = run("-m", "gpu", *shared, targets=targets)

    assert result.returncode == REFUSED
    assert "run them without -n and --dist" in result.stderr


def test_library_tests_may_be_shared_out(run: Run) -> None:
    result = run("-n", "2", targets=("tests/library/plugin/test_gate.py",))

    assert result.returncode == PASSED, result.stdout
