"""The part of the plugin that ends an interrupted run in order, and prints how to resume it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import pytest

from convnextpose_check.interrupts import Interrupted, held
from convnextpose_check.plugin.session import WAS_INTERRUPTED, session_of
from convnextpose_check.settings.options import PREFIX


class OrderlyEnd:
    """The hooks of a run that may be interrupted."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._kept: str | None = None

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Remember what is kept, and that results which were written are not a whole run's."""
        state = session_of(self._config)
        if state.is_judging:
            state.object(WAS_INTERRUPTED)
        if isinstance(excinfo.value, Interrupted):
            self._kept = str(excinfo.value) if excinfo.value.is_resumable else None
        elif state.run is not None and (done := state.run.finished_evaluations):
            self._kept = f"what was measured of {', '.join(done)} is kept"

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Write whole what is written at the end; an interrupt meanwhile fails the run."""
        try:
            with held():
                yield
        except KeyboardInterrupt:
            session_of(self._config).object(WAS_INTERRUPTED)
            session.exitstatus = pytest.ExitCode.INTERRUPTED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what is kept, and the command that goes on with it, in one line to be copied."""
        if self._kept is not None:
            terminalreporter.section("interrupted", red=True)
            terminalreporter.write_line(f"{self._kept}; go on with:")
            terminalreporter.write_line(
                resuming_command(sys.argv[0], self._config.invocation_params.args, os.environ)
            )


def resuming_command(
    program: str, arguments: Sequence[object], environment: Mapping[str, str]
) -> str:
    """The command of this run with ``--resume``, as a shell takes it.

    Settings from the environment stand in front, for they may have been given to this run alone.
    """
    given = [
        f"{name}={shlex.quote(value)}"
        for name, value in sorted(environment.items())
        if name.startswith(PREFIX) or name == "PYTEST_ADDOPTS"
    ]
    start = ["python", "-m", "pytest"] if Path(program).name == "__main__.py" else ["pytest"]
    rest = [str(argument) for argument in arguments]
    if "--resume" not in rest:
        rest.insert(rest.index("--") if "--" in rest else len(rest), "--resume")
    return " ".join([*given, shlex.join([*start, *rest])])
