"""Options of a run, as commands take them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

from convnextpose_check.settings.options import OPTIONS, Settings
from convnextpose_check.settings.read import read_settings


def add_settings(parser: argparse.ArgumentParser, *fields: str) -> None:
    """The options of these fields, as pytest takes them; what may be repeated, also in a row."""
    for option in OPTIONS:
        if option.field in fields:
            in_a_row = {"action": "extend", "nargs": "+"} if option.repeatable else {}
            parser.add_argument(option.flag, **option.argument | in_a_row)


def add_place(
    parser: argparse.ArgumentParser, field: str, metavar: str, does: str = "", default: str = ""
) -> None:
    """The option of this field without its flag; what is said differently of it there."""
    option = next(option for option in OPTIONS if option.field == field)
    here = replace(option, does=does or option.does, default=default or option.default)
    parser.add_argument(field, metavar=metavar, nargs="?", help=here.argument["help"])


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings that were given, or stand in the environment, or are the default.

    Takes what argparse has read, and what pytest has. Raises ``ConvNeXtPoseCheckError`` as
    ``read_settings`` does.
    """
    return read_settings(given_texts(options))


def given_texts(options: argparse.Namespace) -> dict[str, Sequence[str]]:
    """The texts that were given for each option, by field."""
    given = {option.field: getattr(options, option.field, None) for option in OPTIONS}
    return {f: [v] if isinstance(v, str) else v or () for f, v in given.items()}
