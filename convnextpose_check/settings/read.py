"""What a user has set: each option on the command line, or in the environment, or by default."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.devices import Precision
from convnextpose_check.human36m.samples import BoxSource
from convnextpose_check.settings.options import OPTIONS, PREFIX
from convnextpose_check.variants import Protocol

Source = Literal["option", "environment", "default"]


@dataclass(frozen=True)
class Settings:
    """All settings, and in ``sources`` where each was read."""

    h36m_root: Path | None
    checkpoints: tuple[Path, ...]
    download: bool
    variants: tuple[str, ...] | None
    variants_file: Path
    protocol: Protocol
    bbox: BoxSource
    no_flip: bool
    device: str | None
    precision: Precision
    batch_size: int | None
    workers: int
    gate: int | None
    results_dir: Path
    limit: int | None
    resume: bool
    network: str | None
    baseline: Path | None
    baseline_tolerance: float
    embed_images: bool
    sources: Mapping[str, Source]

    @property
    def flip(self) -> bool:
        """Whether predictions are averaged with those of the mirrored crop."""
        return not self.no_flip

    def lines(self) -> list[str]:
        """A line for every setting that was not left at its default, with where it was read."""
        return [
            f"{option.flag if self.sources[option.field] == 'option' else option.variable}"
            f" {_shown(getattr(self, option.field))}"
            for option in OPTIONS
            if self.sources[option.field] != "default"
        ]


def read_settings(
    given: Mapping[str, Sequence[str]], environment: Mapping[str, str] = os.environ
) -> Settings:
    """Settings from the command line (lists of texts by field), the environment and the defaults.

    Raises ``ConvNeXtPoseCheckError`` (``bad-option``) that names the option or variable.
    """
    known = {option.variable for option in OPTIONS}
    if unknown := sorted(v for v in environment if v.startswith(PREFIX) and v not in known):
        raise ConvNeXtPoseCheckError(
            "bad-option", f"the environment sets {unknown[0]}, which is no setting", "Unset it"
        )
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    for option in OPTIONS:
        texts: Sequence[str] = given.get(option.field) or ()
        name, source = option.flag, "option"
        if not texts and option.variable in environment:
            text = environment[option.variable]
            texts = text.split(os.pathsep) if option.repeatable else [text]
            name, source = option.variable, "environment"
        if not texts:
            source, values[option.field] = "default", option.default
        else:
            try:
                parsed = [option.parse(text) for text in texts]
            except ValueError as error:
                raise ConvNeXtPoseCheckError(
                    "bad-option", f"{name} is '{texts[-1]}': expected {error}"
                ) from None
            values[option.field] = tuple(parsed) if option.repeatable else parsed[-1]
        sources[option.field] = source  # type: ignore[assignment]  # one of the three literals
    return Settings(**values, sources=sources)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)
