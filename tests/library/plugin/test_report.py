"""Terminal and pytest-html page show the verdict, and each user error once."""

from __future__ import annotations

from io import BytesIO
from types import SimpleNamespace
from typing import Any

import pytest

from convnextpose_check.plugin import html_table
from convnextpose_check.plugin import suite as hooks
from convnextpose_check.plugin.session import SESSION, Session
from convnextpose_check.results.decision import add_decision
from convnextpose_check.run.run import ByVariant, open_published_run
from convnextpose_check.settings.options import read_settings
from tests.support.results import example_results


def make_report(outcome: Any = "passed", when: Any = "call", **recorded: object) -> Any:
    traceback = "a traceback" if outcome == "failed" else None
    return pytest.TestReport(
        "tests/validation/x.py::test_<a>[XS]", ("", 0, ""), {}, outcome, traceback, when,
        user_properties=recorded.items(),
    )  # fmt: skip


class Terminal:
    """Stands in for pytest's terminal reporter and stores its lines."""

    def __init__(self, *failed: Any) -> None:
        self.stats = {"failed": list(failed)} if failed else {}
        self.lines: list[str] = []

    def section(self, title: str, **_markup: bool) -> None:
        self.lines.append(f"== {title}")

    def write_line(self, line: str) -> None:
        self.lines.append(line)


def make_session(terminal: Terminal) -> tuple[Any, Session]:
    """A session that writes a report, and pytest's configuration."""
    session = Session(open_published_run(read_settings({}, {})), lock=BytesIO())
    config: Any = SimpleNamespace(pluginmanager=SimpleNamespace(getplugin=lambda _: terminal))
    config.stash = pytest.Stash()
    config.stash[SESSION] = session
    return config, session


def print_lines(*problems: str) -> list[str]:
    """Return the lines printed after the verdict of a run with these problems."""
    terminal = Terminal()
    config, session = make_session(terminal)
    results = add_decision(example_results(variants={}), problems, "")
    hooks.print_report(config, session, results)
    title, verdict, *lines = terminal.lines
    assert (title, verdict) == (f"== ConvNeXtPose: {results.judged_models}", results.verdict)
    return list(lines)


def test_print_report_counts_the_problems_after_the_tenth() -> None:
    lines = print_lines("word " * 30, *(f"problem {n}" for n in range(1, 11)))

    assert lines[0] == "== reasons why the run has not passed"
    assert lines[1].splitlines()[1].startswith("  word")
    assert max(map(len, lines[1].splitlines())) <= 80
    assert lines[2:] == [*(f"problem {n}" for n in range(1, 10)), "and 1 more"]


def test_print_report_shell_commands_stay_on_one_line() -> None:
    command = f"python -m convnextpose_check diagnose '{'a folder ' * 9}'"

    lines = print_lines(f"{'word ' * 12}run:\n  {command}\nFailed: x.")

    assert lines[1].splitlines()[1:] == [f"    {command}", "  Failed: x."]


@pytest.mark.parametrize(
    ("interruption", "measured", "lines"),
    [
        (None, {}, []),
        ("", {}, []),  # such as an error during collection
        ("", {"XS": "an evaluation"}, ["finished evaluations are saved. To resume, run:"]),
        ("XS 4 are saved", {}, ["XS 4 are saved. To resume, run:"]),
    ],
)
def test_print_report_command_to_resume_only_if_something_was_evaluated(
    interruption: str | None, measured: dict[str, Any], lines: list[str]
) -> None:
    terminal = Terminal()
    config, session = make_session(terminal)
    config.invocation_params = SimpleNamespace(args=["-q"])
    session.gate.interruption = interruption
    vars(session.run)["evaluations"] = ByVariant(measured)

    hooks.print_report(config, session, add_decision(example_results(variants={}), [], ""))

    *shown, command = terminal.lines[2:] or [""]
    assert shown == (["== interrupted", *lines] if lines else [])
    assert command.endswith("--resume") is bool(lines)


def test_terminal_summary_hides_described_failures_from_pytest() -> None:
    described, other = make_report("failed"), make_report("failed")
    described.duplicate_of = ""
    terminal: Any = Terminal(described, other)
    config, _ = make_session(terminal)

    hook = hooks.pytest_terminal_summary(terminal, config)
    next(hook)

    assert terminal.stats == {"failed": [other]}
    with pytest.raises(StopIteration):
        hook.send(None)
    assert terminal.stats == {"failed": [described, other]}


@pytest.mark.parametrize(
    ("program", "arguments", "environment", "command"),
    [
        ("/bin/pytest", ["-m", "gpu"], {}, "pytest -m gpu --resume"),
        ("/x/pytest/__main__.py", ["-q"], {"HOME": "/"}, "python -m pytest -q --resume"),
        ("-c", ["--resume", "-q"], {}, "pytest --resume -q"),
        ("pytest", ["-m", "not gpu", "--", "a b"], {}, "pytest -m 'not gpu' --resume -- 'a b'"),
        (
            "pytest",
            [],
            {"CONVNEXTPOSE_CHECKPOINTS": "my files", "CONVNEXTPOSE_BBOX": "gt"},
            "CONVNEXTPOSE_BBOX=gt CONVNEXTPOSE_CHECKPOINTS='my files' pytest --resume",
        ),
    ],
)
def test_resuming_command_can_be_pasted(
    program: str, arguments: list[str], environment: dict[str, str], command: str
) -> None:
    assert hooks.format_resume_command(program, arguments, environment) == command


def test_html_table_shows_each_value_under_its_title() -> None:
    header, row = ["Result", "Test", "Duration"], ["Passed", "", "0 ms"]
    values = {"variant": "XS", "obtained": 57.25, "expected": 56.5, "difference": -0.75}
    report = make_report(**values, **{"unit": "mm", "not verified": "n"})

    html_table.pytest_html_results_table_header(header)
    html_table.pytest_html_results_table_row(report, row)

    texts = {"variant": "XS", "obtained": "57.250 mm", "difference": "-0.750 mm",
             "expected": "56.500 mm"}  # fmt: skip
    for column, (title, text) in enumerate(texts.items(), start=2):
        assert f">{title.capitalize()}</th>" in header[column]
        assert row[column].startswith(f'<td class="col-{title}">')
        assert row[column].endswith(f"{text}</td>")
    assert len(header) == len(row) == 7
    assert row[0] == '<td class="col-result not">Not verified</td>'
    assert row[1] == '<td class="col-testId">x.py::test_&lt;a&gt;[XS]</td>'
    status = ("not verified", "N", ("NOT VERIFIED", {"light": True}))
    assert hooks.pytest_report_teststatus(report) == status


@pytest.mark.parametrize(("outcome", "log"), [("passed", []), ("failed", ["a line"])])
def test_html_table_without_log_has_no_line_for_it(outcome: str, log: list[str]) -> None:
    data = ["a line"]

    html_table.pytest_html_results_table_html(make_report(outcome), data)

    assert data == log
