"""The hooks that show a run: in the terminal and in pytest-html's report."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Generator, Mapping, Sequence
from decimal import Decimal
from html import escape
from pathlib import Path
from textwrap import fill
from typing import Any

import pytest
from pytest_html.basereport import BaseReport

from convnextpose_check.environment import opencv_version, package_version
from convnextpose_check.files.whole import write_text
from convnextpose_check.plugin.check_record import UNVERIFIED
from convnextpose_check.plugin.session import Session, session_of
from convnextpose_check.results.schema import OWN_MODELS, Results
from convnextpose_check.results.text import (
    TERMINAL_COLUMNS,
    format_difference,
    format_value,
    terminal_lines,
)
from convnextpose_check.settings.options import PREFIX

SHOWN_TEXTS = 10
COLUMNS = ("variant", "obtained", "expected", "difference")
"""Added to pytest-html's table, between the test and its duration."""


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Print what is judged, with what, and the source of each setting."""
    settings = session_of(config).settings
    checkpoints = ", ".join(map(str, settings.checkpoints))
    gate = "no gate" if settings.gate is None else f"gate {settings.gate} mm"
    models = OWN_MODELS if settings.has_own_models else "published models"
    data = f"data {settings.h36m_root or 'not given'}"
    if settings.weights_only:
        data = "weights only, no Human3.6M is read and no error measured"
    return [
        f"{models}: {data}, checkpoints {checkpoints or 'not given'}",
        f"torch {package_version('torch')}, numpy {package_version('numpy')},"
        f" OpenCV {opencv_version()}",
        f"protocol {settings.protocol}, boxes {settings.bbox}, flip test"
        f" {'on' if settings.flip else 'off'}, {gate};"
        f" results in {settings.results_dir}",
        *(f"read: {line}" for line in settings.lines()),
    ]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None]:
    """Keep pytest from printing failures that ``print_report`` describes."""
    stats, failed = terminalreporter.stats, terminalreporter.stats.get("failed", [])
    if failed and session_of(config).lock is not None:
        stats["failed"] = [report for report in failed if not hasattr(report, "told_by")]
    yield
    if failed:
        stats["failed"] = failed


def print_report(config: pytest.Config, session: Session, results: Results) -> None:
    """Print the table and the verdict, what to fix, and how to resume an interrupted run."""
    terminal = config.pluginmanager.getplugin("terminalreporter")
    if terminal is None:
        return
    terminal.section(f"ConvNeXtPose: {results.judged}")
    for line in [*terminal_lines(results), _wrap(results.verdict)]:
        terminal.write_line(line)
    more = len(results.left_out) - SHOWN_TEXTS
    for title, texts in (
        ("how to fix it", session.gate.how_to_fix()),
        (
            "not passed: something was left out",
            [*results.left_out[:SHOWN_TEXTS], *[f"and {more} more"] * (more > 0)],
        ),
    ):
        if texts:
            terminal.section(title, red=True)
            for text in texts:
                terminal.write_line(_wrap(text, indent="  "))
    if (saved := session.gate.interruption) is not None:
        terminal.section("interrupted", red=True)
        terminal.write_line(f"{saved}; go on with:" if saved else "Go on with:")
        arguments = config.invocation_params.args
        terminal.write_line(resuming_command(sys.argv[0], arguments, os.environ))


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


def _wrap(text: str, indent: str = "") -> str:
    """The text in lines that a terminal shows whole; options, paths and ids are not broken."""
    return fill(
        text,
        TERMINAL_COLUMNS,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def pytest_report_teststatus(
    report: pytest.CollectReport | pytest.TestReport,
) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Show a check that verified nothing, or that warns, under its own word and never in green."""
    if report.when != "call" or (status := _unverified_status(report)) is None:
        return None
    markup = {"yellow": True} if status == "warning" else {"light": True}
    category = "with a warning" if status == "warning" else status
    return category, status[0].upper(), (status.upper(), markup)


def _unverified_status(report: Any) -> str | None:
    """``warning`` or ``not verified`` for a passed check that recorded one, else None."""
    recorded = dict(getattr(report, "user_properties", ()))
    words = (word for word in UNVERIFIED if word in recorded)
    return next(words, None) if report.passed else None


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Take the page from pytest-html, which would write it before there is a verdict."""
    if not isinstance(plugin, BaseReport):
        return
    session = session_of(manager.getplugin("pytestconfig"))

    def take_page(page: str) -> None:
        if session.run is not None:
            session.page = _readable_by_all(page)
        elif not session.has_default_report:
            write_text(plugin._report_path, page)

    plugin._write_report = take_page


def remove_html_plugin(config: pytest.Config) -> None:
    """Make no report in a session that judges nothing."""
    for plugin in config.pluginmanager.get_plugins():
        if isinstance(plugin, BaseReport):
            config.pluginmanager.unregister(plugin)


def _readable_by_all(page: str) -> str:
    """Add what pytest-html's page lacks: its language, its width, names of its check boxes."""
    page = page.replace(
        "<html>\n  <head>",
        '<html lang="en">\n  <head>\n'
        '    <meta name="viewport" content="width=device-width, initial-scale=1"/>',
        1,
    )
    return re.sub(r'(<input [^>]*data-test-result="(\w+)")', r'\1 aria-label="Show \2"', page)


def pytest_html_report_title(report: Any) -> None:
    """Set the title of the page."""
    from convnextpose_check.pages.html import TITLE

    report.title = TITLE


def pytest_html_results_summary(prefix: list[str], postfix: list[str]) -> None:
    """Mark the place of the summary, above pytest-html's own table."""
    from convnextpose_check.pages.html import BEGIN, END, SCRIPT

    prefix.append(f"{BEGIN}{END}")
    postfix.append(f"<script>\n{SCRIPT.read_text(encoding='utf-8')}</script>")


def pytest_html_results_table_header(cells: list[str]) -> None:
    """Add columns for what each check is about and what came out."""
    cells[2:2] = [
        f'<th class="sortable" data-column-type="{name}">{name.capitalize()}</th>'
        for name in COLUMNS
    ]


def pytest_html_results_table_row(report: Any, cells: list[str]) -> None:
    """Fill the columns; a file that did not import obtained nothing."""
    recorded = dict(getattr(report, "user_properties", ()))
    if (status := _unverified_status(report)) is not None:
        cells[0] = f'<td class="col-result {status.split()[0]}">{status.capitalize()}</td>'
    cells[1] = f'<td class="col-testId">{escape(report.nodeid)}</td>'
    cells[2:2] = [_cell(name, recorded.get(name), recorded.get("unit", "")) for name in COLUMNS]


def _cell(name: str, value: str | float | None, unit: str) -> str:
    """A cell of the table.

    pytest-html sorts by the text of a cell: a comment of fixed width in front of a number makes
    that the order of the numbers.
    """
    key, text = "", format_value(value)
    if isinstance(value, (int, float)):
        # In decimals: beside so large an offset a float would lose what is behind the point.
        key = f"<!--{Decimal(value) + 10**15:030.9f}-->"
        if name == "difference" and isinstance(value, float):
            text = format_difference(value)
        text = f"{text} {unit}".strip()
    return f'<td class="col-{name}">{key}{escape(text)}</td>'
