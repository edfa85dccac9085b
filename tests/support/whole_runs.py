"""Whole runs of the validation tests, in this process or another.

As a pytest plugin, ``-p tests.support.whole_runs``, it lets the hand-made data set be complete.
"""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from convnextpose_check.paths import Outputs
from convnextpose_check.plugin.required import list_required_tests
from convnextpose_check.results.results_file import read_results
from convnextpose_check.results.schema import Results
from convnextpose_check.settings.options import PREFIX
from tests.support.datasets import FACTS
from tests.support.texts import ROOT

VALIDATION = ("tests/validation",)


@dataclass(frozen=True)
class CompletedRun:
    """A completed run: exit code, output (stdout and stderr) and results folder."""

    code: int
    output: str
    folder: Path

    @property
    def text(self) -> str:
        """The output with single blanks for line breaks."""
        return " ".join(self.output.split())

    @property
    def files(self) -> Outputs:
        return Outputs(self.folder)

    @property
    def results(self) -> Results:
        return read_results(self.files.results)


RunTests = Callable[..., CompletedRun]


def run_arguments(
    folder: Path, arguments: Iterable[object], targets: Iterable[str] = VALIDATION
) -> list[str]:
    fast_options = ["-p", "no:cacheprovider", "-p", "no:unraisableexception"]
    return [*targets, *fast_options, f"--results-dir={folder}", *map(str, arguments)]


def run_in_process(
    folder: Path, *arguments: object, targets: Iterable[str] = VALIDATION, plugin: object = None
) -> int:
    plugins = [] if plugin is None else [plugin]
    return int(pytest.main(run_arguments(folder, arguments, targets), plugins=plugins))


def isolate_environment(patch: pytest.MonkeyPatch) -> None:
    """Unset options, use the facts of the hand-made data set, and draw no charts."""
    for name in list(os.environ):
        if name.startswith(PREFIX) or name == "PYTEST_ADDOPTS":
            patch.delenv(name)
    patch.setattr("convnextpose_check.run.run.read_facts", lambda: FACTS)
    patch.setattr("matplotlib.figure.Figure.draw", lambda *_: None)
    patch.chdir(ROOT)


def require_only(patch: pytest.MonkeyPatch, *files: str) -> None:
    """Require only the tests of these files."""
    patch.setattr(
        "convnextpose_check.plugin.suite.list_required_tests",
        lambda run: tuple(test for test in list_required_tests(run) if test.startswith(files)),
    )


def own_model_arguments(inputs: Path, variants_file: Path | None = None) -> list[str]:
    """Arguments that evaluate model T on the hand-made data set."""
    return [
        "-m", "gpu", "--device=cpu", "--variants=T", f"--h36m-root={inputs / 'h36m'}",
        f"--checkpoints={inputs / 'models'}",
        f"--variants-file={variants_file or inputs / 'own.json'}",
    ]  # fmt: skip


def write_own_reference(inputs: Path, path: Path, reported: dict[str, object] | None) -> Path:
    """Write the variants file of ``inputs`` with this reference value for model T."""
    own = json.loads((inputs / "own.json").read_text())
    own["variants"][0]["paper"] |= {"mpjpe_mm": reported, "pa_mpjpe_mm": reported}
    path.write_text(json.dumps(own), encoding="utf-8")
    return path


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main() -> None:
    pytest.MonkeyPatch().setattr("convnextpose_check.run.run.read_facts", lambda: FACTS)
