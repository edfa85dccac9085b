"""Say what a run needs and whether it is there.

Looks at Python and its packages, the device (by running on it), memory, disk,
OpenCV, Human3.6M and the checkpoints, and prints for each:

  ok        it is as it must be
  note      worth knowing; a run works all the same
  missing   a run needs it; the arrow below says how to mend it

The options, their defaults and variables are those of the run itself. Nothing
is written. The exit code is 0 if nothing is missing, 1 otherwise.

  python -m convnextpose_check doctor --h36m-root DIR --checkpoints DIR
"""

from __future__ import annotations

import argparse
from shutil import get_terminal_size
from textwrap import wrap

from convnextpose_check.commands.telling import tell
from convnextpose_check.settings.arguments import add_settings, settings_of

TAKEN = (
    "h36m_root", "checkpoints", "variants", "variants_file", "weights_only", "protocol", "bbox",
    "device", "results_dir",
)  # fmt: skip

MAX_COLUMNS, MIN_COLUMNS = 100, 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The settings of a run that decide what it needs."""
    add_settings(parser, *TAKEN)


def run(options: argparse.Namespace) -> int:
    """Print each row as soon as it is known."""
    from convnextpose_check.doctor.examinations import examinations
    from convnextpose_check.doctor.finding import examined
    from convnextpose_check.run.run import published_run
    from convnextpose_check.run.target import published_target

    settings = settings_of(options)
    checked = published_run(settings, published_target(settings))
    tell(f"Human3.6M below  {settings.h36m_root or '(not given)'}")
    tell(f"checkpoints in   {', '.join(map(str, settings.checkpoints)) or '(not given)'}")
    tell(f"results in       {settings.results_dir}")
    for line in settings.lines():
        tell(f"read: {line}")
    for name in settings.variants or ():
        checked.catalogue[name]  # or it is told that there is none
    tell("")
    columns = max(MIN_COLUMNS, min(get_terminal_size((MAX_COLUMNS, 24)).columns, MAX_COLUMNS))
    rows = examinations(checked)
    title_columns = max(len(title) for title, _ in rows)
    missing, to_mend = False, []
    for title, examination in rows:
        finding = examined(examination)
        for line in finding.lines(title, title_columns, columns):
            tell(line)
        if finding.state == "missing":
            missing = True
            to_mend += [title] if finding.mend else []
    if missing:
        tell("")
        tell(*wrap(f"To mend first: {', '.join(to_mend)}", columns))
        return 1
    tell("", "Nothing is missing. To judge the models: python -m pytest -m gpu")
    return 0
