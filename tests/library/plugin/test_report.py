"""The terminal and pytest-html's page show the verdict, and each mistake once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.plugin import report as hooks
from convnextpose_check.plugin.mistakes import Mistakes
from convnextpose_check.plugin.session import SESSION, Session
from convnextpose_check.run.target import published_target
from convnextpose_check.settings.options import read_settings

NO_DATA = ConvNeXtPoseCheckError(ErrorCode.DATA_NOT_FOUND, "no folder was given", "Give one")


def report_of(outcome: Any = "passed", when: Any = "call", **recorded: object) -> Any:
    return pytest.TestReport(
        "tests/x.py::test_<a>[XS]", ("", 0, ""), {}, outcome, "a traceback", when,
        user_properties=recorded.items(),
    )  # fmt: skip


class Terminal:
    """Replaces pytest's reporter: keeps its lines, and shows failures in between."""

    def __init__(self, *failed: Any) -> None:
        self.stats = {"failed": list(failed)} if failed else {}
        self.lines: list[str] = []

    def section(self, title: str, **_markup: bool) -> None:
        self.lines.append(f"== {title}")

    def write_line(self, line: str) -> None:
        self.lines.append(line)


def summary_of(terminal: Terminal, *problems: str) -> list[str]:
    """All lines of the summary of a session with these problems."""
    settings = read_settings({}, {})
    session = Session(settings, published_target(settings), problems=list(problems))
    config: Any = SimpleNamespace(stash=pytest.Stash())
    config.stash[SESSION] = session
    hook = hooks.pytest_terminal_summary(terminal, config)  # type: ignore[arg-type]
    next(hook)
    terminal.lines += (f"pytest shows {each.nodeid}" for each in terminal.stats.get("failed", ()))
    with pytest.raises(StopIteration):
        hook.send(None)
    return terminal.lines


def test_summary_shows_a_mistake_once_and_other_failures_by_pytest() -> None:
    described, other = report_of("failed"), report_of("failed")
    Mistakes().tell(described, NO_DATA)
    other.nodeid = "tests/x.py::test_bug"
    terminal = Terminal(described, other)

    assert summary_of(terminal) == [
        "pytest shows tests/x.py::test_bug",
        "== what to mend",
        "[data-not-found] no folder was given. Give one. It fails x.py::test_<a>[XS].",
    ]
    assert terminal.stats == {"failed": [described, other]}


def test_summary_of_nothing_is_empty() -> None:
    terminal = Terminal()

    assert summary_of(terminal) == []
    assert terminal.stats == {}  # pytest's last line is red where this has "failed"


def test_summary_counts_the_problems_after_the_tenth() -> None:
    lines = summary_of(Terminal(), "word " * 30, *(f"problem {n}" for n in range(1, 11)))

    assert lines[0] == "== not passed: something was left out"
    assert lines[1].splitlines()[1].startswith("  word")
    assert max(map(len, lines[1].splitlines())) <= 80
    assert lines[2:] == [*(f"problem {n}" for n in range(1, 10)), "and 1 more"]


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


@pytest.mark.parametrize(
    ("recorded", "result"),
    [
        ({"not verified": "n"}, '<td class="col-result not">Not verified</td>'),
        ({}, "<td>Passed</td>"),
    ],
)
def test_table_row_has_the_result_and_the_escaped_test(
    recorded: dict[str, object], result: str
) -> None:
    cells = ["<td>Passed</td>", "", "<td>0 ms</td>"]

    hooks.pytest_html_results_table_row(report_of(**recorded), cells)

    assert cells[:2] == [result, '<td class="col-testId">tests/x.py::test_&lt;a&gt;[XS]</td>']
    assert cells[-1] == "<td>0 ms</td>"


def test_table_shows_each_value_under_its_title() -> None:
    header, row = ["Result", "Test", "Duration"], ["Passed", "", "0 ms"]
    report = report_of(variant="XS", obtained=57.25, expected=56.5, difference=-0.75, unit="mm")

    hooks.pytest_html_results_table_header(header)
    hooks.pytest_html_results_table_row(report, row)

    texts = {"variant": "XS", "obtained": "57.250 mm", "expected": "56.500 mm",
             "difference": "-0.750 mm"}  # fmt: skip
    for column, (title, text) in enumerate(texts.items(), start=2):
        assert f">{title.capitalize()}</th>" in header[column]
        assert row[column].startswith(f'<td class="col-{title}">')
        assert row[column].endswith(f"{text}</td>")
    assert len(header) == len(row) == 7


def test_table_sorts_numbers_by_their_size() -> None:
    rows = []
    for value in [-2.5, -1.0, 0.0, 0.25, 3, 10, 1e6]:
        cells = ["", "", ""]
        hooks.pytest_html_results_table_row(report_of(obtained=value, difference=value), cells)
        rows.append(cells)

    for column in (3, 5):
        keys = [row[column].partition("-->")[0] for row in rows]
        assert keys == sorted(keys)
        assert len(set(map(len, keys))) == 1
    assert [rows[0][3].partition("-->")[2], rows[3][5].partition("-->")[2]] == [
        "-2.500</td>", "+0.250</td>",
    ]  # fmt: skip
