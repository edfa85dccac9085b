"""The part of the plugin that reads the options, and prepares or refuses a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import convnextpose_check
from convnextpose_check.environment import opencv_version, package_version
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.whole import cannot_write
from convnextpose_check.pages.html import STYLE_SHEET
from convnextpose_check.plugin.session import SESSION, Session
from convnextpose_check.plugin.targets import open_target, selected_targets
from convnextpose_check.progress import Screen
from convnextpose_check.results.baseline import Baseline
from convnextpose_check.results.schema import OWN_MODELS
from convnextpose_check.settings.options import refuse_contradictions, settings_of

ROOT = Path(convnextpose_check.__file__).parents[1]
FIXTURES = ROOT / "fixtures"
VALIDATION = (ROOT / "tests" / "validation").resolve()


def open_session(config: pytest.Config) -> None:
    """Read the settings, open the session, and refuse what cannot be judged."""
    try:
        settings = settings_of(config.option)
        refuse_contradictions(settings)
        baseline = None
        if settings.baseline is not None:
            baseline = Baseline.read(settings.baseline)
        targets = selected_targets(settings, config.option.markexpr)
        target = open_target(targets[0], settings, FIXTURES)
    except ConvNeXtPoseCheckError as error:
        raise pytest.UsageError(str(error)) from None
    session = config.stash[SESSION] = Session(
        settings, target, _screen(config), len(targets) > 1, baseline
    )
    session.may_judge = _may_judge(config)
    is_distributed = getattr(config.option, "dist", "no") != "no"
    if is_distributed and session.may_judge and target.name == "published":
        raise pytest.UsageError(
            "the published models are judged by one process: leave out -n and --dist"
        )
    only_looks = config.option.collectonly or config.option.help
    is_alone = not is_distributed and not hasattr(config, "workerinput")
    if session.may_judge and is_alone and not only_looks:
        if config.option.htmlpath is None:
            config.option.htmlpath = str(session.outputs.report)
            config.option.self_contained_html = True
            session.makes_default_report = True
        session.report = Path(config.option.htmlpath)
        _check_folder(session.report)
        config.option.css.append(str(STYLE_SHEET))


def _check_folder(report: Path) -> None:
    """Refuse a report that pytest-html could not write; it makes the folder as well."""
    try:
        report.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise pytest.UsageError(str(cannot_write(report, error))) from None


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say what is judged, with what, and where the settings are from."""
    settings = config.stash[SESSION].settings
    checkpoints = ", ".join(map(str, settings.checkpoints))
    gate = "no gate" if settings.gate is None else f"gate {settings.gate} mm"
    models = OWN_MODELS if settings.has_own_models else "published models"
    data = f"data {settings.h36m_root or 'not given'}"
    if settings.weights_only:
        data = "weights only, no Human3.6M is read and no error measured"
    return [
        f"{models}: {data}, checkpoints {checkpoints or 'not given'}",
        f"torch {package_version('torch')}, numpy {package_version('numpy')},"
        f" OpenCV {opencv_version()}",
        f"protocol {settings.protocol}, boxes {settings.bbox}, flip test"
        f" {'on' if settings.flip else 'off'}, {gate};"
        f" results in {settings.results_dir}",
        *(f"read: {line}" for line in settings.lines()),
    ]


def _may_judge(config: pytest.Config) -> bool:
    """True if the arguments can lead to validation tests."""
    here = config.invocation_params.dir
    paths = [(here / argument.split("::")[0]).resolve() for argument in config.args]
    return any(
        path.is_relative_to(VALIDATION) or VALIDATION.is_relative_to(path) or not path.exists()
        for path in paths
    )


def _screen(config: pytest.Config) -> Screen:
    """The terminal behind pytest's capture, for progress; none for a worker of xdist.

    A character that the terminal's encoding lacks is written as an escape sequence.
    """
    if hasattr(config, "workerinput"):
        return Screen()
    handle = os.dup(2)
    return Screen(os.fdopen(handle, "w", 1, encoding="locale", errors="backslashreplace"))
