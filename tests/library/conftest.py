"""Shared fixtures: a local Google Drive, small inputs, and runs in this process."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from convnextpose_check.checkpoints.find import CheckpointFiles
from convnextpose_check.drive import download
from convnextpose_check.drive.download import download_missing
from convnextpose_check.run.run import Run
from convnextpose_check.settings.options import PREFIX
from convnextpose_check.synthetic.archives import generated_epoch
from convnextpose_check.variants import Architecture, Catalogue, read_catalogue
from tests.support.archives import make_snapshot, save_to_bytes, tiny_catalogue
from tests.support.datasets import FACTS, HandmadeDataset
from tests.support.full_size import write_own_model
from tests.support.runs import make_run
from tests.support.whole_runs import CompletedRun, RunTests, isolate_environment, run_in_process

if TYPE_CHECKING:
    from tests.support.drive import Drive

Archives = dict[str, bytes]
Fetch = Callable[..., CheckpointFiles]


@pytest.fixture(scope="session")
def archives(tiny: Architecture) -> Archives:
    return {
        v.name: save_to_bytes(make_snapshot(v.architecture, generated_epoch(v)))
        for v in tiny_catalogue(tiny).variants
    }


@pytest.fixture(scope="session")
def shared(tiny: Architecture, archives: Archives) -> Catalogue:
    """The four variants with tiny architectures, true file sizes and Drive ids."""
    variants = tuple(
        replace(v, checkpoint=replace(v.checkpoint, bytes=len(archives[v.name])))
        for v in tiny_catalogue(tiny).variants
    )
    return Catalogue("tiny", variants, "the-folder")


@pytest.fixture
def drive(
    shared: Catalogue,
    archives: Archives,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Drive:
    """A local Google Drive with the four files; waits between attempts are short."""
    from tests.support.drive import Drive, file_response, redirect_google_to

    monkeypatch.setattr(download, "BACK_OFF_SECONDS", 0.01)
    server = Drive(request.getfixturevalue("httpserver"))
    redirect_google_to(server.port, monkeypatch)
    for variant in shared.variants:
        server.set_responses(
            str(variant.checkpoint.drive_id), file_response(archives[variant.name])
        )
    return server


@pytest.fixture
def fetch(drive: Drive, shared: Catalogue, tmp_path: Path) -> Fetch:  # noqa: ARG001 - requested for its side effect
    """Download the named variants (default XS) into ``tmp_path / "checkpoints"``."""

    def fetch_here(
        *names: str, catalogue: Catalogue = shared, **options: object
    ) -> CheckpointFiles:
        given = {"paths": [], "folder": tmp_path / "checkpoints", "stream": None} | options
        return download_missing(
            catalogue=catalogue,
            names=names or ["XS"],
            **given,  # type: ignore[arg-type]  # values of several types
        )

    return fetch_here


@pytest.fixture(autouse=True)
def _no_kaggle(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Ignore a Kaggle folder of this machine."""
    missing = tmp_path_factory.getbasetemp() / "no kaggle input"
    monkeypatch.setattr("convnextpose_check.settings.options.KAGGLE_INPUT", missing)


@pytest.fixture(autouse=True)
def _no_elapsed_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Print no elapsed times, which only slow machines would show."""
    monkeypatch.setattr("convnextpose_check.progress.PHASE_SECONDS", 600.0)


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without this suite's variables."""
    for name in list(os.environ):
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    return monkeypatch


@pytest.fixture(scope="session")
def written_inputs(tiny: Architecture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set, checkpoints of two tiny models T and U, and their variants file."""
    folder = tmp_path_factory.mktemp("written")
    (folder / "models").mkdir()
    HandmadeDataset().write(folder / "h36m")
    own = write_own_model(tiny, folder / "models", "T")
    wider = write_own_model(replace(tiny, head_channels=8), folder / "models", "U", epoch=2)
    own["variants"] += wider["variants"]
    (folder / "own.json").write_text(json.dumps(own))
    return folder


@pytest.fixture
def inputs(written_inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of ``written_inputs`` that a test may change."""
    monkeypatch.setattr("convnextpose_check.run.run.read_facts", lambda: FACTS)
    return Path(shutil.copytree(written_inputs, tmp_path / "inputs"))


@pytest.fixture(scope="session")
def measured(written_inputs: Path) -> Run:
    """A run of model T that has been evaluated."""
    run = make_run(
        {"device": "cpu", "variants": "T"},
        read_catalogue(written_inputs / "own.json"),
        FACTS,
        written_inputs / "h36m",
        written_inputs / "models",
        name="published",
    )
    assert run.evaluations["T"]
    return run


@pytest.fixture
def run_tests(
    tmp_path: Path, nothing_set: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> RunTests:
    """Run tests/validation in this process, with results in ``tmp_path / "out"``."""
    isolate_environment(nothing_set)

    def run_suite(*arguments: object, **given: Any) -> CompletedRun:
        code = run_in_process(tmp_path / "out", *arguments, **given)
        return CompletedRun(code, "".join(capfd.readouterr()), tmp_path / "out")

    return run_suite
