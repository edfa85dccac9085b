"""A run that is stopped leaves only whole files, and finished results are resumed."""

from __future__ import annotations

import io
import json
import random
import shlex
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from convnextpose_check.files.whole import PARTIAL
from convnextpose_check.paths import Outputs
from convnextpose_check.results.per_sample import read_joint_errors_mm
from convnextpose_check.results.results_file import read_results
from convnextpose_check.variants import Architecture
from tests.support.datasets import Handmade
from tests.support.full_size import write_own_model
from tests.support.processes import PythonProcess, run_python

NAMES = ("T1", "T2", "T3")
MOMENTS = 6
MOMENT_BY_DEFAULT = 1


@pytest.fixture(scope="module")
def inputs(tiny: Architecture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tiny models of the user and a few images."""
    folder = tmp_path_factory.mktemp("inputs")
    Handmade().write(folder / "h36m")
    variants: list[dict[str, Any]] = []
    for epoch, name in enumerate(NAMES, start=1):
        variants += write_own_model(tiny, folder, name, epoch)["variants"]
    (folder / "own.json").write_text(json.dumps({"about": "three", "variants": variants}))
    return folder


def command(inputs: Path, results: Path, *more: str) -> list[str]:
    """Evaluate the three models; the set is too small to pass."""
    return [
        "-m", "pytest", "tests/validation", "-m", "gpu", "-q", "--device=cpu",
        "-p", "no:cacheprovider", f"--h36m-root={inputs / 'h36m'}", f"--checkpoints={inputs}",
        f"--variants-file={inputs / 'own.json'}", f"--results-dir={results}", *more,
    ]  # fmt: skip


def run(arguments: list[str], root: Path) -> subprocess.CompletedProcess[str]:
    return run_python(*arguments, folder=root)


def assert_all_whole(results: Path) -> set[str]:
    """Open every file with its final name; returns the variants that have results."""
    finished: set[str] = set()
    for path in sorted(file for file in results.rglob("*") if file.is_file()):
        if path.name.startswith("."):
            continue
        if path.name == "dataset-metadata.json":
            assert json.loads(path.read_text())["licenses"]
        elif path.suffix == ".json":
            finished |= read_results(path).variants.keys()
        elif path.suffix in {".pth", ".tar"}:
            assert torch.load(path, weights_only=True)["network"]
        elif path.suffix == ".npz":
            with np.load(io.BytesIO(path.read_bytes())) as arrays:
                assert arrays["errors_mm"].ndim == 2
        elif path.suffix == ".csv":
            assert read_joint_errors_mm(path)
        elif path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                assert archive.testzip() is None
        elif path.suffix == ".png":
            assert path.read_bytes().endswith(b"IEND\xaeB`\x82")
        elif path.suffix == ".md":
            assert path.read_text().endswith("\n")
        elif path.suffix == ".html":
            assert path.read_text().rstrip().endswith("</html>")
        else:
            assert path.suffix == ".log"
    return finished


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(m, marks=[] if m == MOMENT_BY_DEFAULT else pytest.mark.slow)
        for m in range(MOMENTS)
    ],
)
def test_killed_run_leaves_only_whole_files_and_is_resumed(
    moment: int, inputs: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    process = PythonProcess(*command(inputs, tmp_path), folder=pytestconfig.rootpath)
    results = Outputs(tmp_path).results
    deadline = time.monotonic() + 60
    # Half of the moments are anywhere, half just after the first results, the busiest time.
    while moment % 2 and not results.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(random.Random(moment).random() * (0.4 if moment % 2 else 8.0))
    process.kill()
    process.wait()

    finished = assert_all_whole(tmp_path)
    again = run(command(inputs, tmp_path, "--resume"), pytestconfig.rootpath)

    assert assert_all_whole(tmp_path) == set(NAMES)
    assert again.stderr.count("taken from") >= len(finished)
    assert list(tmp_path.rglob(f".*{PARTIAL}")) == []


SCRIPT = """
import os, signal, sys
import pytest
from convnextpose_check.evaluation import evaluate, metrics, one_pass

signals, where = [int(number) for number in sys.argv[1].split()], sys.argv[2]

def send_signals_in(module, name, call):
    original, left = getattr(module, name), [call]
    def sending(*arguments, **more):
        left[0] -= 1
        while left[0] == 0 and signals:
            os.kill(os.getpid(), signals.pop(0))
        return original(*arguments, **more)
    setattr(module, name, sending)

if where == "measuring":
    send_signals_in(metrics, "joint_errors_mm", 3 * 4 + 1)  # three models, batches of four
elif where == "saving":
    evaluate.SAVE_SECONDS = 0
    send_signals_in(evaluate, "save_cached", 1)
elif where == "reading":
    send_signals_in(one_pass, "to_input", 2)
sys.exit(pytest.main(sys.argv[3:]))
"""
"""A run that receives signals inside a certain function."""


def run_with_signals(
    inputs: Path, results: Path, root: Path, signals: str, where: str, *more: str
) -> subprocess.CompletedProcess[str]:
    arguments = command(inputs, results, "-o", "console_output_style=classic")[2:]
    return run(["-c", SCRIPT, signals, where, *arguments, *more], root)


@pytest.mark.parametrize(
    ("signals", "where"),
    [
        ("2 15", "saving"),
        pytest.param("15", "saving", marks=pytest.mark.slow),
        pytest.param("15", "measuring", marks=pytest.mark.slow),
        pytest.param("2", "measuring", marks=pytest.mark.slow),
        pytest.param("2", "reading", marks=pytest.mark.slow),
    ],
)
def test_interrupted_run_saves_results_and_prints_the_command_to_resume(
    signals: str, where: str, inputs: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    result = run_with_signals(inputs, tmp_path, pytestconfig.rootpath, signals, where)

    output = result.stdout + result.stderr
    assert result.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "(of 6 images: T1 4, T2 4, T3 4); go on with:\n" in result.stdout
    assert "Traceback" not in output
    assert "KeyboardInterrupt" not in output
    assert_all_whole(tmp_path)
    (printed,) = [line for line in result.stdout.splitlines() if line.endswith("--resume")]
    words = shlex.split(printed)
    assert words[0] == "pytest"
    again = run(["-m", *words], pytestconfig.rootpath)
    assert [f"{name}: going on after 4 of 6 images" in again.stderr for name in NAMES] == [True] * 3
    assert assert_all_whole(tmp_path) == set(NAMES)


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of this size, if the machine allows to mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    made = subprocess.run(mount, capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"cannot mount a small disk: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    "kilobytes",
    [64, *(pytest.param(size, marks=pytest.mark.slow) for size in (4, 24, 40, 100, 160))],
)
def test_full_disk_is_one_sentence_and_leaves_only_whole_files(
    kilobytes: int, inputs: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    with small_disk(tmp_path / "disk", kilobytes) as disk:
        result = run(command(inputs, disk), pytestconfig.rootpath)

        assert_all_whole(disk)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED
    assert "[cannot-write]" in result.stdout
    assert "No space left on device" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
    assert "INTERNALERROR" not in result.stdout + result.stderr
