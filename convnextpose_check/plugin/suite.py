"""The pytest plugin of the suite: it registers its parts and decides the exit code."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from convnextpose_check.interrupts import held, obey_signals
from convnextpose_check.plugin import configure, report
from convnextpose_check.plugin.books import Books
from convnextpose_check.plugin.command_line import add_options
from convnextpose_check.plugin.interrupts import OrderlyEnd
from convnextpose_check.plugin.session import SESSION, session_of


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare each option of the suite."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Open the session and register the parts; without one of them there would be no gate."""
    configure.open_session(config)
    session = session_of(config)
    parts: dict[str, object] = {"configure": configure, "report": report, "books": Books(session)}
    if not hasattr(config, "workerinput"):
        parts["interrupts"] = OrderlyEnd(config)
    for name, part in parts.items():
        full_name = f"{__package__}.{name}"
        if config.pluginmanager.register(part, full_name) is None:
            raise pytest.UsageError(f"-p no:{full_name} disables a part of the gate. Leave it out.")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, int | None, int | None]:
    """Listen to signals during the run; at its end let the results decide the exit code.

    Here and not where the session ends, since plugins may change the exit code until then. A
    signal while the last files are written comes too late to change the verdict.
    """
    if hasattr(config, "workerinput"):
        return (yield)
    stop_listening, session = obey_signals(), None
    try:
        try:
            code = yield
        except KeyboardInterrupt:  # after pytest's own handling of one
            code = pytest.ExitCode.INTERRUPTED
        session = config.stash.get(SESSION, None)
        if session is None or not session.is_judging:
            return code
        try:
            with held():
                code = session.conclude(int(code or 0))
        except KeyboardInterrupt:
            pass
        for problem in session.late_problems:
            config.get_terminal_writer().line(f"not passed: {problem}", red=True)
        return code
    finally:
        stop_listening()
        if session is not None and session.lock is not None:
            session.lock.close()
