"""The part of the plugin that keeps the gate's books: what was selected, and what happened."""

from __future__ import annotations

from collections.abc import Generator
from typing import cast

import pytest
from msgspec.structs import replace

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.pages.html import set_aside_report
from convnextpose_check.paths import hold_folder, set_aside_earlier
from convnextpose_check.plugin.check_record import (
    check_record,
    complete_properties,
    name_of,
    raw_outcome,
    reported_outcome,
)
from convnextpose_check.plugin.configure import FIXTURES, VALIDATION
from convnextpose_check.plugin.required import VALIDATION_TESTS
from convnextpose_check.plugin.session import Session
from convnextpose_check.plugin.targets import open_run
from convnextpose_check.variants import Variant

NEEDS_EVALUATION = "evaluations"
"""The fixture of tests that need a variant evaluated."""


class Books:
    """The hooks that fill ``Session.gate``."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._names: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Run validation tests first, in the order of the recorded list: first what all need."""
        files = list(dict.fromkeys(test.file for test in VALIDATION_TESTS))

        def position(item: pytest.Item) -> int:
            is_listed = _is_validation(item) and item.path.name in files
            return files.index(item.path.name) if is_listed else len(files)

        items.sort(key=position)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Start the run of the selected tests, and take the results folder.

        A session without validation tests takes and writes nothing.
        """
        state = self._session
        judging = [item for item in session.items if _is_validation(item)]
        if not judging:
            if state.settings.weights_only and state.may_judge:
                raise pytest.UsageError(
                    "--weights-only was given, but no test of the weights is selected."
                    " Leave out -m, -k and the names of tests."
                )
            if state.default_report is not None:
                session.config.pluginmanager.unregister(state.default_report)
            return
        if state.is_ambiguous:
            raise pytest.UsageError(
                "both the published models and the miniature are selected, but a run judges one"
                " of them. Select the published models with -m gpu, or leave out -m."
            )
        run, is_worker = None, hasattr(session.config, "workerinput")
        if not session.config.option.collectonly:
            try:
                if not is_worker:
                    state.lock = hold_folder(state.settings.results_dir)
                    set_aside_earlier(state.settings.results_dir)
                    if state.report is not None:
                        set_aside_report(state.report)
                run = open_run(
                    state.target, state.settings, FIXTURES, state.screen, _evaluated(judging)
                )
            except ConvNeXtPoseCheckError as error:
                raise pytest.UsageError(str(error)) from None
        if is_worker:  # with -n the tests run, and nothing is judged or written
            state.run = run
        else:
            state.start(run)
        self._names = {item.nodeid: name_of(item) for item in judging}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Show a user's mistake in its own words, without a traceback, and record the outcome.

        What a fixture cannot provide fails the test that asked for it: it is no error of the
        suite.
        """
        report = yield
        state = self._session
        error = call.excinfo.value if call.excinfo is not None else None
        if isinstance(error, ConvNeXtPoseCheckError) and report.failed:
            report.when = "call"
            state.mistakes.tell(report, error)
        if item.nodeid in self._names:
            complete_properties(item, report, error)
            name = self._names[item.nodeid]
            assert state.run is not None  # tests run only if they were not merely collected
            outcome, remark = raw_outcome(item, call, state.run)
            vars(report)["raw_outcome"] = outcome
            if call.when == "setup":
                state.gate.runs[name] += 1
            if remark:
                state.gate.changed[name] = remark
            if call.when == "call" or outcome != "passed":
                state.gate.record(check_record(item, report, call, outcome))
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Compare what is reported with what happened: only the suite itself may forgive."""
        name = self._names.get(report.nodeid)
        if name is None:
            self._session.failed_elsewhere += report.failed
            return
        raw, reported = getattr(report, "raw_outcome", "not run"), reported_outcome(report)
        if raw == reported:
            return
        gate = self._session.gate
        gate.changed.setdefault(name, f"{raw} and was reported as {reported}")
        if reported == "failed" and name in gate.records:
            message = str(report.longrepr)
            gate.record(replace(gate.records[name], outcome="failed", message=message))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None]:
        """Decide, and write results and pages, before others report."""
        if self._session.is_judging and self._session.lock is not None:
            self._session.finish()
        yield


def _is_validation(item: pytest.Item) -> bool:
    """True for a test of the gate, by whatever path it was reached."""
    return item.path.resolve().is_relative_to(VALIDATION)


def _evaluated(judging: list[pytest.Item]) -> tuple[str, ...]:
    """The variants that these tests need evaluated, each once."""
    names = dict.fromkeys(
        cast(Variant, item.callspec.params["variant"]).name
        for item in judging
        if isinstance(item, pytest.Function) and NEEDS_EVALUATION in item.fixturenames
    )
    return tuple(names)
