"""Runs the shell steps of an action or workflow as a GitHub runner does."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.texts import ROOT

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
