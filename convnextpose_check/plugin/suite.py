"""The pytest plugin of the suite: its hooks, from the options to the exit code."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from typing import cast

import pytest

from convnextpose_check.interrupts import held, obey_signals
from convnextpose_check.plugin.check_record import name_of, parameters_of
from convnextpose_check.plugin.command_line import add_options
from convnextpose_check.plugin.report import print_report, remove_html_plugin
from convnextpose_check.plugin.required import VALIDATION_TESTS, required_tests
from convnextpose_check.plugin.session import SESSION, VALIDATION, open_session, session_of
from convnextpose_check.variants import Variant

GATE_PLUGIN = "convnextpose_check.plugin.gate"
NEEDS_EVALUATION = "evaluations"
"""The fixture of tests that need a variant evaluated."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare each option of the suite."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Open the session, and register the gate; without it there would be no verdict."""
    session = config.stash[SESSION] = open_session(config)
    if config.pluginmanager.register(session.gate, GATE_PLUGIN) is None:
        raise pytest.UsageError(f"-p no:{GATE_PLUGIN} disables the gate. Leave it out.")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run validation tests first, in the order of the recorded list: first what all need."""
    files = list(dict.fromkeys(test.file for test in VALIDATION_TESTS))

    def position(item: pytest.Item) -> int:
        is_listed = is_validation(item) and item.path.name in files
        return files.index(item.path.name) if is_listed else len(files)

    items.sort(key=position)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the run of the selected tests; a session without any writes nothing."""
    config, state = session.config, session_of(session.config)
    judging = [item for item in session.items if is_validation(item)]
    if not judging:
        if state.settings.weights_only and state.can_judge:
            raise pytest.UsageError(
                "--weights-only was given, but no test of the weights is selected."
                " Leave out -m, -k and the names of tests."
            )
        if state.has_default_report:
            remove_html_plugin(config)
        return
    evaluated: dict[str, None] = {}
    for item in judging:
        variant = cast("Variant | None", parameters_of(item).get("variant"))
        if variant is not None:
            item.user_properties.append(("variant", variant.name))
            if NEEDS_EVALUATION in getattr(item, "fixturenames", ()):
                evaluated[variant.name] = None
    if not config.option.collectonly:
        state.start(tuple(evaluated), writes=not hasattr(config, "workerinput"))
    if state.target.name == "published":
        state.gate.required = required_tests(state.target, state.settings)
    state.gate.names = {item.nodeid: name_of(item) for item in judging}


def is_validation(item: pytest.Item) -> bool:
    """True for a test of the gate, by whatever path it was reached."""
    return item.path.resolve().is_relative_to(VALIDATION)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, int | None, int | None]:
    """Listen to signals; once pytest has ended, write the report, which decides the exit code.

    Here and not where the session ends, since plugins may change the exit code until then. A
    signal while the report is written comes too late to change the verdict.
    """
    if hasattr(config, "workerinput"):
        return (yield)
    stop_listening = obey_signals()
    try:
        try:
            code, is_interrupted = int((yield) or 0), False
        except KeyboardInterrupt:  # after pytest's own handling of one
            code, is_interrupted = pytest.ExitCode.INTERRUPTED, True
        session = config.stash.get(SESSION, None)
        if session is None:
            return code
        if is_interrupted and session.gate.interruption is None:
            session.gate.interruption = ""
        final = int(pytest.ExitCode.INTERRUPTED)
        with suppress(KeyboardInterrupt), held():
            results = session.finish(code)
            final = session.exit_code(code)
            if results is not None:
                print_report(config, session, results)
        return final
    finally:
        stop_listening()
        if (opened := config.stash.get(SESSION, None)) is not None:
            opened.close()
