"""Python processes that are forked from a server which has already imported torch.

Importing dependencies takes most of a short run's time. The server imports neither this package nor
pytest's plugins (pytest would warn). Tests of start-up code use ``subprocess`` instead.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path

from tests.support.texts import ROOT

SERVER = get_context("forkserver")
SERVER.set_forkserver_preload(
    [
        "cv2", "jinja2", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg",
        "matplotlib.figure", "msgspec", "pytest", "requests", "simplejpeg", "torch",
        "torch._dynamo", "torch.utils.flop_counter", "tqdm",
    ]
)  # fmt: skip
STREAMS = {1: "out", 2: "err"}


def checkout_environment() -> dict[str, str]:
    """Environment variables with which Python imports this checkout."""
    searched = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(searched)}


def peak_bytes() -> int:
    """The peak resident memory of this process.

    ``getrusage`` would include the peak of the parent process.
    """
    return memory_bytes("VmHWM")


def memory_bytes(field: str) -> int:
    """A size in ``/proc/self/status``, such as ``VmRSS``, the resident memory."""
    status = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in status if line.startswith(field)).split()[1]) << 10


def _run(arguments: tuple[str, ...], folder: str, environment: dict[str, str], output: str) -> None:
    """Run ``python`` with these arguments in this process, folder and environment."""
    import torch

    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for number, name in STREAMS.items():
        os.dup2(os.open(Path(output, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    if "OMP_NUM_THREADS" in environment:
        torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))
    sys.path[:0] = [folder, *environment.get("PYTHONPATH", "").split(os.pathsep)]
    option, code, *rest = arguments
    sys.argv, sys.orig_argv = [option, *rest], [sys.executable, *arguments]
    if option == "-m":
        runpy.run_module(code, run_name="__main__", alter_sys=True)
    else:
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})


class PythonProcess:
    """``python -m ...`` or ``python -c ...`` in the background, as ``subprocess.Popen``."""

    def __init__(self, *arguments: object, folder: Path) -> None:
        self.arguments = tuple(map(str, arguments))
        self._output = tempfile.TemporaryDirectory(prefix="python-process-")
        self._process = SERVER.Process(
            target=_run, args=(self.arguments, str(folder), dict(os.environ), self._output.name)
        )
        self._process.start()

    def read_output(self, name: str = "out") -> str:
        file = Path(self._output.name, name)
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def kill(self) -> None:
        self._process.kill()

    def wait(self, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(self.arguments, timeout or 0)
        return subprocess.CompletedProcess(
            self.arguments, code, *(self.read_output(name) for name in STREAMS.values())
        )


def run_python(*arguments: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return PythonProcess(*arguments, folder=folder).wait()
