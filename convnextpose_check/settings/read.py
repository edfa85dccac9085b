"""Read the settings from the command line, then the environment, then the defaults."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.network.users import is_exported
from convnextpose_check.settings.options import (
    CALLER_VARIABLE,
    OPTIONS,
    PREFIX,
    RUN_ID_VARIABLE,
    Settings,
)

__all__ = ["Settings", "add_settings", "read_settings", "refuse_contradictions", "settings_of"]

ABOUT_AN_ERROR = ("h36m_root", "gate", "limit", "resume", "baseline")
"""Options that have no effect if no error is measured."""


def add_settings(parser: argparse.ArgumentParser, *fields: str) -> None:
    """Add the options of these fields; a repeatable one also takes several values in a row."""
    for option in OPTIONS:
        if option.field in fields:
            several = {"action": "extend", "nargs": "+"} if option.kind.is_repeatable else {}
            parser.add_argument(option.flag, **option.argument | several)


def given_texts(options: argparse.Namespace) -> dict[str, Sequence[str]]:
    """The texts that argparse or pytest has read for each option, by field."""
    given = {option.field: getattr(options, option.field, None) for option in OPTIONS}
    return {f: [v] if isinstance(v, str) else v or () for f, v in given.items()}


def settings_of(options: argparse.Namespace) -> Settings:
    """The settings from the options that argparse or pytest has read, and the environment."""
    return read_settings(given_texts(options))


def read_settings(
    given: Mapping[str, Sequence[str]], environment: Mapping[str, str] = os.environ
) -> Settings:
    """Read the settings from the given texts by field, the environment and the defaults.

    Raises ``ConvNeXtPoseCheckError`` (``bad-option``) that names the option or variable.
    """
    _refuse_unknown_variables(environment)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for option in OPTIONS:
        source, texts = option.flag, given.get(option.field)
        if not texts and (text := environment.get(option.variable)) is not None:
            source = option.variable
            texts = text.split(os.pathsep) if option.kind.is_repeatable else [text]
        if not texts:
            continue
        try:
            parsed = [option.kind.parse(text) for text in texts]
        except ValueError as error:
            raise ConvNeXtPoseCheckError(
                ErrorCode.BAD_OPTION, f"{source} is '{texts[-1]}': expected {error}"
            ) from None
        values[option.field] = tuple(parsed) if option.kind.is_repeatable else parsed[-1]
        sources[option.field] = source
    settings = Settings(**values, sources=sources)
    folder = environment.get(CALLER_VARIABLE)
    return _absolute(settings, Path(folder)) if folder else settings


def _refuse_unknown_variables(environment: Mapping[str, str]) -> None:
    known = [option.field.upper() for option in OPTIONS]
    allowed = {RUN_ID_VARIABLE, CALLER_VARIABLE, *(option.variable for option in OPTIONS)}
    for variable in sorted(environment):
        if variable.startswith(PREFIX) and variable not in allowed:
            near = get_close_matches(variable.removeprefix(PREFIX), known, n=1)
            question = f" (did you mean {PREFIX}{near[0]}?)" if near else ""
            raise ConvNeXtPoseCheckError(
                ErrorCode.BAD_OPTION,
                f"the environment variable {variable} is not a setting{question}",
                "Correct or unset it",
            )


def _absolute(settings: Settings, caller: Path) -> Settings:
    """The settings with every path, also of defaults, joined to the caller's folder."""
    absolute: dict[str, Any] = {}
    for option in OPTIONS:
        value = getattr(settings, option.field)
        if isinstance(value, Path):
            absolute[option.field] = caller / value
        elif option.field == "checkpoints":
            absolute[option.field] = tuple(caller / path for path in value)
    if settings.network is not None and is_exported(settings.network):
        absolute["network"] = str(caller / settings.network)
    return replace(settings, caller=caller, **absolute)


def refuse_contradictions(settings: Settings) -> None:
    """Refuse options that together would make the verdict look like more than it is.

    Raises ``ConvNeXtPoseCheckError`` (``bad-option``).
    """
    beside = [settings.sources[name] for name in ABOUT_AN_ERROR if name in settings.sources]
    if settings.weights_only and beside:
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_OPTION,
            f"{beside[0]} is about an error: --weights-only measures none",
            "Leave out one of the two",
        )
    if settings.require_identity and settings.has_own_models:
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_OPTION,
            f"--require-identity cannot be met by the models of {settings.variants_file}: tensors"
            " are on record for published models only",
            "Leave out --require-identity or --variants-file",
        )
