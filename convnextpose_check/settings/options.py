"""All options, each declared once as a field of ``Settings``.

pytest's options, the commands' options, the environment variables and the table in ``README.md``
are generated from these fields. The command line takes precedence over the environment.
"""

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.evaluation.verdict import TOLERANCES_MM
from convnextpose_check.human36m.samples import BoxSource
from convnextpose_check.network.users import is_factory, parse_specification
from convnextpose_check.text import format_suggestion
from convnextpose_check.variants import PUBLISHED_FILE, Protocol

PREFIX = "CONVNEXTPOSE_"
RUN_ID_VARIABLE = f"{PREFIX}RUN_ID"
"""An id chosen by the process that starts pytest and copied to the run's results file."""
CALLER_VARIABLE = f"{PREFIX}CALLER"
"""The folder that relative paths refer to, if not the current folder."""
KAGGLE_INPUT = Path("/kaggle/input")


Kind = tuple[str, Callable[[str], Any]]
"""Type of an option: the metavar in ``--help``, and the parser of its text.

The parser raises ``ValueError`` with a description of the expected text.
"""


def _parse_path(text: str) -> Path:
    return Path(os.path.expanduser(text))  # noqa: PTH111 - accepts unknown users, unlike pathlib


def _parse_names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise ValueError("names of variants with commas between them, such as XS,S")
    return names


def _parse_count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise ValueError("a whole number from 1")
    return int(text)


def _choice(values: Mapping[str, Any]) -> Kind:
    def parse(text: str) -> Any:
        if text.lower() not in values:
            raise ValueError(f"one of {', '.join(values)}")
        return values[text.lower()]

    return "|".join(values), parse


SWITCH: Kind = (
    "",
    _choice({"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False})[1],
)
FILE, FOLDER = ("FILE", _parse_path), ("DIR", _parse_path)
FILES_OR_FOLDERS: Kind = ("PATH", _parse_path)


@dataclass(frozen=True)
class Option:
    """The option that sets a field of ``Settings``."""

    field: str
    kind: Kind
    description: str

    @property
    def is_repeatable(self) -> bool:
        """True if the option accepts several values."""
        return self.kind is FILES_OR_FOLDERS

    @property
    def flag(self) -> str:
        """Name on the command line, such as ``--h36m-root``."""
        return f"--{self.field.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """Name of the environment variable, such as ``CONVNEXTPOSE_H36M_ROOT``."""
        return f"{PREFIX}{self.field.upper()}"

    @property
    def is_flag(self) -> bool:
        """True if the option takes no value on the command line."""
        return self.kind is SWITCH

    @property
    def argument(self) -> dict[str, Any]:
        """Keywords for argparse and pytest, whose value is a list of texts or None."""
        text = f"{self.description} (${self.variable})".replace("%", "%%")
        about = {"dest": self.field, "help": text}
        if self.is_flag:
            return about | {"action": "append_const", "const": "yes"}
        return about | {"action": "append", "metavar": self.kind[0]}


def _option(kind: Kind, description: str, default: Any = None) -> Any:
    """Declare a field of ``Settings``; ``default`` is a value or a function that returns it."""
    make_default = default if callable(default) else lambda: default
    return field(default_factory=make_default, metadata={"kind": kind, "description": description})


@dataclass(frozen=True)
class Settings:
    """The values of all options.

    ``given`` maps each field that was set to its option or variable and its text, such as
    ``--gate 2mm``. ``caller`` is the folder in which the command ``gate`` was started and from
    which the module of ``--network`` is imported; None without that command.
    """

    h36m_root: Path | None = _option(
        FOLDER,
        "folder with Human3.6M in any known layout; nothing is written to it"
        f" [default: {KAGGLE_INPUT} if it exists]",
        lambda: KAGGLE_INPUT if KAGGLE_INPUT.is_dir() else None,
    )
    checkpoints: tuple[Path, ...] = _option(
        FILES_OR_FOLDERS,
        "folder or file with the authors' archives; accepts several"
        f" [default: {KAGGLE_INPUT} if it exists]",
        lambda: (KAGGLE_INPUT,) if KAGGLE_INPUT.is_dir() else (),
    )
    download: bool = _option(
        SWITCH,
        "download missing archives from Google Drive to the first writable folder of --checkpoints,"
        " else to checkpoints/ below --results-dir",
        False,
    )
    variants: tuple[str, ...] | None = _option(
        ("NAMES", _parse_names),
        "variants to evaluate, such as XS,S; reference is the trained model of the synthetic data"
        " [default: all]",
    )
    variants_file: Path = _option(
        FILE,
        "description of your own models, in the format of the package's variants.json"
        " [default: that file]",
        PUBLISHED_FILE,
    )
    weights_only: bool = _option(
        SWITCH,
        "check only the checkpoints, without Human3.6M or a GPU; MPJPE is not measured",
        False,
    )
    require_identity: bool = _option(
        SWITCH,
        "fail unless every tensor of every checkpoint is verified to be the published one",
        False,
    )
    protocol: Protocol = _option(
        _choice({"1": 1, "2": 2}),
        "2: MPJPE on subjects 9 and 11; 1: PA-MPJPE on subject 11 [default: 2]",
        2,
    )
    bbox: BoxSource = _option(
        _choice({"gt": "gt", "rootnet": "rootnet"}),
        "source of boxes and root depth: ground truth or RootNet [default: gt]",
        "gt",
    )
    no_flip: bool = _option(
        SWITCH, "do not average predictions with those of the mirrored image", False
    )
    device: str | None = _option(
        ("NAME", str),
        "cuda: all GPUs of the same model as the first; cuda:1: only that GPU; cpu [default: cuda"
        " for the published models, cpu for the synthetic data set and with --weights-only]",
    )
    gate: int | None = _option(
        _choice({**{f"{mm}mm": mm for mm in TOLERANCES_MM}, "none": None}),
        "tolerance outside of which the run fails; missing a tighter one is an expected failure,"
        " shown with the difference in mm; none: measure without a verdict [default: 5mm]",
        5,
    )
    results_dir: Path = _option(
        FOLDER, "folder for results, logs and the report [default: output]", Path("output")
    )
    limit: int | None = _option(
        ("N", _parse_count),
        "evaluate only N evenly spaced samples; such a run never passes",
    )
    resume: bool = _option(
        SWITCH,
        "reuse and continue the evaluations of an earlier run on identical inputs",
        False,
    )
    network: str | None = _option(
        ("WHICH", parse_specification),
        "evaluate another network: package.module:factory, a function that takes a variant's name,"
        " or exported files such as exports/{variant}.onnx or exports/{variant}.pt2 [default: the"
        " suite's network]",
    )
    baseline: Path | None = _option(
        FILE,
        "an earlier benchmark_results.json; the run fails if a count is larger, a verdict or check"
        " is worse, an error changed by more than 0.05 mm, or a variant or test is missing",
    )
    embed_images: bool = _option(
        SWITCH,
        "show frames of Human3.6M in the report; its license forbids redistributing them",
        False,
    )
    given: Mapping[str, str] = field(default_factory=dict)
    caller: Path | None = None

    @property
    def flip(self) -> bool:
        """True if predictions are averaged with those of the mirrored crop (flip test)."""
        return not self.no_flip

    @property
    def has_own_models(self) -> bool:
        """True if a variants file of the user describes the models."""
        file = self.variants_file
        return file != PUBLISHED_FILE and file.resolve() != PUBLISHED_FILE.resolve()


OPTIONS: tuple[Option, ...] = tuple(
    Option(part.name, **part.metadata) for part in fields(Settings) if part.metadata
)
"""All options, in the order of the fields."""


def add_settings(parser: argparse.ArgumentParser, *fields: str) -> None:
    """Add the options of these fields."""
    for option in OPTIONS:
        if option.field in fields:
            parser.add_argument(option.flag, **option.argument)


def read_settings(
    options: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> Settings:
    """Read the settings from options, environment variables and defaults.

    ``options`` maps fields to the list of texts that argparse or pytest read, or None. Raises
    ``ConvNeXtPoseCheckError`` (``bad-option``) for an unknown variable and an invalid value.
    """
    known = [option.variable for option in OPTIONS]
    given_names = {variable for variable in environment if variable.startswith(PREFIX)}
    if unknown := given_names.difference(known, [RUN_ID_VARIABLE, CALLER_VARIABLE]):
        name = min(unknown)
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_OPTION,
            f"unknown environment variable {name}{format_suggestion(name, known, PREFIX)}",
            "Correct or unset it",
        )
    values: dict[str, Any] = {}
    given: dict[str, str] = {}
    for option in OPTIONS:
        source, texts = option.flag, options.get(option.field)
        if not texts and (text := environment.get(option.variable)) is not None:
            source = option.variable
            texts = text.split(os.pathsep) if option.is_repeatable else [text]
        if not texts:
            continue
        texts = texts if option.is_repeatable else texts[-1:]  # the last one wins
        if not all(map(str.strip, texts)):
            raise ConvNeXtPoseCheckError(
                ErrorCode.BAD_OPTION, f"{source} is empty", "Give it a value or leave it out"
            )
        try:
            parsed = tuple(option.kind[1](text) for text in texts)
        except ValueError as error:
            raise ConvNeXtPoseCheckError(
                ErrorCode.BAD_OPTION, f"{source} is '{texts[-1]}': expected {error}"
            ) from None
        values[option.field] = parsed if option.is_repeatable else parsed[0]
        given[option.field] = f"{source} {','.join(texts)}"
    settings = Settings(**values, given=given)
    folder = environment.get(CALLER_VARIABLE)
    return _make_paths_absolute(settings, Path(folder)) if folder else settings


def _make_paths_absolute(settings: Settings, caller: Path) -> Settings:
    """Join every path, including defaults, to the caller's folder."""
    paths = {name: caller / v for name, v in vars(settings).items() if isinstance(v, Path)}
    checkpoints, network = tuple(caller / path for path in settings.checkpoints), settings.network
    if network is not None and not is_factory(network):
        network = str(caller / network)
    absolute: dict[str, Any] = paths | {"checkpoints": checkpoints, "network": network}
    return replace(settings, caller=caller, **absolute)


def refuse_contradictions(settings: Settings) -> None:
    """Refuse combinations of options whose verdict would claim more than was checked.

    Raises ``ConvNeXtPoseCheckError`` (``bad-option``).
    """
    measuring = ("h36m_root", "gate", "limit", "resume", "baseline")
    refused = [settings.given[name] for name in measuring if name in settings.given]
    if settings.weights_only and refused:
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_OPTION,
            f"{refused[0]} cannot be combined with --weights-only, which does not measure MPJPE",
            "Leave out one of the two",
        )
    if settings.require_identity and settings.has_own_models:
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_OPTION,
            f"--require-identity cannot be combined with the models of {settings.variants_file}:"
            " only tensors of published models are on record",
            "Leave out --require-identity or --variants-file",
        )
