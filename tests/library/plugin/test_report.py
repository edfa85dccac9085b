"""The terminal and pytest-html's page show the verdict, and each thing once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pytest_html.basereport import BaseReport

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.plugin import report as hooks
from convnextpose_check.plugin.mistakes import Mistakes
from convnextpose_check.plugin.session import SESSION, Session
from convnextpose_check.settings.read import read_settings
from tests.support.results import example_results

NO_DATA = ConvNeXtPoseCheckError("no-data", "no folder was given", "Give one")


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A session without trials."""
    return Session(read_settings({"results_dir": [str(tmp_path / "out")]}, {}), {})


@pytest.fixture
def config(session: Session) -> Any:
    """A configuration with the session."""
    made = SimpleNamespace(stash=pytest.Stash())
    made.stash[SESSION] = session
    return made


def report_of(outcome: Any = "passed", when: Any = "call", **recorded: object) -> Any:
    return pytest.TestReport(
        "tests/x.py::test_a[XS]", ("", 0, ""), {}, outcome, "a traceback", when,
        user_properties=recorded.items(),
    )  # fmt: skip


class Terminal:
    """pytest's reporter: keeps its lines, and shows failures in between."""

    def __init__(self, *failed: Any) -> None:
        self.stats = {"failed": list(failed)} if failed else {}
        self.lines: list[str] = []

    def section(self, title: str, **markup: bool) -> None:
        """Write a title, in red where that is asked for."""
        self.lines.append(f"== {title}{' (red)' if markup.get('red') else ''}")

    def write_line(self, line: str) -> None:
        """Write a line."""
        self.lines.append(line)

    def shown_by(self, config: Any) -> list[str]:
        """All lines of the summary, with those that pytest itself shows."""
        hook = hooks.pytest_terminal_summary(self, config)  # type: ignore[arg-type]
        next(hook)
        self.lines += (f"pytest shows {report.nodeid}" for report in self.stats.get("failed", ()))
        with pytest.raises(StopIteration):
            hook.send(None)
        return self.lines


def test_summary_shows_table_and_verdict(session: Session, config: Any) -> None:
    session.results = example_results()

    lines = Terminal().shown_by(config)

    assert lines[0] == "== ConvNeXtPose: published models"
    assert lines[1].split()[0] == "params"
    assert [line.split()[0] for line in lines[2:4]] == ["XS", "S"]
    assert lines[-1] == "Reproduced: XS, S are within 5 mm of the paper."


def test_summary_without_results_and_problems_is_empty(config: Any) -> None:
    terminal = Terminal()

    assert terminal.shown_by(config) == []
    assert terminal.stats == {}  # pytest's last line is red where this has "failed"


def test_summary_shows_a_mistake_once_and_other_failures_by_pytest(config: Any) -> None:
    told, other = report_of("failed"), report_of("failed")
    Mistakes().tell(told, NO_DATA)
    other.nodeid = "tests/x.py::test_bug"
    terminal = Terminal(told, other)

    lines = terminal.shown_by(config)

    assert lines == [
        "pytest shows tests/x.py::test_bug",
        "== what to mend (red)",
        "[no-data] no folder was given. Give one. It fails x.py::test_a[XS].",
    ]
    assert terminal.stats == {"failed": [told, other]}


def test_summary_without_other_failures_leaves_pytest_none(config: Any) -> None:
    told = report_of("failed")
    Mistakes().tell(told, NO_DATA)
    terminal = Terminal(told)

    assert not any("pytest shows" in line for line in terminal.shown_by(config))
    assert terminal.stats == {"failed": [told]}


@pytest.mark.parametrize(("count", "last"), [(10, "problem 9"), (11, "and 1 more")])
def test_summary_shows_the_first_problems_and_counts_the_others(
    session: Session, config: Any, count: int, last: str
) -> None:
    session.problems += [f"problem {number}" for number in range(count)]

    lines = Terminal().shown_by(config)

    assert lines[0] == "== not passed: something was left out (red)"
    assert lines[1:11] == [f"problem {number}" for number in range(10)]
    assert lines[-1] == last


def test_summary_long_problem_is_indented(session: Session, config: Any) -> None:
    session.problems.append("word " * 30)

    lines = Terminal().shown_by(config)[1:]

    assert len(lines) == 1
    assert lines[0].splitlines()[1].startswith("  word")
    assert max(map(len, lines[0].splitlines())) <= 80


@pytest.mark.parametrize(
    ("report", "status"),
    [
        (report_of(), None),
        (report_of(warning="w"), ("with a warning", "W", ("WARNING", {"yellow": True}))),
        (
            report_of(**{"not verified": "n"}),
            ("not verified", "N", ("NOT VERIFIED", {"light": True})),
        ),
        (report_of(when="setup", warning="w"), None),
        (report_of("failed", warning="w"), None),
    ],
)
def test_status_of_an_unverified_check_is_not_passed(report: Any, status: Any) -> None:
    assert hooks.pytest_report_teststatus(report) == status


def test_table_row_of_an_unverified_check_has_its_word() -> None:
    cells = ["Passed", "", "0 ms"]

    hooks.pytest_html_results_table_row(report_of(**{"not verified": "n"}), cells)

    assert cells[0] == '<td class="col-result not">Not verified</td>'
    assert cells[1] == '<td class="col-testId">tests/x.py::test_a[XS]</td>'
    assert cells[2] == '<td class="col-variant"></td>'
    assert cells[-1] == "0 ms"


def test_table_row_of_a_passed_check_keeps_its_result() -> None:
    cells = ["Passed", "", "0 ms"]

    hooks.pytest_html_results_table_row(SimpleNamespace(nodeid="a<b", passed=True), cells)

    assert cells[:2] == ["Passed", '<td class="col-testId">a&lt;b</td>']


def test_table_sorts_numbers_by_their_size() -> None:
    values = [-2.5, -1.0, 0.0, 0.25, 3, 10, 1e6]
    rows = []
    for value in values:
        cells = ["", "", ""]
        hooks.pytest_html_results_table_row(report_of(obtained=value, difference=value), cells)
        rows.append(cells)

    for column in (3, 5):
        keys = [row[column].partition("-->")[0] for row in rows]
        assert keys == sorted(keys)
        assert len(set(map(len, keys))) == 1
    assert rows[0][3].endswith("-->-2.500</td>")
    assert rows[3][5].endswith("-->+0.250</td>")
    assert rows[4][5].endswith("-->3</td>")


class Page(BaseReport):  # type: ignore[misc]  # pytest-html has no types
    """pytest-html's report, which writes to a path."""

    def __init__(self, path: Path) -> None:
        self._report_path = path


def registered(config: Any, plugin: object) -> Any:
    """Register a plugin, as pytest does."""
    manager: Any = SimpleNamespace(getplugin={"pytestconfig": config}.get)
    hooks.pytest_plugin_registered(plugin, manager)
    return plugin


def test_report_is_written_whole_and_readable(
    session: Session, config: Any, tmp_path: Path
) -> None:
    page = registered(config, Page(tmp_path / "report.html"))
    assert not session.has_written_report

    page._write_report('<html>\n  <head>\n<input type="checkbox" data-test-result="passed" />')

    assert (tmp_path / "report.html").read_text() == (
        '<html lang="en">\n  <head>\n    <meta name="viewport" content="width=device-width,'
        ' initial-scale=1"/>\n<input type="checkbox" data-test-result="passed"'
        ' aria-label="Show passed" />'
    )
    assert session.has_written_report
    assert session.problems == []
    assert session.default_report is None


def test_report_that_cannot_be_written_is_a_problem(
    session: Session, config: Any, tmp_path: Path
) -> None:
    (tmp_path / "report.html").mkdir()
    page = registered(config, Page(tmp_path / "report.html"))

    page._write_report("<html>")

    assert len(session.problems) == 1
    assert session.problems[0].startswith("[cannot-write]")
    assert not session.has_written_report


def test_default_report_is_remembered(session: Session, config: Any, tmp_path: Path) -> None:
    session.makes_default_report = True
    other = registered(config, object())
    assert session.default_report is None
    assert not hasattr(other, "_write_report")

    page = registered(config, Page(tmp_path / "report.html"))

    assert session.default_report is page


def test_page_has_title_summary_and_scripts(session: Session, config: Any) -> None:
    page = SimpleNamespace()
    hooks.pytest_html_report_title(page)
    before: tuple[list[str], list[str]] = ([], [])
    hooks.pytest_html_results_summary(*before, SimpleNamespace(config=config))  # type: ignore[arg-type]
    session.results = example_results()
    prefix, postfix = list[str](), list[str]()

    hooks.pytest_html_results_summary(prefix, postfix, SimpleNamespace(config=config))  # type: ignore[arg-type]

    assert page.title == "ConvNeXtPose checkpoint report"
    assert before[0] == []
    assert len(prefix) == 1
    assert 'data-judged="published"' in prefix[0]
    assert postfix
    assert all(text.startswith("<script>\n") and len(text) > 100 for text in postfix)
