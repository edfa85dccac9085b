"""Options, the two subjects, and the gate: the one place where a run is refused or failed."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any, TextIO

import pytest

from convnextpose_check.benchmark import Benchmark
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.human36m import read_facts
from convnextpose_check.miniature.build import cached_miniature
from convnextpose_check.miniature.record import CAMERAS_FILE, read_record, setting_name
from convnextpose_check.report import STYLE_SHEET, judged_subject
from convnextpose_check.results import REPORT_FILE, opencv_version, package_version
from convnextpose_check.session import SESSION, Session
from convnextpose_check.settings import OPTIONS, Settings, read_settings
from convnextpose_check.subjects import Sources, Subject
from convnextpose_check.variants import Figure, read_catalogue

pytest_plugins = ["convnextpose_check.report_hooks"]

ROOT = Path(__file__).parent
FIXTURES = ROOT / "fixtures"
VALIDATION = ROOT / "tests" / "validation"


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
    given = {option.field: config.getoption(option.field) or () for option in OPTIONS}
    screen = _screen(config)
    try:
        settings = read_settings(given)
        published = _published(settings, screen)
        for name in settings.variants or ():
            published.catalogue[name]
    except ConvNeXtPoseCheckError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[SESSION] = Session(
        settings,
        {"published": Benchmark(published), "miniature": Benchmark(_miniature(settings, screen))},
    )
    if not config.option.collectonly:
        _prepare_report(config, settings)


def _screen(config: pytest.Config) -> TextIO | None:
    """The terminal behind pytest's capture, for progress; none for a worker of xdist."""
    if hasattr(config, "workerinput"):
        return None
    return os.fdopen(os.dup(2), "w", buffering=1)


def _published(settings: Settings, screen: TextIO | None) -> Subject:
    catalogue = read_catalogue(settings.variants_file)

    def reference(variant: str) -> Figure | None:
        return catalogue[variant].paper.error_mm(settings.protocol)

    sources = Sources(settings.h36m_root, settings.checkpoints)
    return Subject(
        "published", settings, catalogue, read_facts(), lambda: sources, reference, screen
    )


def _miniature(settings: Settings, screen: TextIO | None) -> Subject:
    record = read_record(FIXTURES)

    def find_sources() -> Sources:
        miniature = cached_miniature(FIXTURES / CAMERAS_FILE, screen)
        return Sources(miniature.dataset, (miniature.checkpoints,))

    def reference(variant: str) -> Figure:
        setting = setting_name(settings.protocol, settings.bbox, settings.flip)
        return record.reference(setting, variant)

    return Subject(
        "miniature", settings, read_catalogue(), record.dataset, find_sources, reference, screen
    )


def _prepare_report(config: pytest.Config, settings: Settings) -> None:
    """Write the HTML report into the results folder unless the user named another place."""
    try:
        settings.results_dir.mkdir(parents=True, exist_ok=True)
        if not os.access(settings.results_dir, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise pytest.UsageError(
            f"[cannot-write] cannot write to {settings.results_dir}: {error.strerror}."
            " Name a folder that can be written with --results-dir."
        ) from None
    if config.option.htmlpath is None:
        report = settings.results_dir / REPORT_FILE
        if subject := judged_subject(report):
            report.replace(report.with_suffix(f".{subject}.html"))
        config.option.htmlpath = str(report)
        config.option.self_contained_html = True
    config.option.css.append(str(STYLE_SHEET))


def pytest_report_header(config: pytest.Config) -> list[str]:
    settings = config.stash[SESSION].settings
    checkpoints = ", ".join(map(str, settings.checkpoints))
    return [
        f"published: data {settings.h36m_root or 'not given'},"
        f" checkpoints {checkpoints or 'not given'}",
        f"torch {package_version('torch')}, numpy {package_version('numpy')},"
        f" OpenCV {opencv_version()}",
        f"protocol {settings.protocol}, boxes {settings.bbox}, flip test"
        f" {'on' if settings.flip else 'off'}, gate {settings.gate} mm;"
        f" results in {settings.results_dir}",
        *(f"read: {line}" for line in settings.lines()),
    ]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out what applies to nothing; remember the validation tests before any is deselected."""
    items[:] = [item for item in items if not item.get_closest_marker("inapplicable")]
    gate = config.stash[SESSION].gate
    for item in items:
        if item.path.is_relative_to(VALIDATION):
            gate.files.add(item.path.name)
            if item.get_closest_marker("gpu"):
                gate.published.add(item.nodeid)
    if gate.files and getattr(config.option, "numprocesses", None):
        raise pytest.UsageError(
            "the validation tests share one evaluation of each variant: run them without -n"
        )


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        item.config.stash[SESSION].gate.deselected.add(item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell a user's mistake in its own words, without a traceback, and keep the gate's books.

    What a fixture cannot provide fails the test that asked for it: it is no error of the suite.
    """
    report = yield
    session = item.config.stash[SESSION]
    if call.excinfo is not None and isinstance(call.excinfo.value, ConvNeXtPoseCheckError):
        report.longrepr = str(call.excinfo.value)
        if report.failed:
            report.when = "call"
            session.mistakes[report.longrepr] += 1
    if item.path.is_relative_to(VALIDATION):
        gate = session.gate
        if report.failed:
            gate.failed.add(item.nodeid)
        elif report.skipped and not hasattr(report, "wasxfail"):
            gate.skipped.add(item.nodeid)
        elif report.when == "call":
            gate.finished.add(item.nodeid)
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail a run in which nothing failed but something was left out."""
    state = session.config.stash[SESSION]
    if session.config.option.collectonly:
        return
    state.problems = state.gate.problems([file.name for file in VALIDATION.glob("test_*.py")])
    if state.problems and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
