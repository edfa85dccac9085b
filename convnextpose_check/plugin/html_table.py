"""Extend pytest-html's report by the suite's summary and by columns of values."""

import re
from html import escape
from pathlib import Path
from typing import Any

import pytest
from pytest_html.basereport import BaseReport

from convnextpose_check.evaluation.verdict import format_difference
from convnextpose_check.files.regular_files import cannot_write, write_text
from convnextpose_check.pages.html import BEGIN, END, SCRIPT, STYLE_SHEET
from convnextpose_check.plugin.gate import get_unverified_status
from convnextpose_check.plugin.session import Session, get_session, is_distributed
from convnextpose_check.results.text import format_value

COLUMNS = ("variant", "obtained", "difference", "expected")
"""Columns added to pytest-html's table, between the test and its duration."""


def configure_html_report(config: pytest.Config, session: Session) -> None:
    """Configure pytest-html's report; raises ``pytest.UsageError`` if it cannot be written."""
    option = config.option
    makes_no_report = is_distributed(config) or option.collectonly or option.help
    # With -p no:html the option does not exist, and the report has no table of tests.
    if makes_no_report or not hasattr(option, "htmlpath"):
        return
    if option.htmlpath is None:
        option.htmlpath = str(session.run.outputs.report)
        option.self_contained_html = True
    else:
        session.report = Path(option.htmlpath)
    option.css.append(str(STYLE_SHEET))
    report = Path(option.htmlpath)
    try:
        report.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(str(cannot_write(report, error))) from None


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Keep pytest-html's page in memory; it would be written before the verdict is known."""
    if not isinstance(plugin, BaseReport):
        return
    session = get_session(manager.getplugin("pytestconfig"))

    def keep_page(page: str) -> None:
        if session.lock is not None:
            session.page = _add_accessibility(page)
        elif session.report is not None:  # without validation tests
            write_text(session.report, page)

    plugin._write_report = keep_page


def remove_default_report(config: pytest.Config, session: Session) -> None:
    """Make no report of a session without validation tests, unless ``--html`` was given."""
    if session.report is None:
        for plugin in config.pluginmanager.get_plugins():
            if isinstance(plugin, BaseReport):
                config.pluginmanager.unregister(plugin)


def _add_accessibility(page: str) -> str:
    """Add the language, the viewport and labels of check boxes, which pytest-html omits."""
    page = page.replace(
        "<html>\n  <head>",
        '<html lang="en">\n  <head>\n'
        '    <meta name="viewport" content="width=device-width, initial-scale=1"/>',
        1,
    )
    return re.sub(r'(<input [^>]*data-test-result="(\w+)")', r'\1 aria-label="Show \2"', page)


@pytest.hookimpl(optionalhook=True)
def pytest_html_report_title(report: Any) -> None:
    """Set the title of the page."""
    report.title = "ConvNeXtPose checkpoint report"


@pytest.hookimpl(optionalhook=True)
def pytest_html_results_summary(prefix: list[str], postfix: list[str]) -> None:
    """Mark the position of the summary above pytest-html's table."""
    prefix.append(f"{BEGIN}{END}")
    postfix.append(f"<script>\n{SCRIPT.read_text(encoding='utf-8')}</script>")


@pytest.hookimpl(optionalhook=True)
def pytest_html_results_table_header(cells: list[str]) -> None:
    """Add the titles of ``COLUMNS``."""
    cells[2:2] = [f'<th class="col-{name}">{name.capitalize()}</th>' for name in COLUMNS]


@pytest.hookimpl(optionalhook=True)
def pytest_html_results_table_row(report: Any, cells: list[str]) -> None:
    """Add the values of ``COLUMNS``; a file that cannot be imported has none."""
    recorded = dict(getattr(report, "user_properties", ()))
    if (status := get_unverified_status(report)) is not None:
        cells[0] = f'<td class="col-result {status.split()[0]}">{status.capitalize()}</td>'
    cells[1] = (
        f'<td class="col-testId">{escape(report.nodeid.removeprefix("tests/validation/"))}</td>'
    )
    cells[2:2] = [_cell(name, recorded.get(name), recorded.get("unit", "")) for name in COLUMNS]


@pytest.hookimpl(optionalhook=True)
def pytest_html_results_table_html(report: Any, data: list[str]) -> None:
    """Remove the line that stands for an empty log."""
    if not report.longreprtext and not report.sections:
        data.clear()


def _cell(name: str, value: str | float | None, unit: str) -> str:
    text = format_value(value)
    if name == "difference" and isinstance(value, float):
        text = format_difference(value)
    if isinstance(value, (int, float)):
        text = f"{text} {unit}".strip()
    return f'<td class="col-{name}">{escape(text)}</td>'
