"""The suite run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.paths import Outputs
from convnextpose_check.variants import Architecture
from tests.support.datasets import Handmade
from tests.support.full_size import write_own_model
from tests.support.processes import run_python
from tests.support.texts import ROOT

Run = Callable[..., subprocess.CompletedProcess[str]]
Judge = Callable[..., tuple[subprocess.CompletedProcess[str], Any]]


@pytest.fixture
def run(pytestconfig: pytest.Config, tmp_path: Path) -> Run:
    """Run the validation tests with these arguments; results go to ``tmp_path / "out"``."""

    def run_suite(
        *arguments: object, targets: tuple[str, ...] = ("tests/validation",)
    ) -> subprocess.CompletedProcess[str]:
        return run_python(
            "-m", "pytest", *targets, "-p", "no:cacheprovider",
            "--results-dir", tmp_path / "out", *arguments,
            folder=pytestconfig.rootpath,
            environment={k: v for k, v in os.environ.items() if not k.startswith("CONVNEXTPOSE_")},
        )  # fmt: skip

    return run_suite


@pytest.fixture(scope="session")
def inputs(tiny: Architecture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole data set of six samples, and a model of one's own."""
    folder = tmp_path_factory.mktemp("inputs")
    Handmade().write(folder / "h36m")
    (folder / "own.json").write_text(json.dumps(write_own_model(tiny, folder)))
    return folder


@pytest.fixture
def judge(run: Run, inputs: Path, tmp_path: Path) -> Judge:
    """Judge the model by a figure; returns how the run ended and the results it wrote."""

    def judge_by(
        *arguments: object, figure: dict[str, object] | None = None, targets: tuple[str, ...] = ()
    ) -> tuple[subprocess.CompletedProcess[str], Any]:
        own = json.loads((inputs / "own.json").read_text())
        own["variants"][0]["paper"] |= {"mpjpe_mm": figure, "pa_mpjpe_mm": figure}
        (tmp_path / "own.json").write_text(json.dumps(own))
        result = run(
            "-p", "tests.support.small_facts_plugin", "-m", "gpu", "--device=cpu",
            f"--h36m-root={inputs / 'h36m'}", f"--checkpoints={inputs}",
            f"--variants-file={tmp_path / 'own.json'}", *arguments,
            **({"targets": targets} if targets else {}),
        )  # fmt: skip
        results = Outputs(tmp_path / "out").results
        return result, json.loads(results.read_text()) if results.exists() else None

    return judge_by


@pytest.fixture(scope="session")
def obtained_mm(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """What the model's error is."""
    out = tmp_path_factory.mktemp("measured")
    result = run_python(
        "-m", "pytest", "tests/validation", "-p", "no:cacheprovider",
        "-p", "tests.support.small_facts_plugin", "-m", "gpu", "--device=cpu", "--gate=none",
        f"--h36m-root={inputs / 'h36m'}", f"--checkpoints={inputs}",
        f"--variants-file={inputs / 'own.json'}", f"--results-dir={out}", folder=ROOT,
    )  # fmt: skip
    assert result.returncode == pytest.ExitCode.OK, result.stdout
    assert "no gate;" in result.stdout
    written = json.loads(Outputs(out).results.read_text())
    assert written["gate_mm"] is None
    assert written["verdict"] == "No verdict on T: none was asked for (--gate none)."
    return float(written["variants"]["T"]["mpjpe_mm"])


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write a pytest plugin that the run finds; returns its name."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)

    def write_plugin(source: str) -> str:
        (folder / "outside.py").write_text(source, encoding="utf-8")
        return "outside"

    return write_plugin
