"""A pytest plugin that lets ``--h36m-root /data`` work like ``--h36m-root=/data``.

Before pytest knows a suite's own options, it takes an existing path after a blank for a folder of
tests, and looks for ``pytest.ini`` there instead of here. Nothing short of the command line itself
can change that, so it is joined with ``=`` and run again.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest


def add_options(parser: pytest.Parser) -> None:
    """Declare every option of the suite to pytest, which gives each back as a list of texts."""
    from convnextpose_check.settings.options import OPTIONS

    group = parser.getgroup("ConvNeXtPose", "What is judged, and how")
    for option in OPTIONS:
        group.addoption(option.flag, **option.argument)


def joined(arguments: Sequence[str]) -> list[str]:
    """The arguments with every option of this suite joined to its value."""
    from convnextpose_check.settings.options import OPTIONS

    valued = {option.flag for option in OPTIONS if not option.is_flag}
    result: list[str] = []
    for argument in arguments:
        if result and result[-1] in valued and not argument.startswith("-"):
            result[-1] += f"={argument}"
        else:
            result.append(argument)
    return result


def pytest_addoption() -> None:
    """Run the joined command line where pytest would misread the given one."""
    given = sys.argv[1:]
    called_pytest = Path(sys.argv[0]).stem in {"pytest", "py.test", "__main__"}
    # Not Path.exists, which raises where a folder may not be searched or a name is too long.
    path_follows = any(
        flag.startswith("--") and os.path.exists(value)  # noqa: PTH110
        for flag, value in pairwise(given)
    )
    if called_pytest and path_follows and (arguments := joined(given)) != given:
        interpreter = sys.orig_argv[: len(sys.orig_argv) - len(given)]
        os.execv(sys.executable, [*interpreter, *arguments])
