"""The suite's pytest plugin: hooks from the options to the exit code."""

from collections.abc import Generator
from contextlib import suppress
from textwrap import TextWrapper, indent

import pytest
from pytest_benchmark import plugin as benchmark

from convnextpose_check.environment import opencv_version, package_version
from convnextpose_check.interrupts import defer_signals, install_signal_handlers
from convnextpose_check.plugin.gate import (
    MAX_SHOWN,
    get_parameters,
    get_test_name,
    get_unverified_status,
)
from convnextpose_check.plugin.html_table import configure_html_report, remove_default_report
from convnextpose_check.plugin.required import VALIDATION_TESTS, list_required_tests
from convnextpose_check.plugin.session import (
    SESSION,
    VALIDATION,
    Session,
    get_session,
    open_session,
)
from convnextpose_check.results.schema import OWN_MODELS, Results
from convnextpose_check.results.text import TERMINAL_COLUMNS, format_terminal_table
from convnextpose_check.settings.options import OPTIONS

GATE_PLUGIN = "convnextpose_check.plugin.gate"
WRAPPER = TextWrapper(TERMINAL_COLUMNS - 2, break_on_hyphens=False, break_long_words=False)
"""Wraps texts for the terminal without breaking options, paths and ids."""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Declare the suite's options; each value is a list of strings.

    Also loads pytest-benchmark, which PYTEST_DISABLE_PLUGIN_AUTOLOAD leaves out.
    """
    if pluginmanager.is_blocked("benchmark"):
        raise pytest.UsageError("-p no:benchmark disables the throughput tests. Leave it out.")
    if not pluginmanager.is_registered(benchmark):
        pluginmanager.register(benchmark, "benchmark")
    group = parser.getgroup("ConvNeXtPose", "Evaluation of ConvNeXtPose checkpoints")
    for option in OPTIONS:
        group.addoption(option.flag, **option.argument)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Open the session and register the gate, without which there would be no verdict."""
    session = config.stash[SESSION] = open_session(config)
    configure_html_report(config, session)
    if config.pluginmanager.register(session.gate, GATE_PLUGIN) is None:
        raise pytest.UsageError(f"-p no:{GATE_PLUGIN} disables the gate. Leave it out.")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run validation tests first, in the order of ``VALIDATION_TESTS``.

    One of them includes the whole evaluation, so pytest-timeout must not end it.
    """
    if config.pluginmanager.hasplugin("timeout"):
        for item in filter(is_validation, items):
            item.add_marker(pytest.mark.timeout(0))
    positions = {test.file: number for number, test in enumerate(VALIDATION_TESTS)}
    last = len(VALIDATION_TESTS)
    items.sort(
        key=lambda item: positions.get(item.path.name, last) if is_validation(item) else last
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start the run of the selected validation tests; without any, nothing is written."""
    config, state = session.config, get_session(session.config)
    validation_items = [item for item in session.items if is_validation(item)]
    if not validation_items:
        if state.run.settings.weights_only:
            raise pytest.UsageError(
                "--weights-only was given, but no test of the weights is selected."
                " Leave out -m, -k and paths of tests."
            )
        remove_default_report(config, state)
        return
    evaluated: dict[str, None] = {}
    for item in validation_items:
        if (variant := get_parameters(item).get("variant")) is not None:
            item.user_properties.append(("variant", variant.name))
            if "evaluations" in getattr(item, "fixturenames", ()):
                evaluated[variant.name] = None
    if not config.option.collectonly:
        state.start(tuple(evaluated), writes=not hasattr(config, "workerinput"))
    if state.run.target == "published":
        state.gate.required = list_required_tests(state.run)
    state.gate.names = {item.nodeid: get_test_name(item) for item in validation_items}


def is_validation(item: pytest.Item) -> bool:
    """True for a test in ``tests/validation``, also if reached through a link."""
    return item.path.resolve().is_relative_to(VALIDATION)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(
    item: pytest.Item, nextitem: pytest.Item | None
) -> Generator[None, object, object]:
    """Stop a weights-only run after the search for checkpoints if none was found."""
    result = yield
    session = get_session(item.config)
    is_searched = nextitem is None or not nextitem.name.startswith("test_checkpoint_is_found")
    if is_searched and session.run.settings.weights_only and session.run.found_no_checkpoint:
        session.gate.stop_reason = item.session.shouldfail = "no checkpoint was found"
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, int | None, int | None]:
    """Handle signals; after pytest has ended, write the report and decide the exit code.

    ``pytest_sessionfinish`` would be too early: other plugins can still change the exit code. A
    signal that arrives while the report is written does not change the verdict.
    """
    if hasattr(config, "workerinput"):
        return (yield)
    restore_signal_handlers = install_signal_handlers()
    try:
        try:
            code = int((yield) or 0)
        except KeyboardInterrupt:  # raised outside of pytest's own handler
            code = pytest.ExitCode.INTERRUPTED
        session = config.stash.get(SESSION, None)
        if session is None:
            return code
        session.gate.is_interrupted = code == pytest.ExitCode.INTERRUPTED
        final = int(pytest.ExitCode.INTERRUPTED)
        with suppress(KeyboardInterrupt), defer_signals():
            results = session.finish(code)
            final = session.exit_code(code)
            if results is not None:
                print_report(config, session, results)
        return final
    finally:
        restore_signal_handlers()
        if (session := config.stash.get(SESSION, None)) is not None:
            session.close()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Print the judged models, the versions, and the source of each setting."""
    run = get_session(config).run
    models = OWN_MODELS if run.settings.has_own_models else f"{run.target} models"
    return [
        f"{models}; torch {package_version('torch')}, numpy {package_version('numpy')},"
        f" OpenCV {opencv_version()}; results in {run.settings.results_dir}",
        *(f"read: {line}" for line in run.settings.given.values()),
    ]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None]:
    """Hide from pytest's summary the failures that ``print_report`` describes."""
    stats, failed = terminalreporter.stats, terminalreporter.stats.get("failed", [])
    if failed and get_session(config).lock is not None:
        stats["failed"] = [report for report in failed if not hasattr(report, "duplicate_of")]
    yield
    if failed:
        stats["failed"] = failed


def print_report(config: pytest.Config, session: Session, results: Results) -> None:
    """Print the table and the verdict, how to fix errors, and how to resume the run."""
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal is None:
        return
    terminal.section(f"ConvNeXtPose: {results.judged_models}")
    for line in [*format_terminal_table(results), WRAPPER.fill(results.verdict)]:
        terminal.write_line(line)
    more = len(results.left_out) - MAX_SHOWN
    texts_by_title = {
        "how to fix it": session.gate.how_to_fix(),
        "reasons why the run has not passed": [
            *results.left_out[:MAX_SHOWN],
            *([f"and {more} more"] if more > 0 else []),
        ],
    }
    if session.gate.is_interrupted:
        texts_by_title["interrupted"] = [
            "To reuse the evaluations that were saved, add --resume to this command."
        ]
    for title, texts in texts_by_title.items():
        if texts:
            terminal.section(title, red=True)
            for text in texts:
                terminal.write_line(_wrap(text))


def _wrap(text: str) -> str:
    """Wrap and indent the lines of a text; a line that starts with a space is a command."""
    lines = [line if line.startswith(" ") else WRAPPER.fill(line) for line in text.split("\n")]
    return indent("\n".join(lines), "  ")


def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Show unverified checks and warnings under their own category, not as passed."""
    if report.when != "call" or (status := get_unverified_status(report)) is None:
        return None
    markup = {"yellow": True} if status == "warning" else {"light": True}
    category = "with a warning" if status == "warning" else status
    return category, status[0].upper(), (status.upper(), markup)
