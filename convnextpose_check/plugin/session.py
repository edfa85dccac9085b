"""What one pytest session shares: settings, the run of its target, and the gate."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pytest
from msgspec.structs import replace

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.paths import Outputs
from convnextpose_check.plugin.gate import Gate
from convnextpose_check.plugin.mistakes import Mistakes
from convnextpose_check.plugin.required import Case, ValidationTest, cases_of, required_tests
from convnextpose_check.progress import Screen
from convnextpose_check.results.baseline import Baseline, compare
from convnextpose_check.results.decision import decided, is_passed, verdict_sentence
from convnextpose_check.results.results_file import read_results, write_results
from convnextpose_check.results.schema import OWN_MODELS, Results
from convnextpose_check.run.record import results_of, write_evaluations
from convnextpose_check.run.run import Run
from convnextpose_check.run.target import Target
from convnextpose_check.settings.options import RUN_ID_VARIABLE, Settings

WAS_INTERRUPTED = "the run was interrupted"


@dataclass
class Session:
    """The state that hooks and fixtures work on.

    Validation tests are collected for ``target``. ``is_judging`` is true once some were selected;
    otherwise the session writes nothing. ``run`` is the run of the target, None under
    ``--collect-only``. ``is_ambiguous`` is true if ``-m`` selects the tests of both targets.
    ``problems`` are reasons why the run is not passed, besides failed tests; ``late_problems``
    those that came after the summary. ``results`` is what was written last, ``report`` where
    pytest-html writes, ``default_report`` its plugin where no option asked for a report
    (``makes_default_report``). ``may_judge`` is true if the arguments can lead to validation
    tests. ``failed_elsewhere`` counts failed tests outside tests/validation.
    """

    settings: Settings
    target: Target
    screen: Screen = field(default_factory=Screen)
    is_ambiguous: bool = False
    baseline: Baseline | None = None
    run_id: str = field(
        default_factory=lambda: os.environ.get(RUN_ID_VARIABLE) or secrets.token_hex(16)
    )
    run: Run | None = None
    is_judging: bool = False
    gate: Gate = field(default_factory=Gate)
    mistakes: Mistakes = field(default_factory=Mistakes)
    problems: list[str] = field(default_factory=list)
    results: Results | None = None
    report: Path | None = None
    may_judge: bool = False
    makes_default_report: bool = False
    default_report: object | None = None
    lock: BinaryIO | None = None
    has_written_report: bool = False
    failed_elsewhere: int = 0
    late_problems: tuple[str, ...] = ()

    @property
    def outputs(self) -> Outputs:
        """The files that the run writes."""
        return Outputs(self.settings.results_dir)

    def cases_of(self, test: ValidationTest) -> list[Case]:
        """All cases of a validation test in this session."""
        return cases_of(test, self.target, self.settings)

    def start(self, run: Run | None) -> None:
        """Judge this run; its required tests are known before the first one runs."""
        self.is_judging, self.run = True, run
        if self.target.name == "published":
            self.gate.required = required_tests(self.target, self.settings)

    def object(self, problem: str) -> None:
        """Add a reason why the run is not passed."""
        if problem not in self.problems:
            self.problems.append(problem)

    def finish(self) -> None:
        """Decide, and write results and pages."""
        for problem in self.gate.problems():
            self.object(problem)
        if self.failed_elsewhere:
            self.object(f"{self.failed_elsewhere} tests outside tests/validation failed")
        assert self.run is not None  # there is nothing to finish without a run
        with self.screen.phase("writing results and report"):
            self._finish(self.run)

    def _finish(self, run: Run) -> None:
        try:
            write_evaluations(run, self.outputs)
        except ConvNeXtPoseCheckError as error:
            self.object(str(error))
        results = replace(results_of(run), checks=tuple(self.gate.records.values()))
        if self.baseline is not None:
            results = self._compared(results, self.baseline)
        if not self.problems and not self.gate.has_failed and (text := self._objection(results)):
            self.object(text)
        self._write(results)

    def _compared(self, results: Results, baseline: Baseline) -> Results:
        """The results with the comparison with an earlier run; what it forbids is a problem."""
        if baseline.results.subject != self.target.name:
            self.object(f"baseline: it judged the {baseline.results.judged}, this run did not")
            return results
        if not results.variants:
            return results
        record = compare(results, baseline)
        for problem in record.problems:
            self.object(problem)
        return replace(results, baseline=record)

    def _objection(self, results: Results) -> str | None:
        """The reason why a run without failed tests is not passed, None if it is passed."""
        if is_passed(results):
            return None
        models = OWN_MODELS if self.settings.has_own_models else "published models"
        if results.weights_only:
            return f"not every checkpoint of the {models} could be loaded"
        if not results.variants:
            return f"none of the {models} was evaluated"
        return f"the {models} are not reproduced: {verdict_sentence(results)}"

    def _write(self, results: Results) -> None:
        """Write results and pages; what cannot be written is a problem of the run."""
        from convnextpose_check.pages import write_pages

        for _ in range(2):  # the second time with the reason why the first could not be written
            known = len(self.problems)
            try:
                self.results = decided(results, self.problems, self.run_id)
                write_results(self.results, self.outputs.results)
                write_pages(self.results, self.outputs)
            except ConvNeXtPoseCheckError as error:
                self.object(str(error))
            if len(self.problems) == known:
                return

    def conclude(self, exit_code: int) -> int:
        """The exit code of the whole run: 0 only if the results file of this run says passed.

        Called when pytest has finished. Whatever turned the run red since the results were written
        is added to them, so that exit code, results and report agree.
        """
        if self.results is None:  # nothing was run: --collect-only, or nothing could be written
            is_red = self.gate.required or self.problems
            return pytest.ExitCode.TESTS_FAILED if is_red and not exit_code else exit_code
        shown = len(self.results.left_out)
        if exit_code and self.results.passed and len(self.problems) == shown:
            is_interrupted = exit_code == pytest.ExitCode.INTERRUPTED
            self.object(
                WAS_INTERRUPTED if is_interrupted else f"pytest ended with exit code {exit_code}"
            )
        self._add_to_files(shown)
        known = len(self.problems)
        self._export()
        self._add_to_files(known)
        self.late_problems = tuple(self.problems[shown:])
        if exit_code:
            return exit_code
        return pytest.ExitCode.OK if self._file_says_passed() else pytest.ExitCode.TESTS_FAILED

    def _add_to_files(self, known: int) -> None:
        """Write results, pages and the report's summary again if there are more problems."""
        from convnextpose_check.pages import update_report

        if len(self.problems) == known or self.results is None:
            return
        self._write(self.results)
        if self.report is not None and self.has_written_report:
            try:
                update_report(self.report, self.results, self.outputs)
            except ConvNeXtPoseCheckError as error:
                self.object(str(error))

    def _file_says_passed(self) -> bool:
        try:
            written = read_results(self.outputs.results)
        except ConvNeXtPoseCheckError:
            return False
        return written.run_id == self.run_id and written.passed

    def _export(self) -> None:
        """Pack this run's files."""
        from convnextpose_check.results.export import export

        if self.results is not None and self.results.variants:
            try:
                export(self.settings.results_dir)
            except ConvNeXtPoseCheckError as error:
                self.object(str(error))


SESSION = pytest.StashKey[Session]()
"""Where pytest's config holds the session."""


def session_of(config: pytest.Config) -> Session:
    """The session; refused where the suite's plugin is missing."""
    session = config.stash.get(SESSION, None)
    if session is None:
        raise pytest.UsageError(
            "the plugin of this suite is not loaded: leave out -p no:convnextpose_check... and"
            " --noconftest"
        )
    return session
