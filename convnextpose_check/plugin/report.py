"""The part of the plugin that shows the verdict: in the terminal and in pytest-html's report."""

from __future__ import annotations

import re
from collections.abc import Generator
from decimal import Decimal
from html import escape
from textwrap import fill
from typing import Any

import pytest
from pytest_html.basereport import BaseReport

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.whole import write_text
from convnextpose_check.plugin.mistakes import told_by, what_to_mend
from convnextpose_check.plugin.session import session_of
from convnextpose_check.results.text import (
    TERMINAL_COLUMNS,
    format_difference,
    format_value,
    terminal_lines,
)

SHOWN_TEXTS = 10
COLUMNS = ("variant", "obtained", "expected", "difference")
"""Added to pytest-html's table, between the test and its duration."""

_SORT_OFFSET = 10**15


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> Generator[None, None, None]:
    """Print the table and the verdict, then what to mend, after all that others have to say.

    What is told there pytest does not show again: each thing is said once.
    """
    failed = terminalreporter.stats.pop("failed", [])
    if others := [report for report in failed if told_by(report) is None]:
        terminalreporter.stats["failed"] = others
    yield
    if failed:
        terminalreporter.stats["failed"] = failed
    session = session_of(config)
    if (results := session.results) is not None:
        terminalreporter.section(f"ConvNeXtPose: {results.judged}")
        for line in [*terminal_lines(results), _wrap(results.verdict)]:
            terminalreporter.write_line(line)
    left_out, more = session.problems[:SHOWN_TEXTS], len(session.problems) - SHOWN_TEXTS
    for title, texts in (
        ("what to mend", what_to_mend(failed)),
        ("not passed: something was left out", left_out + [f"and {more} more"] * (more > 0)),
    ):
        if texts:
            terminalreporter.section(title, red=True)
            for text in texts:
                terminalreporter.write_line(_wrap(text, indent="  "))


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
    words = (word for word in ("warning", "not verified") if word in recorded)
    return next(words, None) if report.passed else None


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Let pytest-html's report appear whole: it would write in place, a piece at a time."""
    if isinstance(plugin, BaseReport):
        config = manager.getplugin("pytestconfig")
        if session_of(config).makes_default_report:
            session_of(config).default_report = plugin

        def write_whole(page: str) -> None:
            session = session_of(config)
            if session.makes_default_report and session.lock is None:
                return  # refused: the folder may be another run's
            try:
                write_text(plugin._report_path, _readable_by_all(page))
                session.has_written_report = True
            except ConvNeXtPoseCheckError as error:
                session.object(str(error))

        plugin._write_report = write_whole


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


def pytest_html_results_summary(
    prefix: list[str], postfix: list[str], session: pytest.Session
) -> None:
    """Put the verdict and all that belongs to it above pytest-html's own table."""
    from convnextpose_check.pages import summary_of
    from convnextpose_check.pages.html import SCRIPT

    state = session_of(session.config)
    if state.results is not None:
        prefix.append(summary_of(state.results, state.outputs))
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
        key = f"<!--{Decimal(value) + _SORT_OFFSET:030.9f}-->"
        text = (
            format_difference(value) if name == "difference" and isinstance(value, float) else text
        )
        text = f"{text} {unit}".strip()
    return f'<td class="col-{name}">{key}{escape(text)}</td>'
