"""A run that is interrupted leaves only complete files, and can be resumed."""

from __future__ import annotations

import io
import json
import pkgutil
import signal
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convnextpose_check.results.per_sample import read_errors_mm
from convnextpose_check.results.results_file import read_results
from convnextpose_check.variants import Architecture
from tests.support.datasets import HandmadeDataset
from tests.support.full_size import write_own_model
from tests.support.whole_runs import isolate_environment

NAMES = ("T1", "T2")
ENDINGS = {".png": b"IEND\xaeB`\x82", ".html": b"</html>"}

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    isolate_environment(monkeypatch)


@pytest.fixture(scope="module")
def inputs(tiny: Architecture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny models in a variants file, and a few images."""
    folder = tmp_path_factory.mktemp("inputs")
    HandmadeDataset().write(folder / "h36m")
    variants: list[dict[str, Any]] = []
    for epoch, name in enumerate(NAMES, start=1):
        variants += write_own_model(tiny, folder, name, epoch)["variants"]
    (folder / "own.json").write_text(json.dumps({"about": "two", "variants": variants}))
    return folder


def make_command(inputs: Path, results: Path, *more: str) -> list[str]:
    """Arguments of pytest to evaluate the models; the set is too small to pass."""
    return [
        "tests/validation", "-m", "gpu", "-q", "--device=cpu",
        "-p", "no:cacheprovider", f"--h36m-root={inputs / 'h36m'}", f"--checkpoints={inputs}",
        f"--variants-file={inputs / 'own.json'}", f"--results-dir={results}", *more,
    ]  # fmt: skip


def assert_files_are_complete(results: Path) -> set[str]:
    """Open every file with its final name; returns the variants that have results."""
    finished: set[str] = set()
    for path in sorted(file for file in results.rglob("*") if file.is_file()):
        if any(part.startswith(".") for part in path.relative_to(results).parts):
            continue
        if path.suffix == ".json":
            finished |= read_results(path).variants.keys()
        elif path.suffix in {".pth", ".tar"}:
            assert torch.load(path, weights_only=True)["network"]
        elif path.suffix == ".npz":
            with np.load(io.BytesIO(path.read_bytes())) as arrays:
                assert arrays["errors_mm"].ndim == 2
        elif path.suffix == ".csv":
            assert read_errors_mm(path)
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                assert archive.testzip() is None
        elif path.suffix in ENDINGS:
            assert path.read_bytes().rstrip().endswith(ENDINGS[path.suffix])
    return finished


@pytest.mark.parametrize(
    ("numbers", "function", "call"),
    [
        ([signal.SIGINT, signal.SIGTERM], "save_cached", 1),
        pytest.param([signal.SIGTERM], "to_input", 2, marks=pytest.mark.slow),
    ],
)
def test_interrupted_run_saves_results_that_can_be_resumed(
    numbers: list[signal.Signals], function: str, call: int, inputs: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capfd: Capture,
) -> None:  # fmt: skip
    """The signals arrive at the given call of the function."""
    name = f"convnextpose_check.evaluation.one_pass.{function}"
    original = pkgutil.resolve_name(name)
    calls = 0

    def send_signals(*arguments: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        for number in numbers if calls == call else ():
            signal.raise_signal(number)
        return original(*arguments, **more)

    with monkeypatch.context() as patch:
        patch.setattr(name, send_signals)
        patch.setattr("convnextpose_check.evaluation.one_pass.SAVE_SECONDS", 0)
        code = pytest.main(make_command(inputs, tmp_path))

    stdout, stderr = capfd.readouterr()
    assert code == pytest.ExitCode.INTERRUPTED, stdout + stderr
    assert "add --resume to this command." in stdout
    assert "Traceback" not in stdout + stderr
    assert_files_are_complete(tmp_path)
    pytest.main(make_command(inputs, tmp_path, "--resume"))
    stderr = capfd.readouterr().err
    assert all(f"{name}: resuming after 4 of 6 images" in stderr for name in NAMES)
    assert assert_files_are_complete(tmp_path) == set(NAMES)


@contextmanager
def mount_small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """Mount a file system of this size; skip the test if that is not permitted."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    "kilobytes",
    [64, *(pytest.param(size, marks=pytest.mark.slow) for size in (4, 24, 100))],
)
def test_full_disk_fails(kilobytes: int, inputs: Path, tmp_path: Path, capfd: Capture) -> None:
    with mount_small_disk(tmp_path / "disk", kilobytes) as disk:
        code = pytest.main(make_command(inputs, disk))

        assert_files_are_complete(disk)
    output = "".join(capfd.readouterr())
    assert code == pytest.ExitCode.TESTS_FAILED
    assert "[cannot-write]" in output
    assert "No space left on device" in output
    assert "Traceback" not in output
    assert "INTERNALERROR" not in output
