"""Several processes share a run: the same results to the last digit, or an error, never a hang."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from convnextpose_check.evaluation.ranks import Ranks
from convnextpose_check.paths import Outputs
from convnextpose_check.variants import Architecture
from tests.support.datasets import Handmade
from tests.support.full_size import write_own_model
from tests.support.processes import PythonProcess, with_checkout

NAMES = ("T1", "T2")
PATIENCE = 120
TIMES = ("seconds", "reading_seconds", "images_per_second", "started", "command")

Start = Callable[..., PythonProcess]


@pytest.fixture(scope="module")
def inputs(tiny: Architecture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tiny models of one's own and a handful of images."""
    folder = tmp_path_factory.mktemp("inputs")
    Handmade().write(folder / "h36m")
    variants: list[dict[str, Any]] = []
    for epoch, name in enumerate(NAMES, start=1):
        variants += write_own_model(tiny, folder, name, epoch, seed=epoch)["variants"]
    (folder / "own.json").write_text(json.dumps({"about": "two", "variants": variants}))
    return folder


def arguments(inputs: Path, results: Path) -> list[str]:
    return [
        "tests/validation/test_errors.py", "-m", "gpu", "-q", "-p", "no:cacheprovider",
        "--device=cpu", "--batch-size=2", f"--h36m-root={inputs / 'h36m'}",
        f"--checkpoints={inputs}", f"--variants-file={inputs / 'own.json'}",
        f"--results-dir={results}",
    ]  # fmt: skip


@pytest.fixture
def start(pytestconfig: pytest.Config) -> Iterator[Start]:
    """Start a rank of a run; all of a test meet at one port, and are gone at its end.

    The fewer they are, the more threads each has, which must not show either.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = []

    def start_rank(rank: int, count: int, *command: str) -> PythonProcess:
        environment = with_checkout() | {
            "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count),
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
            "OMP_NUM_THREADS": str(4 // count),
        }  # fmt: skip
        process = PythonProcess(*command, folder=pytestconfig.rootpath, environment=environment)
        processes.append(process)
        return process

    yield start_rank
    for process in processes:
        process.kill()


def without_times(content: Any) -> Any:
    """The results without what may differ from run to run."""
    if isinstance(content, dict):
        return {k: without_times(v) for k, v in content.items() if k not in TIMES}
    if isinstance(content, list):
        return [without_times(item) for item in content]
    return content


def results_of(folder: Path) -> Any:
    return json.loads(Outputs(folder).results.read_text())


def judged_by(count: int, start: Start, inputs: Path, folder: Path) -> str:
    """What so many ranks find, without what may differ from run to run."""
    command = ["-m", "pytest", *arguments(inputs, folder)]
    processes = [start(rank, count, *command) for rank in range(count)]
    leader, *helpers = [process.wait(PATIENCE) for process in processes]
    for helper in helpers:
        assert (helper.returncode, helper.stdout) == (0, "")
        assert "Error" not in helper.stderr
    assert leader.stdout.count("ConvNeXtPose: published") == 1
    found = results_of(folder)
    assert list(found["variants"]) == list(NAMES)
    return json.dumps(without_times(found)).replace(str(folder), "RESULTS")


@pytest.mark.parametrize("count", [3, pytest.param(2, marks=pytest.mark.slow)])
def test_results_are_the_same_with_any_number_of_ranks(
    count: int, start: Start, inputs: Path, tmp_path: Path
) -> None:
    alone = judged_by(1, start, inputs, tmp_path / "alone")

    assert judged_by(count, start, inputs, tmp_path / "shared") == alone


TAKE_PART = """
import os, sys, time
from convnextpose_check.evaluation.ranks import Ranks
ranks = Ranks.of_environment()
ranks.join()
"""
DIES = TAKE_PART + "ranks.next_order(); os._exit(9)"
HANGS = TAKE_PART + "ranks.next_order(); time.sleep(1000)"
IMPATIENT = """
import sys
from datetime import timedelta
import pytest
from convnextpose_check.evaluation import ranks
ranks.TIMEOUT = timedelta(seconds=5)
sys.exit(pytest.main(sys.argv[1:]))
"""


@pytest.mark.parametrize(
    "other",
    [pytest.param(DIES, id="dies"), pytest.param(HANGS, id="hangs", marks=pytest.mark.slow)],
)
def test_rank_that_is_lost_ends_the_run_with_an_error(
    start: Start, inputs: Path, tmp_path: Path, other: str
) -> None:
    leader = start(0, 2, "-c", IMPATIENT, *arguments(inputs, tmp_path / "out"))
    start(1, 2, "-c", other)

    result = leader.wait(PATIENCE)

    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout
    assert "[rank-lost]" in result.stdout
    assert "Traceback" not in result.stdout
    assert not Outputs(tmp_path / "out").results.exists()
    begun = sorted(path.name for path in (tmp_path / "out").rglob("*.begun.npz"))
    assert begun == [f"published_{name}.begun.npz" for name in NAMES]


@pytest.mark.slow
def test_rank_that_was_killed_ends_the_run_with_an_error(
    start: Start, inputs: Path, tmp_path: Path
) -> None:
    """Held where it cannot be missed: it is stopped before it can help, and killed in a while."""
    command = ["-m", "pytest", *arguments(inputs, tmp_path / "out")]
    leader, helper = start(0, 2, *command), start(1, 2, *command)
    log = tmp_path / "out" / "log" / "test_T1.log"
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "out").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.5)
    helper.send_signal(signal.SIGSTOP)
    while not log.exists() and leader.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.0)
    helper.kill()

    result = leader.wait(PATIENCE)

    assert result.returncode != pytest.ExitCode.OK, result.stdout


TOLD_WHILE_WAITING = """
import os, signal, sys, threading, time
import pytest
from convnextpose_check.evaluation.ranks import Ranks

answers = Ranks.answers

def waiting(ranks):
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
    return answers(ranks)

Ranks.answers = waiting
sys.exit(pytest.main(sys.argv[1:]))
"""


def test_leader_that_is_told_to_end_waits_for_nobody(
    start: Start, inputs: Path, tmp_path: Path
) -> None:
    leader = start(0, 2, "-c", TOLD_WHILE_WAITING, *arguments(inputs, tmp_path / "out"))
    helper = start(1, 2, "-c", HANGS)

    result = leader.wait(PATIENCE)

    assert result.returncode == pytest.ExitCode.INTERRUPTED, result.stdout + result.stderr
    assert helper.poll() is None
    assert "4 of 6 images are kept; go on with:" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


WORKS_ON = (
    TAKE_PART
    + """
from convnextpose_check.errors import ConvNeXtPoseCheckError
print("works", flush=True)
try:
    while True:
        ranks.hear_of_leader()
        time.sleep(0.01)
except ConvNeXtPoseCheckError as error:
    print(error.code)
"""
)


def test_helper_that_works_hears_that_its_leader_is_gone(start: Start) -> None:
    leader = start(0, 2, "-c", TAKE_PART + "sys.stdin.readline(); time.sleep(1); os._exit(9)")
    helper = start(1, 2, "-c", WORKS_ON)

    result = helper.wait(PATIENCE)

    assert leader.wait(PATIENCE).returncode == 9
    assert result.stdout.split() == ["works", "rank-lost"], result.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_helper_that_is_told_to_end_ends_where_it_waits(
    start: Start, inputs: Path, tmp_path: Path, number: signal.Signals
) -> None:
    leader = start(0, 2, "-c", TAKE_PART + "print(1, flush=True); time.sleep(1000)")
    helper = start(1, 2, "-m", "pytest", *arguments(inputs, tmp_path / "out"))
    deadline = time.monotonic() + PATIENCE
    while not leader.said() and time.monotonic() < deadline:  # until they have met
        time.sleep(0.02)
    time.sleep(1.0)
    helper.send_signal(number)

    result = helper.wait(PATIENCE)

    assert result.returncode == -number
    assert (result.stdout, "Traceback" in result.stderr) == ("", False)


def test_helpers_end_when_their_leader_is_gone(start: Start, inputs: Path, tmp_path: Path) -> None:
    start(0, 2, "-c", TAKE_PART + "os._exit(9)")
    helper = start(1, 2, "-m", "pytest", *arguments(inputs, tmp_path / "out"))

    result = helper.wait(PATIENCE)

    assert result.returncode != pytest.ExitCode.OK
    assert (result.stdout, "Traceback" in result.stderr) == ("", False)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_torchrun_starts_them(inputs: Path, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
        "-m", "pytest", *arguments(inputs, tmp_path),
    ]  # fmt: skip

    result = subprocess.run(
        command, cwd=pytestconfig.rootpath, env=with_checkout(), capture_output=True, text=True,
        check=False, timeout=PATIENCE,
    )  # fmt: skip

    assert result.returncode == 1  # the set is too small to pass
    assert result.stdout.count("ConvNeXtPose: published") == 1
    assert list(results_of(tmp_path)["variants"]) == list(NAMES)


def test_process_that_torchrun_did_not_start_is_alone() -> None:
    alone = Ranks.of_environment({"WORLD_SIZE": "2"})

    assert (alone.rank, alone.count, alone.helps) == (0, 1, False)
    assert alone.answers() == []


@pytest.mark.parametrize(
    ("local", "name", "own"),
    [
        ({"LOCAL_RANK": "1"}, "cuda", "cuda:1"),
        ({"LOCAL_RANK": "0"}, "cuda", "cuda:0"),
        ({"LOCAL_RANK": "1"}, "cpu", "cpu"),
        ({"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}, "cuda", "cuda"),
        ({"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1"}, "cuda:1", "cuda:1"),
    ],
)
def test_ranks_of_one_machine_have_a_card_each_and_one_that_is_alone_has_all(
    local: dict[str, str], name: str, own: str
) -> None:
    ranks = Ranks.of_environment({"RANK": "5", "WORLD_SIZE": "8"} | local)

    assert ranks.device_name(name) == own


def test_one_card_for_several_ranks_is_refused(start: Start, inputs: Path, tmp_path: Path) -> None:
    command = ["-m", "pytest", *arguments(inputs, tmp_path / "out"), "--device=cuda:0"]
    command.remove("--device=cpu")

    processes = [start(rank, 2, *command) for rank in range(2)]

    leader, helper = [process.wait(PATIENCE) for process in processes]
    assert leader.returncode == helper.returncode == pytest.ExitCode.USAGE_ERROR
    assert "[bad-option] --device cuda:0 is one card, for 2 processes" in leader.stderr
    assert (helper.stdout, helper.stderr) == ("", "")
