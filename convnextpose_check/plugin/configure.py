"""The pytest plugin that reads the options, and prepares or refuses a run before it begins."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

import convnextpose_check
from convnextpose_check.environment import opencv_version, package_version
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.ranks import Ranks
from convnextpose_check.files.whole import cannot_write
from convnextpose_check.pages.html import STYLE_SHEET, judged_subject
from convnextpose_check.paths import REPORT_FILE, hold_folder
from convnextpose_check.plugin.command_line import add_options
from convnextpose_check.plugin.session import SESSION, Session
from convnextpose_check.plugin.subjects import open_trials
from convnextpose_check.progress import Screen
from convnextpose_check.results.baseline import Baseline
from convnextpose_check.settings.arguments import settings_of
from convnextpose_check.settings.options import Settings
from convnextpose_check.settings.read import refuse_beside_weights_only
from convnextpose_check.trial.trial import Trial

ROOT = Path(convnextpose_check.__file__).parents[1]
FIXTURES = ROOT / "fixtures"
VALIDATION = (ROOT / "tests" / "validation").resolve()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take each option of the suite."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, open the session, and refuse what cannot be judged."""
    _refuse_several_processes(config)
    ranks = Ranks() if hasattr(config, "workerinput") else Ranks.of_environment()
    screen = Screen() if ranks.helps else _screen(config)
    try:
        settings = settings_of(config.option)
        if settings.device is not None:
            ranks.device_name(settings.device)
        refuse_beside_weights_only(settings)
        baseline = None
        if settings.baseline is not None:
            baseline = Baseline.read(settings.baseline, settings.baseline_tolerance)
        session = Session(settings, baseline, ranks)
        open_trials(session, FIXTURES, screen)
    except ConvNeXtPoseCheckError as error:
        if ranks.helps:  # rank 0 makes the same mistake, and tells it
            _vanish(pytest.ExitCode.USAGE_ERROR)
        raise pytest.UsageError(str(error)) from None
    config.stash[SESSION] = session
    _meet(ranks, config)
    only_looks = config.option.collectonly or config.option.help
    if not only_looks and not hasattr(config, "workerinput"):
        try:
            config.add_cleanup(hold_folder(settings.results_dir).close)
            _prepare_report(config, settings)
        except ConvNeXtPoseCheckError as error:
            raise pytest.UsageError(str(error)) from None


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is judged, with what, and where the settings are from."""
    settings = config.stash[SESSION].settings
    checkpoints = ", ".join(map(str, settings.checkpoints))
    gate = "no gate" if settings.gate is None else f"gate {settings.gate} mm"
    data = f"data {settings.h36m_root or 'not given'}"
    if settings.weights_only:
        data = "weights only, no Human3.6M is read and no error measured"
    return [
        f"published: {data}, checkpoints {checkpoints or 'not given'}",
        f"torch {package_version('torch')}, numpy {package_version('numpy')},"
        f" OpenCV {opencv_version()}",
        f"protocol {settings.protocol}, boxes {settings.bbox}, flip test"
        f" {'on' if settings.flip else 'off'}, {gate};"
        f" results in {settings.results_dir}",
        *(f"read: {line}" for line in settings.lines()),
    ]


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


def _meet(ranks: Ranks, config: pytest.Config) -> None:
    """Where torchrun has started several processes, let rank 0 test and the others help it."""
    if config.option.collectonly or config.option.help:
        if ranks.helps:
            _vanish(pytest.ExitCode.OK)
        return
    trials: dict[str, Trial] = dict(config.stash[SESSION].trials.items())
    try:
        ranks.join()
        if ranks.helps:
            ranks.help(lambda order: trials[order.subject].help(order))
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


def _screen(config: pytest.Config) -> Screen:
    """The terminal behind pytest's capture, for progress; none for a worker of xdist."""
    if hasattr(config, "workerinput"):
        return Screen()
    return Screen(os.fdopen(os.dup(2), "w", buffering=1))


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
