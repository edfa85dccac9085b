"""The pytest plugin that shows the verdict: in the terminal and in pytest-html's report."""

from __future__ import annotations

from html import escape
from textwrap import fill, wrap
from typing import Any

import pytest
from pytest_html.basereport import BaseReport

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files import write_text
from convnextpose_check.report import summary_html, terminal_lines, verdict_sentence
from convnextpose_check.session import SESSION

SHOWN_TEXTS = 10
TERMINAL_COLUMNS = 80


def _verdicts(config: pytest.Config) -> list[tuple[dict[str, Any], str]]:
    """Results and verdict of each subject of which anything was evaluated."""
    session = config.stash[SESSION]
    left_out = len(session.gate.failed) + len(session.problems)
    verdicts = []
    for name, benchmark in session.benchmarks.items():
        if results := benchmark.results:
            expected = [variant.name for variant in session.variants(name)]
            verdicts.append((results, verdict_sentence(results, expected, left_out)))
    return verdicts


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the table and the verdict, then what to mend, each thing once."""
    session = config.stash[SESSION]
    for results, sentence in _verdicts(config):
        terminalreporter.section(f"ConvNeXtPose: {results['subject']}")
        for line in [*terminal_lines(results), *wrap(sentence, TERMINAL_COLUMNS)]:
            terminalreporter.write_line(line)
    failures = [f"{text} ({count} tests)" for text, count in session.mistakes.items()]
    for title, texts in (
        ("what to mend", failures),
        ("not passed: something was left out", session.problems),
    ):
        if texts:
            terminalreporter.section(title, red=True)
            shown, rest = texts[:SHOWN_TEXTS], len(texts) - SHOWN_TEXTS
            for text in shown if rest <= 0 else [*shown, f"and {rest} more"]:
                terminalreporter.write_line(fill(text, TERMINAL_COLUMNS, subsequent_indent="  "))


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Let pytest-html's report appear whole: it would write in place, a piece at a time."""
    if isinstance(plugin, BaseReport):
        config = manager.getplugin("pytestconfig")

        def write_whole(page: str) -> None:
            try:
                write_text(plugin._report_path, page)
            except ConvNeXtPoseCheckError as error:
                config.stash[SESSION].problems.append(str(error))

        plugin._write_report = write_whole


def pytest_html_report_title(report: Any) -> None:
    """Ask the question that the report answers."""
    report.title = "ConvNeXtPose checkpoints: do they do what the paper says?"


def pytest_html_results_summary(prefix: list[str], session: pytest.Session) -> None:
    """Put the verdict and the table above pytest-html's own."""
    verdicts = _verdicts(session.config)
    prefix.extend(summary_html(results, sentence) for results, sentence in verdicts)
    if not verdicts:
        prefix.append(summary_html({}, verdict_sentence({}, [], 0)))


def pytest_html_results_table_header(cells: list[str]) -> None:
    """Add the column of what each check obtained."""
    cells.insert(2, "<th>Obtained</th>")


def pytest_html_results_table_row(report: Any, cells: list[str]) -> None:
    """Fill the column of what the check obtained; a file that did not import obtained nothing."""
    obtained = dict(getattr(report, "user_properties", ())).get("obtained", "")
    cells.insert(2, f'<td class="col-obtained">{escape(str(obtained))}</td>')
