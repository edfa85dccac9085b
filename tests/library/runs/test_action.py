"""The action and the gate's workflow in a caller's repository that is not to be trusted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.commands.gate import gate_environment, gate_problem
from convnextpose_check.paths import Outputs
from convnextpose_check.results.results_file import read_results, write_results
from convnextpose_check.results.schema import Results
from convnextpose_check.results.words import trust_note
from convnextpose_check.variants import Architecture
from tests.support.full_size import write_own_model
from tests.support.hostile_caller import marking, write_hostile_files
from tests.support.results import example_results
from tests.support.steps import action_steps, gate_steps, run_steps
from tests.support.texts import ROOT

INPUTS = {"checkpoints": "weights", "variants-file": "own.json"}
ADAPTER = """
import sys
import msgspec, torch
from convnextpose_check.network.plain import ConvNeXtPose
from convnextpose_check.variants import Architecture, read_catalogue

def build(variant):
    from pathlib import Path
    own = Path(__file__).with_name("own.json").read_bytes()
    architecture = msgspec.json.decode(own)["variants"][0]["architecture"]
    return ConvNeXtPose(msgspec.convert(architecture, Architecture))
"""


@pytest.fixture
def repository(tiny: Architecture, tmp_path: Path) -> Path:
    """A caller's repository with a model of one's own that has one multiply-add less than said."""
    folder = tmp_path / "workspace" / "models"
    (folder / "weights").mkdir(parents=True)
    own = write_own_model(tiny, folder / "weights")
    own["variants"][0]["multiply_adds"] += 1
    (folder / "own.json").write_text(json.dumps(own))
    return folder


def failed_tests(results: Results) -> list[str]:
    return [check.test.partition("[")[0] for check in results.failed]


def test_action_runs_nothing_of_the_repository_and_finds_the_wrong_count(
    repository: Path, tmp_path: Path
) -> None:
    environment = write_hostile_files(repository, tmp_path / "marks")

    ended = run_steps(*action_steps(INPUTS), repository, tmp_path / "temporary", environment)

    assert [each.returncode for each in ended.values()] == [0, pytest.ExitCode.TESTS_FAILED], ended
    assert list((tmp_path / "marks").iterdir()) == []
    results = read_results(Outputs(repository / "output").results)
    assert failed_tests(results) == ["test_counts.py::test_multiply_adds"]
    assert len(results.checks) == 19
    assert (results.network, results.passed) == (None, False)


def test_action_with_a_network_runs_its_module_alone_and_says_so(
    repository: Path, tmp_path: Path
) -> None:
    environment = write_hostile_files(repository, tmp_path / "marks")
    (repository / "adapter.py").write_text(marking(tmp_path / "marks", "adapter") + ADAPTER)
    inputs = INPUTS | {"network": "adapter:build"}

    ended = run_steps(*action_steps(inputs), repository, tmp_path / "temporary", environment)

    assert [each.returncode for each in ended.values()] == [0, pytest.ExitCode.TESTS_FAILED], ended
    assert [path.name for path in (tmp_path / "marks").iterdir()] == ["adapter"]
    results = read_results(Outputs(repository / "output").results)
    assert failed_tests(results) == ["test_counts.py::test_multiply_adds"]
    assert results.network == "adapter:build"
    note = "the verdict is only as trustworthy as that code."
    assert note in (repository / "output" / "report.html").read_text(encoding="utf-8")
    assert note in (tmp_path / "temporary" / "summary.md").read_text(encoding="utf-8")


def test_gates_workflow_runs_nothing_of_the_repository(repository: Path, tmp_path: Path) -> None:
    """There is no Human3.6M: the run is red, and its summary is not what an earlier one left."""
    suite = tmp_path / "workspace" / "suite"
    suite.mkdir()
    for entry in ROOT.iterdir():
        if entry.name != ".venv":
            (suite / entry.name).symlink_to(entry)
    environment = write_hostile_files(repository, tmp_path / "marks")
    for folder in (repository, repository.parent):
        report = Outputs(folder / "output").markdown
        report.parent.mkdir(parents=True)
        report.write_text("Reproduced")
    inputs = INPUTS | {"h36m-root": str(tmp_path / "none"), "network": ""}

    ended = run_steps(*gate_steps(inputs), repository.parent, tmp_path / "temporary", environment)

    assert ended["Install"].returncode == 0, ended
    assert ended["Judge"].returncode == pytest.ExitCode.TESTS_FAILED, ended
    assert list((tmp_path / "marks").iterdir()) == []
    results_dir = tmp_path / "temporary" / "convnextpose"
    results = read_results(Outputs(results_dir).results)
    assert "test_preflight.py::test_human36m_is_found" in failed_tests(results)
    assert (results_dir / "junit.xml").is_file()
    summary = (tmp_path / "temporary" / "summary.md").read_text(encoding="utf-8")
    assert summary == Outputs(results_dir).markdown.read_text(encoding="utf-8")
    assert "Reproduced" not in summary


def test_gate_with_another_pytest_is_not_passed_by_an_earlier_runs_results(
    repository: Path, tmp_path: Path
) -> None:
    """A pytest that does nothing and ends well leaves no results with this run's id."""
    (install, judge), expressions = action_steps(INPUTS)
    run_steps([install], expressions, repository, tmp_path / "temporary")
    (packages,) = (tmp_path / "temporary" / "convnextpose").glob("lib/python*/site-packages")
    (packages / "pytest.py").write_text("raise SystemExit(0)\n")
    earlier = example_results(passed=True, run_id="of an earlier run")
    outputs = Outputs(repository / "output")
    write_results(earlier, outputs.results)
    outputs.markdown.write_text("Reproduced")

    (ended,) = run_steps([judge], expressions, repository, tmp_path / "temporary").values()

    assert ended.returncode == 1
    assert ended.stderr == f"not passed: this run left no results in {outputs.results}\n"
    summary = (tmp_path / "temporary" / "summary.md").read_text(encoding="utf-8")
    assert summary.startswith("**Not passed: this run left no results in ")


@pytest.mark.parametrize(
    ("exit_code", "changes", "problem"),
    [
        (0, {}, ""),
        (0, {"passed": False}, "Reproduced: XS"),
        (1, {}, "Reproduced: XS"),
        (0, {"run_id": "another"}, "this run left no results in"),
        (0, {"subject": "miniature"}, "the results are of the miniature models"),
        (-9, {}, "pytest was ended by SIGKILL"),
    ],
)
def test_gate_problem_follows_the_results_of_this_run(
    tmp_path: Path, exit_code: int, changes: dict[str, Any], problem: str
) -> None:
    values: dict[str, Any] = {"run_id": "this", "passed": True, **changes}
    write_results(example_results(**values), Outputs(tmp_path).results)

    obtained = gate_problem(exit_code, tmp_path, "this")

    assert obtained.startswith(problem)
    assert bool(obtained) == bool(problem)


@pytest.mark.parametrize("content", [None, "", "[]", "{}"])
def test_gate_problem_without_readable_results_is_one(tmp_path: Path, content: str | None) -> None:
    path = Outputs(tmp_path).results
    path.parent.mkdir()
    if content is not None:
        path.write_text(content)

    assert gate_problem(0, tmp_path, "this") == f"this run left no results in {path}"


def test_gate_environment_has_no_variable_that_imports_code() -> None:
    inherited = {
        "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1", "CONVNEXTPOSE_GATE": "2mm",
        "CONVNEXTPOSE_NETWORK": "", "PYTHONPATH": ".", "PYTHONSTARTUP": "start.py",
        "PYTEST_ADDOPTS": "-p evil", "PYTEST_PLUGINS": "evil",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "COVERAGE_PROCESS_START": ".coveragerc", "MPLBACKEND": "module://evil",
        "CONVNEXTPOSE_RUN_ID": "of an earlier run",
    }  # fmt: skip

    assert gate_environment(inherited, Path("/models"), "this") == {
        "PATH": "/bin",
        "CUDA_VISIBLE_DEVICES": "1",
        "CONVNEXTPOSE_GATE": "2mm",
        "CONVNEXTPOSE_CALLER": "/models",
        "CONVNEXTPOSE_RUN_ID": "this",
    }


def test_gate_that_is_not_isolated_is_refused(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "convnextpose_check", "gate", "--weights-only"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert "Run: python -I -m convnextpose_check gate" in ended.stderr
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    ("network", "is_noted"),
    [
        (None, False),
        ("exports/{variant}.onnx", False),
        ("exports/{variant}.pt", True),
        ("adapter:build", True),
    ],
)
def test_trust_note_is_on_code_alone(network: str | None, is_noted: bool) -> None:
    note = trust_note(example_results(network=network))

    assert ("only as trustworthy as that code" in note) == is_noted
    assert (str(network) in note) == is_noted


def test_validation_is_collected_beside_another_package_named_tests(tmp_path: Path) -> None:
    """Such as a wheel leaves that packs its tests."""
    other = tmp_path / "packages" / "tests" / "__init__.py"
    other.parent.mkdir(parents=True)
    other.write_text("")

    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/validation", "--collect-only", "-q", "-m", "gpu",
         "-p", "no:cacheprovider", f"--results-dir={tmp_path / 'out'}"],
        cwd=ROOT, env=os.environ | {"PYTHONPATH": str(other.parents[1])},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    collected = [line for line in ended.stdout.splitlines() if line.startswith("tests/validation/")]
    assert any("test_mpjpe.py::" in line for line in collected), ended.stdout + ended.stderr
    assert ended.stderr == ""


def test_validation_imports_nothing_of_the_tests() -> None:
    for path in (ROOT / "tests" / "validation").glob("*.py"):
        source = path.read_text(encoding="utf-8")
        assert "from tests" not in source, path
        assert "import tests" not in source, path
