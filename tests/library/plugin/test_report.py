"""Terminal and pytest-html page show the verdict, and each user error once."""

from types import SimpleNamespace
from typing import Any

import pytest

from convnextpose_check.plugin import html_table
from convnextpose_check.plugin import suite as hooks
from convnextpose_check.plugin.session import Session
from convnextpose_check.results.decision import add_decision
from convnextpose_check.run.run import open_published_run
from convnextpose_check.settings.options import read_settings
from tests.support.results import example_results


def test_print_report_wraps_text_but_no_command_and_counts_problems_after_the_tenth() -> None:
    command = f"python -m convnextpose_check diagnose '{'a folder ' * 9}'"
    long = f"{'word ' * 30}run:\n  {command}\nFailed: x."
    problems = (long, *(f"problem {n}" for n in range(1, 11)))
    results = add_decision(example_results(variants={}), problems, "")
    lines: list[str] = []
    terminal = SimpleNamespace(
        section=lambda title, **_: lines.append(f"== {title}"), write_line=lines.append
    )
    config: Any = SimpleNamespace(pluginmanager=SimpleNamespace(getplugin=lambda _: terminal))

    hooks.print_report(config, Session(open_published_run(read_settings({}, {}))), results)

    title, verdict, reasons, wrapped, *others = lines
    assert (title, verdict) == ("== ConvNeXtPose: published models", results.verdict)
    assert reasons == "== reasons why the run has not passed"
    *text, shown_command, end = wrapped.splitlines()
    assert max(map(len, text)) <= 80
    assert all(line.startswith("  ") for line in text[1:])
    assert (shown_command, end) == (f"    {command}", "  Failed: x.")
    assert others == [*(f"  problem {n}" for n in range(1, 10)), "  and 1 more"]


def make_report(outcome: Any, **recorded: object) -> Any:
    return pytest.TestReport(
        "tests/validation/x.py::test_<a>[XS]", ("", 0, ""), {}, outcome,
        "a traceback" if outcome == "failed" else None, "call", user_properties=recorded.items(),
    )  # fmt: skip


def test_html_table_shows_each_value_under_its_title() -> None:
    header, row = ["Result", "Test", "Duration"], ["Passed", "", "0 ms"]
    values = {"variant": "XS", "obtained": 57.25, "expected": 56.5, "difference": -0.75}
    report = make_report("passed", **values, **{"unit": "mm", "not verified": "n"})

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
    failed = make_report("failed", **{"not verified": "n"})
    assert hooks.pytest_report_teststatus(failed) is None


@pytest.mark.parametrize(("outcome", "log"), [("passed", []), ("failed", ["a line"])])
def test_html_table_without_log_has_no_line_for_it(outcome: str, log: list[str]) -> None:
    data = ["a line"]

    html_table.pytest_html_results_table_html(make_report(outcome), data)

    assert data == log
