"""The pytest plugin that keeps the gate's books: what was selected, and what became of it."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.paths import set_aside_earlier
from convnextpose_check.plugin.check_record import check_record, complete_properties, subject_of
from convnextpose_check.plugin.configure import VALIDATION
from convnextpose_check.plugin.session import SESSION


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None, None, None]:
    """Take out what applies to nothing, and count it as such; keep the others as they stand.

    pytest would have tests that take ``trial`` wait for one another, which saves nothing here.
    """
    out = [item for item in items if item.get_closest_marker("inapplicable")]
    if out:
        items[:] = [item for item in items if item not in out]
        config.hook.pytest_deselected(items=out)
    places = {id(item): place for place, item in enumerate(items)}
    yield
    items.sort(key=lambda item: places.get(id(item), len(places)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Open the gate's books, and set aside what an earlier run left.

    Nothing stale may stand beside this run's verdict.
    """
    state = session.config.stash[SESSION]
    judging = {item.nodeid: subject_of(item) for item in session.items if _is_validation(item)}
    state.judged |= set(judging.values())
    state.gate.selected |= {test for test, name in judging.items() if name == "published"}
    if state.settings.weights_only and state.gate.files and not state.gate.selected:
        raise pytest.UsageError(
            "--weights-only was given, and no test of the published weights is selected: leave out"
            " -m, -k and the names of tests"
        )
    if state.gate.selected and not state.variants("published"):
        raise pytest.UsageError(
            f"--variants {','.join(state.settings.variants or ())} names no published model, only"
            " the miniature's: leave out -m gpu to judge that one"
        )
    if state.judged and not session.config.option.collectonly:
        set_aside_earlier(state.settings.results_dir)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell a user's mistake in its own words, without a traceback, and keep the gate's books.

    What a fixture cannot provide fails the test that asked for it: it is no error of the suite.
    """
    report = yield
    session = item.config.stash[SESSION]
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, ConvNeXtPoseCheckError) and report.failed:
        report.when = "call"
        session.mistakes.tell(report, error)
    if _is_validation(item):
        complete_properties(item, report, error)
        gate = session.gate
        if report.failed:
            gate.failed.add(item.nodeid)
        elif report.skipped and not hasattr(report, "wasxfail"):
            gate.skipped.add(item.nodeid)
        elif report.when == "call":
            gate.finished.add(item.nodeid)
        if report.when == "call" or not report.passed:
            record = check_record(item, report, call)
            session.checks[subject_of(item)][record.test] = record
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Write what came out, and say what was left out."""
    state = session.config.stash[SESSION]
    files = [file.name for file in VALIDATION.glob("test_*.py")]
    for text, subject in state.gate.problems(files, state.objection()).items():
        state.object(text, subject)
    if not session.config.option.collectonly:
        state.finish()
    yield
    state.export()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, int | None, int | None]:
    """Fail a run in which something was left out, or failed and was forgiven by a plugin.

    Here and not where the session ends: of some ways to run no test pytest returns 0 afterwards.
    """
    code = yield
    state = config.stash.get(SESSION, None)
    if state is not None and not code and (state.problems or state.gate.failed):
        return pytest.ExitCode.TESTS_FAILED
    return code


def _is_validation(item: pytest.Item) -> bool:
    """Whether it is one of the gate's tests, by whatever path it was reached."""
    return item.path.resolve().is_relative_to(VALIDATION)
