"""The pytest plugin that shows the verdict: in the terminal and in pytest-html's report."""

from __future__ import annotations

from html import escape
from typing import Any

import pytest

from convnextpose_check.report import summary_html, terminal_lines, verdict_sentence
from convnextpose_check.session import SESSION

SHOWN_PROBLEMS = 10


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
    """Print the table and the verdict, and what was left out."""
    for results, sentence in _verdicts(config):
        terminalreporter.section(f"ConvNeXtPose: {results['subject']}")
        for line in terminal_lines(results):
            terminalreporter.write_line(line)
        terminalreporter.write_line(sentence, bold=True)
    if problems := config.stash[SESSION].problems:
        terminalreporter.section("not passed, because something was left out", red=True)
        for problem in problems[:SHOWN_PROBLEMS]:
            terminalreporter.write_line(problem)
        if len(problems) > SHOWN_PROBLEMS:
            terminalreporter.write_line(f"and {len(problems) - SHOWN_PROBLEMS} more")


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
    """Fill the column of what the check obtained."""
    obtained = dict(report.user_properties).get("obtained", "")
    cells.insert(2, f'<td class="col-obtained">{escape(str(obtained))}</td>')
