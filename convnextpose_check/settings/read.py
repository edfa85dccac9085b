"""What a user has set: each option on the command line, or in the environment, or by default."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.network.users import is_exported
from convnextpose_check.settings.options import (
    CALLER_VARIABLE,
    OPTIONS,
    PREFIX,
    RUN_ID_VARIABLE,
    Settings,
)

__all__ = [
    "Settings",
    "read_settings",
    "refuse_beside_weights_only",
    "refuse_identity_of_own_models",
]

ABOUT_AN_ERROR = ("h36m_root", "gate", "limit", "resume", "baseline")
"""Options that say nothing where no error is measured."""


def read_settings(
    given: Mapping[str, Sequence[str]], environment: Mapping[str, str] = os.environ
) -> Settings:
    """Settings from the command line (lists of texts by field), the environment and the defaults.

    Raises ``ConvNeXtPoseCheckError`` (``bad-option``) that names the option or variable.
    """
    known = {RUN_ID_VARIABLE, CALLER_VARIABLE, *(option.variable for option in OPTIONS)}
    if unknown := sorted(v for v in environment if v.startswith(PREFIX) and v not in known):
        raise ConvNeXtPoseCheckError(
            "bad-option", f"the environment sets {unknown[0]}, which is no setting", "Unset it"
        )
    values: dict[str, Any] = {}
    sources: dict[str, Any] = {}
    for option in OPTIONS:
        name, source, texts = option.flag, "option", given.get(option.field)
        if not texts and (text := environment.get(option.variable)) is not None:
            name, source = option.variable, "environment"
            texts = text.split(os.pathsep) if option.repeatable else [text]
        if not texts:
            continue
        try:
            read = [option.kind.read(text) for text in texts]
        except (ValueError, KeyError, RuntimeError):  # the last: a home that nobody has
            raise ConvNeXtPoseCheckError(
                "bad-option", f"{name} is '{texts[-1]}': expected {option.kind.expected}"
            ) from None
        values[option.field] = tuple(read) if option.repeatable else read[-1]
        sources[option.field] = source
    settings = Settings(**values, sources=sources)
    folder = environment.get(CALLER_VARIABLE)
    return _absolute(settings, Path(folder)) if folder else settings


def _absolute(settings: Settings, caller: Path) -> Settings:
    """The settings with every path, defaults among them, joined to the caller's folder."""
    absolute: dict[str, Any] = {}
    for option in OPTIONS:
        value = getattr(settings, option.field)
        if option.kind.is_path and value is not None:
            paths = [caller / path for path in (value if option.repeatable else (value,))]
            absolute[option.field] = tuple(paths) if option.repeatable else paths[0]
    if settings.network is not None and is_exported(settings.network):
        absolute["network"] = str(caller / settings.network)
    return replace(settings, caller=caller, **absolute)


def refuse_beside_weights_only(settings: Settings) -> None:
    """Refuse a run that judges weights alone where something of an error was asked for as well.

    Who gives Human3.6M or a gate would take the verdict for more than it is. Raises
    ``ConvNeXtPoseCheckError`` (``bad-option``).
    """
    beside = [o for o in OPTIONS if o.field in ABOUT_AN_ERROR and o.field in settings.sources]
    if settings.weights_only and beside:
        raise ConvNeXtPoseCheckError(
            "bad-option",
            f"{settings.read_as(beside[0])} is about an error: --weights-only measures none",
            "Leave out one of the two",
        )


def refuse_identity_of_own_models(settings: Settings) -> None:
    """Refuse ``--require-identity`` beside a variants file of the user's.

    Raises ``ConvNeXtPoseCheckError`` (``bad-option``).
    """
    if settings.require_identity and settings.has_own_models:
        raise ConvNeXtPoseCheckError(
            "bad-option",
            f"--require-identity cannot be met by the models of {settings.variants_file}: tensors"
            " are on record for published models only",
            "Leave out --require-identity or --variants-file",
        )
