"""The suite's pytest plugin: hooks from the options to the exit code."""

import os
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import suppress
from textwrap import TextWrapper

import pytest
from pytest_benchmark import plugin as benchmark

from convnextpose_check.environment import format_command, opencv_version, package_version
from convnextpose_check.interrupts import defer_signals, install_signal_handlers
from convnextpose_check.plugin.gate import (
    MAX_SHOWN,
    get_parameters,
    get_test_name,
    get_unverified_status,
)
from convnextpose_check.plugin.html_table import configure_html_report
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
from convnextpose_check.settings.options import OPTIONS, PREFIX, Settings

GATE_PLUGIN = "convnextpose_check.plugin.gate"


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
        if state.run.settings.weights_only and state.can_judge:
            raise pytest.UsageError(
                "--weights-only was given, but no test of the weights is selected."
                " Leave out -m, -k and paths of tests."
            )
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
        if code == pytest.ExitCode.INTERRUPTED:
            session.gate.interruption = session.gate.interruption or ""
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
    """Print the models, data and versions, and the source of each setting."""
    session = get_session(config)
    settings = session.run.settings
    return [
        *(_describe_inputs(session.run.target, settings) if session.can_judge else ()),
        f"torch {package_version('torch')}, numpy {package_version('numpy')},"
        f" OpenCV {opencv_version()}; results in {settings.results_dir}",
        *(f"read: {line}" for line in settings.given.values()),
    ]


def _describe_inputs(target: str, settings: Settings) -> list[str]:
    """The models and data of a run, and its conditions if MPJPE is measured."""
    checkpoints = ", ".join(map(str, settings.checkpoints)) or "not given"
    models = OWN_MODELS if settings.has_own_models else "published models"
    if settings.weights_only:
        text = "weights only, Human3.6M is not read and MPJPE not measured"
        return [f"{models}: {text}, checkpoints {checkpoints}"]
    conditions = (
        f"protocol {settings.protocol}, boxes {settings.bbox},"
        f" flip test {'on' if settings.flip else 'off'}"
    )
    if target == "synthetic":
        return ["synthetic models: generated data and checkpoints", conditions]
    gate = "no gate" if settings.gate is None else f"gate {settings.gate} mm"
    data = settings.h36m_root or "not given"
    return [f"{models}: data {data}, checkpoints {checkpoints}", f"{conditions}, {gate}"]


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
    """Print the table and the verdict, how to fix errors, and how to resume the run.

    The command to resume is printed only if an evaluation was interrupted or had finished.
    """
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal is None:
        return
    terminal.section(f"ConvNeXtPose: {results.judged_models}")
    for line in [*format_terminal_table(results), _wrap(results.verdict)]:
        terminal.write_line(line)
    more = len(results.left_out) - MAX_SHOWN
    for title, texts in (
        ("how to fix it", session.gate.how_to_fix()),
        (
            "reasons why the run has not passed",
            [*results.left_out[:MAX_SHOWN], *[f"and {more} more"] * (more > 0)],
        ),
    ):
        if texts:
            terminal.section(title, red=True)
            for text in texts:
                terminal.write_line(_wrap(text, indent="  "))
    saved = session.gate.interruption
    if saved or (saved is not None and session.run.finished_evaluations.available):
        terminal.section("interrupted", red=True)
        terminal.write_line(f"{saved or 'finished evaluations are saved'}. To resume, run:")
        arguments = config.invocation_params.args
        terminal.write_line(format_resume_command(sys.argv[0], arguments, os.environ))


def format_resume_command(
    program: str, arguments: Sequence[object], environment: Mapping[str, str]
) -> str:
    """Return this run's command with ``--resume``."""
    rest = [str(argument) for argument in arguments]
    if "--resume" not in rest:
        rest.insert(rest.index("--") if "--" in rest else len(rest), "--resume")
    return format_command(program, rest, environment, PREFIX)


def _wrap(text: str, indent: str = "") -> str:
    """Wrap the lines of a text for a terminal without breaking options, paths and ids.

    A line that starts with a space is a command, which is not wrapped. All lines but the first are
    indented.
    """
    wrapper = TextWrapper(
        TERMINAL_COLUMNS - len(indent), break_on_hyphens=False, break_long_words=False
    )
    wrapped = [line if line.startswith(" ") else wrapper.fill(line) for line in text.split("\n")]
    return "\n".join(wrapped).replace("\n", f"\n{indent}")


def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Show unverified checks and warnings under their own category, not as passed."""
    if report.when != "call" or (status := get_unverified_status(report)) is None:
        return None
    markup = {"yellow": True} if status == "warning" else {"light": True}
    category = "with a warning" if status == "warning" else status
    return category, status[0].upper(), (status.upper(), markup)
