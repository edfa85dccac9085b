"""Arguments that several commands take."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from convnextpose_check.settings.options import OPTIONS
from convnextpose_check.settings.read import Settings, read_settings


def add_results_dir(parser: argparse.ArgumentParser) -> None:
    """The folder that a run has written, ``options.results_dir``."""
    parser.add_argument(
        "results_dir",
        metavar="RESULTS_DIR",
        type=Path,
        nargs="?",
        default=Path("output"),
        help="the run's --results-dir [default: output]",
    )


def add_settings(parser: argparse.ArgumentParser, *names: str) -> None:
    """The options of a run that have these names, as pytest takes them."""
    for option in OPTIONS:
        if option.name in names:
            how: dict[str, Any] = {"action": "append", "metavar": option.metavar}
            if option.is_flag:
                how = {"action": "append_const", "const": "1"}
            elif option.repeatable:
                how |= {"action": "extend", "nargs": "+"}
            text = option.full_help.replace("%", "%%")
            parser.add_argument(option.flag, dest=option.field, help=text, **how)


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings that were given, or stand in the environment, or are the default.

    Raises ``ConvNeXtPoseCheckError`` as ``read_settings`` does.
    """
    return read_settings({option.field: getattr(options, option.field, ()) for option in OPTIONS})
