"""Options, the two subjects, and the gate: the one place where a run is refused or failed."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any, NoReturn, TextIO

import pytest

from convnextpose_check.environment import opencv_version, package_version
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.ranks import Ranks
from convnextpose_check.files.whole import cannot_write
from convnextpose_check.miniature.build import cached_miniature
from convnextpose_check.miniature.record import read_record, setting_name
from convnextpose_check.miniature.reference import miniature_catalogue
from convnextpose_check.pages.html import STYLE_SHEET, judged_subject
from convnextpose_check.paths import REPORT_FILE, Outputs, hold_folder, set_aside_earlier
from convnextpose_check.plugin.check_record import check_record, complete_properties, subject_of
from convnextpose_check.plugin.session import SESSION, Session
from convnextpose_check.results.baseline import Baseline
from convnextpose_check.settings.options import OPTIONS
from convnextpose_check.settings.read import Settings, read_settings
from convnextpose_check.trial.benchmark import Benchmark
from convnextpose_check.trial.published import published_subject
from convnextpose_check.trial.subjects import Sources, Subject
from convnextpose_check.variants import Figure, read_catalogue

pytest_plugins = ["convnextpose_check.plugin.report", "convnextpose_check.plugin.interrupts"]

ROOT = Path(__file__).parent
FIXTURES = ROOT / "fixtures"
VALIDATION = (ROOT / "tests" / "validation").resolve()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("ConvNeXtPose", "What is judged, and how")
    for option in OPTIONS:
        action: dict[str, Any] = {"action": "append", "metavar": option.metavar}
        if option.is_flag:
            action = {"action": "append_const", "const": "1"}
        text = option.full_help.replace("%", "%%")
        group.addoption(option.flag, dest=option.field, default=None, help=text, **action)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    _refuse_several_processes(config)
    given = {option.field: config.getoption(option.field) or () for option in OPTIONS}
    ranks = Ranks() if hasattr(config, "workerinput") else Ranks.of_environment()
    screen = None if ranks.helps else _screen(config)
    try:
        settings = read_settings(given)
        published = published_subject(settings, screen, ranks, FIXTURES)
        baseline = None
        if settings.baseline is not None:
            baseline = Baseline.read(settings.baseline, settings.baseline_tolerance)
    except ConvNeXtPoseCheckError as error:
        if ranks.helps:  # rank 0 makes the same mistake, and tells it
            _vanish(pytest.ExitCode.USAGE_ERROR)
        raise pytest.UsageError(str(error)) from None
    config.stash[SESSION] = Session(
        settings,
        {
            "published": Benchmark(published),
            "miniature": Benchmark(_miniature(settings, screen, ranks)),
        },
        baseline,
        ranks,
    )
    _meet(ranks, config)
    only_looks = config.option.collectonly or config.option.help
    if not only_looks and not hasattr(config, "workerinput"):
        try:
            config.add_cleanup(hold_folder(settings.results_dir).close)
            _prepare_report(config, settings)
        except ConvNeXtPoseCheckError as error:
            raise pytest.UsageError(str(error)) from None


def _refuse_several_processes(config: pytest.Config) -> None:
    """Say before xdist shares out the tests that those of the gate belong together.

    Only here: its workers do not know how many they are, and it collects nothing itself.
    """
    if getattr(config.option, "dist", "no") == "no" or hasattr(config, "workerinput"):
        return
    here = config.invocation_params.dir
    paths = [(here / argument.split("::")[0]).resolve() for argument in config.args]
    if any(
        path.is_relative_to(VALIDATION) or VALIDATION.is_relative_to(path) or not path.exists()
        for path in paths
    ):
        raise pytest.UsageError(
            "the tests in tests/validation share one evaluation of each variant: run them without"
            " -n and --dist, which are for tests/library"
        )


def _is_validation(item: pytest.Item) -> bool:
    """Whether it is one of the gate's tests, by whatever path it was reached."""
    return item.path.resolve().is_relative_to(VALIDATION)


def _meet(ranks: Ranks, config: pytest.Config) -> None:
    """Where torchrun has started several processes, let rank 0 test and the others help it."""
    if config.option.collectonly or config.option.help:
        if ranks.helps:
            _vanish(pytest.ExitCode.OK)
        return
    session = config.stash[SESSION]
    subjects: dict[str, Subject] = {
        name: benchmark.subject for name, benchmark in session.benchmarks.items()
    }
    try:
        ranks.join()
        if ranks.helps:
            ranks.help(lambda order: subjects[order.subject].help(order))
    except ConvNeXtPoseCheckError as error:
        if ranks.helps:
            _vanish(pytest.ExitCode.INTERNAL_ERROR)
        raise pytest.UsageError(str(error)) from None
    if ranks.helps:
        _vanish(pytest.ExitCode.OK)
    config.add_cleanup(ranks.end)


def _vanish(code: pytest.ExitCode) -> NoReturn:
    """End a process that only helped: pytest would say something about any other way out."""
    os._exit(code)


def _screen(config: pytest.Config) -> TextIO | None:
    """The terminal behind pytest's capture, for progress; none for a worker of xdist."""
    if hasattr(config, "workerinput"):
        return None
    return os.fdopen(os.dup(2), "w", buffering=1)


def _miniature(settings: Settings, screen: TextIO | None, ranks: Ranks) -> Subject:
    record = read_record(FIXTURES)
    # A network of the user's own is built for the published variants, and knows no other.
    catalogue = read_catalogue() if settings.network else miniature_catalogue()

    def find_sources() -> Sources:
        miniature = cached_miniature(FIXTURES, screen)
        return Sources(miniature.dataset, (miniature.checkpoints,))

    def reference(variant: str) -> Figure:
        setting = setting_name(settings.protocol, settings.bbox, settings.flip)
        return record.reference(setting, variant)

    return Subject(
        "miniature", settings, catalogue, record.dataset, find_sources, reference,
        screen, ranks,
    )  # fmt: skip


def _prepare_report(config: pytest.Config, settings: Settings) -> None:
    """Write the HTML report into the results folder unless the user named another place."""
    if config.option.htmlpath is None:
        config.option.htmlpath = str(settings.results_dir / REPORT_FILE)
        config.option.self_contained_html = True
    config.option.css.append(str(STYLE_SHEET))
    report = Path(config.option.htmlpath)
    try:
        report.parent.mkdir(parents=True, exist_ok=True)
        if report.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        if report.exists() and (
            subject := judged_subject(report.read_text(encoding="utf-8", errors="replace"))
        ):
            report.replace(report.with_suffix(f".{subject}.html"))
    except OSError as error:
        raise cannot_write(report, error) from None


def pytest_report_header(config: pytest.Config) -> list[str]:
    settings = config.stash[SESSION].settings
    checkpoints = ", ".join(map(str, settings.checkpoints))
    gate = "no gate" if settings.gate is None else f"gate {settings.gate} mm"
    return [
        f"published: data {settings.h36m_root or 'not given'},"
        f" checkpoints {checkpoints or 'not given'}",
        f"torch {package_version('torch')}, numpy {package_version('numpy')},"
        f" OpenCV {opencv_version()}",
        f"protocol {settings.protocol}, boxes {settings.bbox}, flip test"
        f" {'on' if settings.flip else 'off'}, {gate};"
        f" results in {settings.results_dir}",
        *(f"read: {line}" for line in settings.lines()),
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out what applies to nothing, and count it as such."""
    out = [item for item in items if item.get_closest_marker("inapplicable")]
    if out:
        items[:] = [item for item in items if item not in out]
        config.hook.pytest_deselected(items=out)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Open the gate's books, and set aside what an earlier run left.

    Nothing stale may stand beside this run's verdict. The published models' results take the plain
    names, also where the miniature is judged too.
    """
    state = session.config.stash[SESSION]
    judging = {item.nodeid: subject_of(item) for item in session.items if _is_validation(item)}
    state.gate.selected |= {test for test, name in judging.items() if name == "published"}
    if state.gate.selected and not state.variants("published"):
        raise pytest.UsageError(
            f"--variants {','.join(state.settings.variants or ())} names no published model, only"
            " the miniature's: leave out -m gpu to judge that one"
        )
    subjects = set(judging.values())
    if subjects and not session.config.option.collectonly:
        set_aside_earlier(state.settings.results_dir)
        if len(subjects) > 1:
            state.benchmarks["miniature"].outputs = Outputs(
                state.settings.results_dir, ".miniature"
            )


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
    if isinstance(error, ConvNeXtPoseCheckError):
        report.longrepr = str(error)
        if report.failed:
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
    state.problems += state.gate.problems(files, state.objection())
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
