"""One pytest session: its settings, run, report and exit code."""

import os
import secrets
import shlex
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

import msgspec
import pytest
from _pytest.mark.expression import Expression

from convnextpose_check.environment import collect_environment
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.human36m.samples import Dataset, load_dataset
from convnextpose_check.paths import FIXTURES, SUITE, lock_directory, rename_earlier_outputs
from convnextpose_check.plugin.gate import Gate
from convnextpose_check.progress import ProgressDisplay
from convnextpose_check.results.baseline import compare_runs
from convnextpose_check.results.decision import add_decision, format_run_verdict, is_passed
from convnextpose_check.results.results_file import read_results, read_results_of_run
from convnextpose_check.results.schema import Results
from convnextpose_check.run.report import build_results, write_report
from convnextpose_check.run.run import Run, TargetName, open_published_run
from convnextpose_check.settings.options import (
    RUN_ID_VARIABLE,
    Settings,
    read_settings,
    refuse_contradictions,
)
from convnextpose_check.synthetic.build import cached_synthetic_data
from convnextpose_check.synthetic.record import read_record
from convnextpose_check.synthetic.reference import synthetic_catalogue
from convnextpose_check.variants import read_catalogue

VALIDATION = (SUITE / "tests" / "validation").resolve()


@dataclass
class Session:
    """The state shared by hooks and fixtures.

    ``lock``: lock of the results folder, None until validation tests start.
    ``report``: the path given with ``--html``; ``page``: the page that pytest-html generated.
    ``command``: pytest's command line.
    """

    run: Run
    baseline: Results | None = None
    gate: Gate = field(default_factory=Gate)
    lock: BinaryIO | None = None
    report: Path | None = None
    page: str | None = None
    command: str = ""
    started: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    run_id: str = field(
        default_factory=lambda: os.environ.get(RUN_ID_VARIABLE) or secrets.token_hex(16)
    )

    def start(self, evaluated: tuple[str, ...], *, writes: bool) -> None:
        """Start the run, in which ``evaluated`` variants are evaluated; lock its results folder.

        ``writes`` is False in a worker of pytest-xdist. Raises ``pytest.UsageError``.
        """
        settings, display = self.run.settings, ProgressDisplay()
        try:
            if writes:
                lock = lock_directory(settings.results_dir)
                rename_earlier_outputs(settings.results_dir)
                self.lock, display = lock, open_progress_display()
            if self.run.target == "synthetic":
                files = cached_synthetic_data(FIXTURES, display.stream)
                checkpoints = (files.checkpoints,)
                settings = replace(settings, h36m_root=files.dataset, checkpoints=checkpoints)
        except ConvNeXtPoseCheckError as error:
            raise pytest.UsageError(str(error)) from None
        self.run = replace(self.run, settings=settings, evaluated=evaluated, display=display)

    def finish(self, exit_code: int) -> Results | None:
        """Decide the verdict and write the report; None if no validation test was started.

        Called once, after pytest has ended with ``exit_code``.
        """
        if self.lock is None:
            return None
        with self.run.display.phase("writing results and report"):
            environment = collect_environment(self.command, self.started)
            results = build_results(self.run, environment, tuple(self.gate.records.values()))
            problems = list(self.gate.problems())
            if self.baseline is not None:
                record = compare_runs(results, self.baseline, self.run.settings.baseline or Path())
                results = msgspec.structs.replace(results, baseline=record)
                problems += record.problems
            if not problems and not results.failed_checks:
                if not is_passed(results):
                    problems.append(format_run_verdict(results))
                elif exit_code:
                    problems.append(f"pytest ended with exit code {exit_code}")
            results = add_decision(results, problems, self.run_id)
            report = self.report or self.run.outputs.report
            return write_report(self.run, results, report, self.page, self.gate.traces)

    def exit_code(self, pytest_code: int) -> int:
        """Return the exit code: 0 only if this run's results file is marked as passed."""
        if self.lock is None:  # --collect-only, or no validation tests
            has_passed = not self.gate.required
        else:
            written = read_results_of_run(self.run.outputs.results, self.run_id)
            has_passed = written is not None and written.passed
        return pytest_code or int(not has_passed)

    def close(self) -> None:
        """Release the results folder and the terminal."""
        for stream in (self.lock, self.run.display.stream):
            if stream is not None:
                stream.close()


SESSION = pytest.StashKey[Session]()
"""Key of the session in ``pytest.Config.stash``."""


def get_session(config: pytest.Config) -> Session:
    """Return the session; raises ``pytest.UsageError`` if the suite's plugin is disabled."""
    session = config.stash.get(SESSION, None)
    if session is None:
        raise pytest.UsageError(
            "the plugin of this suite is not loaded. Leave out -p no:convnextpose_check... and"
            " --noconftest."
        )
    return session


def open_session(config: pytest.Config) -> Session:
    """Read the settings and open the session.

    Raises ``pytest.UsageError`` if the options do not select a run that can be judged.
    """
    try:
        settings = read_settings(vars(config.option))
        refuse_contradictions(settings)
        baseline = None if settings.baseline is None else read_results(settings.baseline)
        run = open_run(select_target(settings, config.option.markexpr), settings)
        run.variants  # noqa: B018 - raises for a variant that the target lacks
    except ConvNeXtPoseCheckError as error:
        raise pytest.UsageError(str(error)) from None
    if is_distributed(config) and run.target == "published":
        raise pytest.UsageError(
            "pytest-xdist cannot distribute a run of the published models. Leave out -n and --dist."
        )
    for option in ("h36m_root", "checkpoints", "download"):  # variables may be set for all runs
        if run.target == "synthetic" and getattr(config.option, option):
            flag = f"--{option.replace('_', '-')}"
            raise pytest.UsageError(
                f"{flag} is for the published models, but this run judges the synthetic models."
                f" Add -m gpu, or leave out {flag}."
            )
    arguments = map(str, config.invocation_params.args)
    return Session(run, baseline, command=shlex.join(["python", "-m", "pytest", *arguments]))


def is_distributed(config: pytest.Config) -> bool:
    """True if pytest-xdist distributes the tests; also in its workers."""
    return getattr(config.option, "dist", "no") != "no" or hasattr(config, "workerinput")


def open_progress_display() -> ProgressDisplay:
    """Open the terminal for the progress display, bypassing pytest's capture.

    Characters missing from the terminal's encoding are written as escape sequences.
    """
    return ProgressDisplay(
        os.fdopen(os.dup(2), "w", 1, encoding="locale", errors="backslashreplace")
    )


def select_target(settings: Settings, marker_expression: str) -> TargetName:
    """Return the target of the run: the published models if ``-m`` selects tests marked gpu."""
    if settings.weights_only or settings.has_own_models:
        return "published"
    try:
        expression = Expression.compile(marker_expression or "gpu")
        selects_gpu = expression.evaluate(lambda name, /, **_arguments: name == "gpu")
    except Exception:  # noqa: BLE001 - pytest reports it; the type depends on its version
        return "synthetic"
    return "published" if selects_gpu else "synthetic"


def open_run(name: TargetName, settings: Settings) -> Run:
    """Create the run of a target, without reading data or checkpoints."""
    if name == "published":
        return open_published_run(settings)
    record = read_record(FIXTURES)
    # A --network model is built for published variants, so the trained synthetic one is left out.
    catalogue = read_catalogue() if settings.network else synthetic_catalogue()
    catalogue = record.add_to(catalogue, settings.protocol, settings.bbox, flip=settings.flip)
    return Run("synthetic", settings, catalogue, record.dataset)


def synthetic_dataset(display: ProgressDisplay) -> Dataset:
    """Load the synthetic data set, for comparing models without Human3.6M."""
    root = cached_synthetic_data(FIXTURES, display.stream).dataset
    return load_dataset(root, read_record(FIXTURES).dataset)
