"""The action and the gate's workflow execute no file of the caller's repository."""

import json
import os
import re
import subprocess
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Iterable, Mapping
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from convnextpose_check.__main__ import main
from convnextpose_check.commands import gate
from convnextpose_check.commands.gate import (
    build_environment,
    find_gate_problem,
    why_imports_may_be_hostile,
)
from convnextpose_check.files.regular_files import write_text
from convnextpose_check.pages.html import trust_note
from convnextpose_check.paths import Outputs
from convnextpose_check.results.results_file import read_results_of_run, write_results
from convnextpose_check.settings.options import OPTIONS
from convnextpose_check.variants import Architecture
from tests.support.full_size import write_own_model
from tests.support.hostile_caller import make_marker_code, write_hostile_files
from tests.support.results import example_results
from tests.support.texts import ROOT
from tests.support.whole_runs import CompletedRun

yaml = pytest.importorskip("yaml")

ACTION = ROOT / ".github" / "actions" / "weights" / "action.yml"
GATE = ROOT / ".github" / "workflows" / "gate.yml"

# A new environment gets the packages of this one, and a pip that installs nothing.
PYTHON3 = """#!/bin/sh
{python} "$@" --without-pip || exit
for folder; do :; done
packages=$("$folder/bin/python" -I -c 'import site; print(site.getsitepackages()[0])')
printf 'import site; site.addsitedir("%s")\\n' {packages} > "$packages/current.pth"
mkdir "$packages/pip" && touch "$packages/pip/__init__.py" "$packages/pip/__main__.py"
"""
INPUTS = {"checkpoints": "weights", "variants-file": "own.json"}
ADAPTER = """
from pathlib import Path
from convnextpose_check.network.reference import ConvNeXtPose
from convnextpose_check.variants import read_catalogue

def build(variant):
    return ConvNeXtPose(read_catalogue(Path(__file__).with_name("own.json"))[variant].architecture)
"""


def action_steps(inputs: Mapping[str, str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    content: dict[str, Any] = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    steps, values = _select_steps(content["runs"], content["inputs"], inputs)
    return steps, values | {"github.action_path": str(ACTION.parent)}


def gate_steps(inputs: Mapping[str, str]) -> tuple[list[dict[str, Any]], dict[str, str]]:
    content: dict[str, Any] = yaml.safe_load(GATE.read_text(encoding="utf-8"))
    triggers = content[True]  # type: ignore[index]  # YAML 1.1 reads the key "on" as true
    return _select_steps(content["jobs"]["gate"], triggers["workflow_call"]["inputs"], inputs)


def _select_steps(
    job: dict[str, Any], declared: Mapping[str, Any], inputs: Mapping[str, str]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The shell steps of a job, and the values of its inputs."""
    required = {name for name, each in declared.items() if each.get("required")}
    assert required <= inputs.keys() <= declared.keys()
    defaults = {name: str(each.get("default", "")) for name, each in declared.items()}
    values = {f"inputs.{name}": value for name, value in (defaults | dict(inputs)).items()}
    return [step for step in job["steps"] if "run" in step], values


def run_steps(
    steps: Iterable[dict[str, Any]],
    expressions: Mapping[str, str],
    workspace: Path,
    temporary: Path,
    environment: Mapping[str, str] | None = None,
) -> dict[str, subprocess.CompletedProcess[str]]:
    """Run the steps in ``workspace``; returns the result of each step that ran."""
    (temporary / "bin").mkdir(parents=True, exist_ok=True)
    python3 = temporary / "bin" / "python3"
    packages = " ".join(path for path in sys.path if path.endswith("-packages"))
    python3.write_text(PYTHON3.format(python=sys.executable, packages=packages))
    python3.chmod(0o755)
    values = dict(expressions) | {
        "github.workspace": str(workspace),
        "runner.temp": str(temporary),
    }
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("CONVNEXTPOSE_")}
    runner = {
        "PATH": f"{python3.parent}:{os.environ['PATH']}",
        "RUNNER_TEMP": str(temporary),
        "GITHUB_STEP_SUMMARY": str(temporary / "summary.md"),
        "GITHUB_OUTPUT": str(temporary / "outputs"),
    }

    def expand(text: str) -> str:
        return re.sub(r"\$\{\{ (\S+) }}", lambda found: values[found[1]], text)

    completed: dict[str, subprocess.CompletedProcess[str]] = {}
    for step in steps:
        assert "${{" not in step["run"]  # values reach scripts only as variables
        has_failed = any(each.returncode for each in completed.values())
        if has_failed and step.get("if") != "always()":
            continue
        assert step.get("shell", "bash") == "bash"
        completed[step["name"]] = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=workspace / expand(step.get("working-directory", ".")),
            env=inherited
            | runner
            | dict(environment or {})
            | {name: expand(text) for name, text in step.get("env", {}).items()},
            capture_output=True,
            text=True,
            check=False,
        )
    return completed


def write_repository(tiny: Architecture, folder: Path, *, multiply_adds_off: int) -> Path:
    (folder / "weights").mkdir(parents=True)
    own = write_own_model(tiny, folder / "weights")
    own["variants"][0]["multiply_adds"] += multiply_adds_off
    (folder / "own.json").write_text(json.dumps(own))
    return folder


@pytest.fixture(scope="module")
def judged(tiny: Architecture, tmp_path_factory: pytest.TempPathFactory) -> CompletedRun:
    """The completed action on valid weights in a repository of hostile files."""
    folder = tmp_path_factory.mktemp("runner")
    repository = write_repository(tiny, folder / "models", multiply_adds_off=0)
    environment = write_hostile_files(repository, folder / "marks")
    ended = run_steps(*action_steps(INPUTS), repository, folder / "temporary", environment)
    _, judge = ended.values()
    return CompletedRun(judge.returncode, judge.stdout + judge.stderr, repository / "output")


def test_action_checks_weights_and_executes_no_file_of_repository(judged: CompletedRun) -> None:
    results, folder = judged.results, judged.folder.parents[1]
    counts = Counter(check.test.partition(".py")[0] for check in results.checks)
    files = {"test_preflight": 6, "test_checkpoints": 7, "test_counts": 4, "test_networks": 2}

    assert judged.code == 0, judged.output
    assert list((folder / "marks").iterdir()) == []
    assert counts == files
    assert {check.outcome for check in results.checks} == {"passed"}
    assert results.passed
    assert (results.weights["T"].epoch, len(results.weights["T"].sha256)) == (1, 64)
    assert (results.weights_only, results.variants, results.complete) == (True, {}, False)


def test_action_verdict_on_weights_is_never_reproduced(judged: CompletedRun) -> None:
    results, files = judged.results, judged.files
    verdict = (
        "Weights only: T: architecture, counts, epoch match. Identity not verified (no published"
        " tensors on record)."
    )
    page = files.report.read_text(encoding="utf-8")
    markdown = files.markdown.read_text(encoding="utf-8")

    unchecked = "Not recorded in the files, so not checked: T: optimizer steps."
    assert results.verdict == f"{verdict} {unchecked} MPJPE was not measured."
    for text in (judged.output, page, markdown):
        assert verdict.removesuffix(".") in " ".join(text.replace("\\", "").split())
        assert "user's own weights (MPJPE not measured)" in unescape(text)
        assert "eproduced" not in text
    summary = judged.folder.parents[1] / "temporary" / "summary.md"
    assert summary.read_text(encoding="utf-8") == markdown
    outputs = judged.folder.parents[1] / "temporary" / "outputs"
    assert outputs.read_text().splitlines() == [
        f"verdict={results.verdict}", f"report={files.report}",
    ]  # fmt: skip
    assert not files.picture.exists()
    assert not files.per_sample.exists()


@pytest.mark.slow
def test_workflow_executes_only_named_network(tiny: Architecture, tmp_path: Path) -> None:
    """Human3.6M is missing, and reports of an earlier run exist."""
    workspace, temporary = tmp_path / "workspace", tmp_path / "temporary"
    repository = write_repository(tiny, workspace / "models", multiply_adds_off=1)
    (workspace / "suite").mkdir()
    for entry in ROOT.iterdir():
        if entry.name != ".venv":
            (workspace / "suite" / entry.name).symlink_to(entry)
    environment = write_hostile_files(repository, tmp_path / "marks")
    environment |= {"CONVNEXTPOSE_DEVICE": "cpu"}
    marker = make_marker_code(tmp_path / "marks", "adapter")
    (repository / "adapter.py").write_text(marker + ADAPTER)
    for folder in (repository, workspace):
        report = Outputs(folder / "output").markdown
        report.parent.mkdir(parents=True)
        report.write_text("Reproduced")
    inputs = INPUTS | {"h36m-root": str(tmp_path / "none"), "network": "adapter:build"}

    ended = run_steps(*gate_steps(inputs), workspace, temporary, environment)

    assert ended["Install"].returncode == 0, ended
    assert ended["Judge"].returncode == pytest.ExitCode.TESTS_FAILED, ended
    assert [path.name for path in (tmp_path / "marks").iterdir()] == ["adapter"]
    run = CompletedRun(1, ended["Judge"].stdout, temporary / "convnextpose")
    failed = {check.test.partition("[")[0] for check in run.results.failed_checks}
    assert {
        "test_preflight.py::test_human36m_is_found", "test_counts.py::test_multiply_adds",
    } <= failed  # fmt: skip
    assert (run.results.network, run.results.passed) == ("adapter:build", False)
    assert (run.folder / "junit.xml").is_file()
    summary = (temporary / "summary.md").read_text(encoding="utf-8")
    assert summary == run.files.markdown.read_text(encoding="utf-8")
    assert "Reproduced" not in summary
    for text in (summary, run.files.report.read_text(encoding="utf-8")):
        assert "The verdict is only as trustworthy as that code." in text


@pytest.mark.parametrize(
    ("exit_code", "written", "problem"),
    [
        (0, {}, ""),
        (0, {"passed": False}, "Reproduced: 2 excellent"),
        (1, {}, "Reproduced: 2 excellent"),
        (-9, {}, "pytest was ended by SIGKILL"),
        (0, {"target": "synthetic"}, "the results are of the synthetic models"),
        (0, {"run_id": "another"}, "this run wrote no results to"),
        *((0, content, "this run wrote no results to") for content in (None, "", "[]", "{}")),
    ],
)
def test_gate_problem_follows_the_results_of_this_run(
    tmp_path: Path, exit_code: int, written: dict[str, Any] | str | None, problem: str
) -> None:
    path = Outputs(tmp_path).results
    if isinstance(written, dict):
        values: dict[str, Any] = {"run_id": "this", "passed": True, **written}
        write_results(example_results(**values), path)
    elif written is not None:
        write_text(path, written)

    obtained = find_gate_problem(exit_code, read_results_of_run(path, "this"), tmp_path)

    assert obtained.startswith(problem)
    assert bool(obtained) == bool(problem)


def test_gate_does_not_trust_results_of_an_earlier_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Simulates a pytest that writes nothing and exits with code 0; a folder has a line break."""
    folder = tmp_path / "a\nreport=another"
    outputs = Outputs(folder / "output")
    write_results(example_results(passed=True, run_id="of an earlier run"), outputs.results)
    isolated = SimpleNamespace(
        flags=SimpleNamespace(isolated=1), path=[], executable=sys.executable, stderr=sys.stderr
    )
    monkeypatch.setattr(gate, "sys", isolated)
    monkeypatch.setattr(gate, "_run_pytest", lambda *_: 0)
    monkeypatch.chdir(folder)
    given = dict.fromkeys(option.field for option in OPTIONS)

    code = gate.run(Namespace(**given, junitxml=None, summary="s.md", github_output="out"))

    problem = f"this run wrote no results to {outputs.results}.".replace("\n", r"\n")
    assert code == 1
    assert f"not passed: {problem}" in capsys.readouterr().err
    assert (folder / "s.md").read_text().startswith("**Not passed: this run wrote no res")
    assert (folder / "out").read_text().splitlines() == [f"verdict={problem}", "report="]


def test_gate_environment_has_no_variable_that_imports_code() -> None:
    inherited = {
        "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "1", "CONVNEXTPOSE_GATE": "2mm",
        "CONVNEXTPOSE_NETWORK": "", "PYTHONPATH": ".", "PYTHONSTARTUP": "start.py",
        "PYTEST_ADDOPTS": "-p evil", "PYTEST_PLUGINS": "evil",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "COVERAGE_PROCESS_START": ".coveragerc", "MPLBACKEND": "module://evil",
        "CONVNEXTPOSE_RUN_ID": "of an earlier run",
    }  # fmt: skip

    assert build_environment(inherited, Path("/models"), "this") == {
        "PATH": "/bin",
        "CUDA_VISIBLE_DEVICES": "1",
        "CONVNEXTPOSE_GATE": "2mm",
        "CONVNEXTPOSE_CALLER": "/models",
        "CONVNEXTPOSE_RUN_ID": "this",
    }


@pytest.mark.parametrize(
    ("isolated", "folder", "variables", "reason"),
    [
        (1, "", {"PYTHONPATH": "."}, ""),
        (0, "/bin", {"PYTHONUNBUFFERED": "1", "PATH": "."}, ""),
        (0, "/bin", {"PYTHONPATH": ""}, "PYTHONPATH is set"),
        (0, "/bin", {"PYTHONPYCACHEPREFIX": "x"}, "PYTHONPYCACHEPREFIX is set"),
        (0, "", {}, "the current folder is on the import path"),
        (0, "../MODELS", {}, "the current folder is on the import path"),
    ],
)
def test_gate_is_refused_if_python_may_import_files_of_caller(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    isolated: int,
    folder: str,
    variables: dict[str, str],
    reason: str,
) -> None:
    """The installed program has its own folder on the path, ``python -m`` the current one."""
    (tmp_path / "MODELS").mkdir()
    monkeypatch.chdir(tmp_path / "MODELS")
    started = SimpleNamespace(
        flags=SimpleNamespace(isolated=isolated), path=[folder], stderr=sys.stderr
    )
    monkeypatch.setattr(gate, "sys", started)
    monkeypatch.setattr(gate, "os", SimpleNamespace(environ=variables))

    assert why_imports_may_be_hostile(started.path, variables) == reason
    if reason:
        assert main(["gate", "--weights-only"]) == 2
        end = f"{reason}. Start it again with -I:\n  python -I -m convnextpose_check gate\n"
        assert capsys.readouterr().err.endswith(end)


def test_trust_note_only_for_executed_code() -> None:
    for network in (None, "exports/{variant}.onnx"):
        assert trust_note(example_results(network=network)) == ""
    for network in ("exports/{variant}.pt2", "adapter:build"):
        note = trust_note(example_results(network=network))
        assert "only as trustworthy as that code" in note
        assert network in note
