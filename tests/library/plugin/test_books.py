"""What was selected and what happened reaches the gate, whatever a plugin reports of it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.paths import Outputs
from convnextpose_check.plugin.books import Books
from convnextpose_check.plugin.configure import VALIDATION
from convnextpose_check.plugin.required import VALIDATION_TESTS
from convnextpose_check.plugin.session import Session
from convnextpose_check.plugin.subjects import open_trials
from convnextpose_check.progress import Screen
from convnextpose_check.results.results_file import write_results
from convnextpose_check.settings.read import read_settings
from convnextpose_check.variants import read_catalogue
from tests.support.results import example_results
from tests.support.texts import ROOT

COUNT = "test_counts.py::test_parameter_count[published-XS]"
NO_DATA = ConvNeXtPoseCheckError("no-data", "no folder was given")


class Item(pytest.Function):
    """A test that pytest did not collect: its constructor needs a whole session."""

    nodeid = ""


def item_of(
    file: str = "test_counts.py",
    function: str = "test_parameter_count",
    target: str = "published",
    variant: str | None = "XS",
    fixtures: tuple[str, ...] = (),
    folder: Path = VALIDATION,
) -> Any:
    """A collected test with what the hooks read of it."""
    item: Any = object.__new__(Item)
    case = target if variant is None else f"{target}-{variant}"
    item.path, item.name = folder / file, f"{function}[{case}]"
    item.nodeid = f"somewhere/{file}::{item.name}"
    params = {"trial": target} | ({"variant": read_catalogue()[variant]} if variant else {})
    item.callspec = SimpleNamespace(params=params)
    item.fixturenames = ["trial", *fixtures]
    return item


OpenSession = Callable[..., Session]


@pytest.fixture
def open_session(tmp_path: Path) -> Iterator[OpenSession]:
    """Open a session with the trials of a run; its lock is released at the end."""
    opened: list[Session] = []

    def open_here(**given: str) -> Session:
        texts = {"results_dir": str(tmp_path / "out")} | given
        settings = read_settings({name: [text] for name, text in texts.items()}, {})
        opened.append(Session(settings, open_trials(settings, ROOT / "fixtures", Screen())))
        return opened[-1]

    yield open_here
    for session in opened:
        if session.lock is not None:
            session.lock.close()


def collect(session: Session, *items: Any, collect_only: bool = False) -> tuple[Books, list[Any]]:
    """Finish the collection of these items; returns what pytest's plugins were unregistered."""
    books, unregistered = Books(session), list[Any]()
    config = SimpleNamespace(
        option=SimpleNamespace(collectonly=collect_only),
        pluginmanager=SimpleNamespace(unregister=unregistered.append),
    )
    books.pytest_collection_finish(cast(Any, SimpleNamespace(items=items, config=config)))
    return books, unregistered


def result_of(hook: Generator[None, Any, Any], inner: Any = None) -> Any:
    """Run a wrapper around a hook that returns ``inner``."""
    next(hook)
    try:
        hook.send(inner)
    except StopIteration as end:
        return end.value
    raise AssertionError("a wrapper yields once")


def report_of(item: Any, outcome: Any = "passed", when: Any = "call") -> pytest.TestReport:
    return pytest.TestReport(item.nodeid, ("", 0, ""), {}, outcome, None, when)


def run_phase(
    books: Books,
    item: Any,
    error: BaseException | None = None,
    when: str = "call",
    reported: str | None = None,
) -> pytest.TestReport:
    """Run a phase of a test that raises this, or nothing, and log how pytest reports it."""
    outcome = "passed" if error is None else "failed"
    report = report_of(item, outcome, when)
    raised = None
    if error is not None:
        raised = SimpleNamespace(value=error, exconly=lambda: f"{type(error).__name__}: {error}")
    call = cast(Any, SimpleNamespace(when=when, excinfo=raised))
    made: pytest.TestReport = result_of(books.pytest_runtest_makereport(item, call), report)
    if reported is not None:
        made.outcome = cast(Any, reported)
    books.pytest_runtest_logreport(made)
    return made


def test_collection_runs_validation_files_in_the_recorded_order() -> None:
    files = list(dict.fromkeys(test.file for test in VALIDATION_TESTS))
    reversed_files = ["test_new.py", *reversed(files)]
    items = [item_of(file, name) for file in reversed_files for name in ("test_z", "test_a")]
    elsewhere = item_of("test_progress.py", folder=ROOT / "tests" / "library")
    items.insert(3, elsewhere)

    hook = Books(cast(Any, None)).pytest_collection_modifyitems(items)
    next(hook)
    in_order = list(items)
    items.sort(key=id)  # pytest groups tests by the fixtures that they share
    with pytest.raises(StopIteration):
        hook.send(None)

    assert items == in_order
    assert items.pop(3) is elsewhere
    assert [(item.path.name, item.name) for item in items] == [
        (file, f"{name}[published-XS]")
        for file in (*files, "test_new.py")
        for name in ("test_z", "test_a")
    ]


def test_collection_leaves_items_of_other_plugins_at_the_end() -> None:
    items = [item_of("test_mpjpe.py"), item_of("test_counts.py")]
    added = item_of("test_added.py")
    hook = Books(cast(Any, None)).pytest_collection_modifyitems(items)
    next(hook)
    items.insert(0, added)
    with pytest.raises(StopIteration):
        hook.send(None)

    assert [item.path.name for item in items] == [
        "test_counts.py",
        "test_mpjpe.py",
        "test_added.py",
    ]


def test_collection_opens_the_target_and_takes_the_results_folder(
    open_session: OpenSession,
) -> None:
    session = open_session(variants="XS")
    with_error = [
        item_of("test_mpjpe.py", name, "published", "S", ("evaluation",)) for name in "ab"
    ]

    _, unregistered = collect(
        session, item_of(), *with_error, item_of("test_x.py", folder=ROOT / "tests" / "library")
    )

    assert (session.target, session.evaluated) == ("published", ("S",))
    assert COUNT in session.gate.required
    assert session.lock is not None
    assert unregistered == []
    other = open_session(variants="XS")
    with pytest.raises(pytest.UsageError, match=r"\[in-use\]"):
        collect(other, item_of())


def test_collection_sets_results_and_report_of_an_earlier_run_aside(
    open_session: OpenSession, tmp_path: Path
) -> None:
    session = open_session()
    outputs, session.report = Outputs(tmp_path / "out"), tmp_path / "out" / "report.html"
    write_results(example_results(), outputs.results)
    session.report.write_text('<section data-judged="published">', encoding="utf-8")

    collect(session, item_of())

    assert not outputs.results.exists()
    assert outputs.results.with_suffix(".published.json").exists()
    assert (tmp_path / "out" / "report.published.html").exists()
    assert not session.report.exists()


def test_collection_only_takes_no_folder(open_session: OpenSession, tmp_path: Path) -> None:
    session = open_session()

    collect(session, item_of(), collect_only=True)

    assert session.target == "published"
    assert session.lock is None
    assert not (tmp_path / "out").exists()


def test_collection_without_validation_tests_writes_nothing(
    open_session: OpenSession, tmp_path: Path
) -> None:
    session = open_session()
    session.default_report = plugin = object()
    elsewhere = item_of("test_progress.py", folder=ROOT / "tests" / "library")

    _, unregistered = collect(session, elsewhere)
    _, nothing = collect(open_session(), elsewhere)

    assert (unregistered, nothing) == ([plugin], [])
    assert (session.target, session.lock) == (None, None)
    assert not (tmp_path / "out").exists()


def test_collection_weights_only_without_validation_tests_is_refused(
    open_session: OpenSession,
) -> None:
    session = open_session(weights_only="yes")
    collect(session)  # such as pytest tests/library

    session.may_judge = True
    with pytest.raises(pytest.UsageError, match="no test of the weights is selected"):
        collect(session)


def test_collection_of_both_targets_is_refused(open_session: OpenSession) -> None:
    with pytest.raises(pytest.UsageError, match="a run judges one"):
        collect(open_session(), item_of(), item_of(target="miniature"))


def test_collection_without_a_variant_of_the_target_is_refused(open_session: OpenSession) -> None:
    session = open_session(variants="reference")

    with pytest.raises(pytest.UsageError, match="--variants reference names no published model"):
        collect(session, item_of("test_preflight.py", variant=None))
    collect(session, item_of("test_preflight.py", target="miniature", variant=None))
    assert (session.target, session.evaluated) == ("miniature", ())


def test_passed_test_is_recorded_once(open_session: OpenSession) -> None:
    session = open_session()
    books, _ = collect(session, item := item_of())

    run_phase(books, item, when="setup")
    assert session.gate.records == {}
    run_phase(books, item)
    run_phase(books, item, when="teardown")

    record = session.gate.records[COUNT]
    assert (record.outcome, record.message) == ("passed", "")
    assert session.gate.runs == {COUNT: 1}
    assert session.gate.changed == {}
    assert session.failed_elsewhere == 0


def test_variant_is_in_the_reports_properties(open_session: OpenSession) -> None:
    books, _ = collect(open_session(), item := item_of())

    assert dict(run_phase(books, item).user_properties) == {"variant": "XS"}


@pytest.mark.parametrize("when", ["setup", "call", "teardown"])
def test_error_of_any_phase_fails_the_test(open_session: OpenSession, when: str) -> None:
    session = open_session()
    books, _ = collect(session, item := item_of())
    if when == "teardown":
        run_phase(books, item)

    report = run_phase(books, item, ValueError("a bug"), when)

    assert session.gate.records[COUNT].outcome == "failed"
    assert session.gate.records[COUNT].message == "ValueError: a bug"
    assert report.when == when
    assert session.gate.changed == {}


def test_mistake_in_a_fixture_fails_the_test_in_its_own_words(open_session: OpenSession) -> None:
    session = open_session()
    books, _ = collect(session, item := item_of(), other := item_of(function="test_other"))

    report = run_phase(books, item, NO_DATA, "setup")
    second = run_phase(books, other, NO_DATA, "setup")

    assert report.when == "call"
    assert report.longrepr == session.gate.records[COUNT].message == str(NO_DATA)
    assert second.longrepr == f"[no-data] as {COUNT} says"


def test_repeated_test_is_counted(open_session: OpenSession) -> None:
    session = open_session()
    books, _ = collect(session, item := item_of())

    for _ in range(2):
        run_phase(books, item, when="setup")

    assert session.gate.runs == {COUNT: 2}


def test_failure_reported_as_passed_stays_one_and_is_named(open_session: OpenSession) -> None:
    session = open_session()
    books, _ = collect(session, item := item_of())

    run_phase(books, item, ValueError("a bug"), reported="passed")

    assert session.gate.records[COUNT].outcome == "failed"
    assert session.gate.changed == {COUNT: "failed and was reported as passed"}


def test_pass_reported_as_failed_is_one(open_session: OpenSession) -> None:
    session = open_session()
    books, _ = collect(session, item := item_of())
    report = report_of(item)
    call = cast(Any, SimpleNamespace(when="call", excinfo=None))
    result_of(books.pytest_runtest_makereport(item, call), report)
    report.outcome, report.longrepr = "failed", "a plugin's reason"

    books.pytest_runtest_logreport(report)

    record = session.gate.records[COUNT]
    assert (record.outcome, record.message) == ("failed", "a plugin's reason")
    assert session.gate.changed == {COUNT: "passed and was reported as failed"}


def test_report_of_a_test_that_did_not_run_is_named(open_session: OpenSession) -> None:
    session = open_session()
    books, _ = collect(session, item := item_of())

    books.pytest_runtest_logreport(report_of(item))
    assert session.gate.changed == {COUNT: "not run and was reported as passed"}
    books.pytest_runtest_logreport(report_of(item, "failed"))

    assert session.gate.changed == {COUNT: "not run and was reported as passed"}
    assert session.gate.records == {}


def test_expected_failure_of_a_plugin_is_skipped_and_named(open_session: OpenSession) -> None:
    session = open_session()
    books, _ = collect(session, item := item_of())
    report = report_of(item, "skipped")
    report.wasxfail = "a reason"
    forgiven = pytest.xfail.Exception("a reason")
    excinfo = SimpleNamespace(value=forgiven, exconly=lambda: "XFailed: a reason")
    call = cast(Any, SimpleNamespace(when="call", excinfo=excinfo))

    result_of(books.pytest_runtest_makereport(item, call), report)
    books.pytest_runtest_logreport(report)

    assert session.gate.records[COUNT].outcome == "skipped"
    assert session.gate.changed == {COUNT: "was made an expected failure"}


def test_failures_elsewhere_are_counted_and_not_recorded(open_session: OpenSession) -> None:
    session = open_session()
    elsewhere = item_of("test_progress.py", folder=ROOT / "tests" / "library")
    books, _ = collect(session, item_of(), elsewhere)

    run_phase(books, elsewhere)
    for _ in range(2):
        run_phase(books, elsewhere, ValueError("a bug"))

    assert session.failed_elsewhere == 2
    assert session.gate.records == {}
    assert session.gate.runs == {}


@pytest.mark.parametrize("is_judging", [True, False])
@pytest.mark.parametrize("collect_only", [True, False])
def test_session_that_took_the_folder_is_decided_before_others_report(
    open_session: OpenSession,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_judging: bool,
    collect_only: bool,
) -> None:
    finished: list[str] = []
    monkeypatch.setattr(Session, "finish", lambda _self: finished.append("decided"))
    books, _ = collect(open_session(), *[item_of()] * is_judging, collect_only=collect_only)

    hook = books.pytest_sessionfinish()
    next(hook)

    assert finished == ["decided"] * (is_judging and not collect_only)
    with pytest.raises(StopIteration):
        hook.send(None)
