"""Every option, declared once as a field of ``Settings``.

pytest's options, the commands' arguments, the environment variables and the table in ``README.md``
are made from these fields. The command line wins over the environment.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.evaluation.verdict import TOLERANCES_MM
from convnextpose_check.human36m.samples import BoxSource
from convnextpose_check.network.users import is_factory
from convnextpose_check.text import suggestion
from convnextpose_check.variants import PUBLISHED_FILE, Protocol

PREFIX = "CONVNEXTPOSE_"
RUN_ID_VARIABLE = f"{PREFIX}RUN_ID"
"""Not a setting: an id that the caller chooses and finds in the run's results file."""
CALLER_VARIABLE = f"{PREFIX}CALLER"
"""Not a setting: the folder that relative paths refer to, if it is not the current one."""
KAGGLE_INPUT = Path("/kaggle/input")


Kind = tuple[str, Callable[[str], Any]]
"""How a value is shown in the usage, and read from a text.

The function raises ``ValueError`` with what it expected.
"""


def _parse_path(text: str) -> Path:
    if not text.strip():
        raise ValueError("a path")
    return Path(os.path.expanduser(text))  # noqa: PTH111 - unknown users are no error


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
    """A field of ``Settings`` as it is written and described."""

    field: str
    kind: Kind
    does: str

    @property
    def is_repeatable(self) -> bool:
        """True if the option may be given several times."""
        return self.kind is FILES_OR_FOLDERS

    @property
    def flag(self) -> str:
        """The option on the command line."""
        return f"--{self.field.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """The option in the environment."""
        return f"{PREFIX}{self.field.upper()}"

    @property
    def is_flag(self) -> bool:
        """True if the option takes no value on the command line."""
        return self.kind is SWITCH

    @property
    def argument(self) -> dict[str, Any]:
        """The arguments of argparse and pytest; the value is a list of texts, or None."""
        about = {"dest": self.field, "help": f"{self.does} (${self.variable})".replace("%", "%%")}
        if self.is_flag:
            return about | {"action": "append_const", "const": "yes"}
        return about | {"action": "append", "metavar": self.kind[0]}


def _option(kind: Kind, does: str, default: Any = None) -> Any:
    """Declare a field of ``Settings``; ``default`` is a value, or a function that returns it."""
    make_default = default if callable(default) else lambda: default
    return field(default_factory=make_default, metadata={"kind": kind, "does": does})


@dataclass(frozen=True)
class Settings:
    """The values of all options.

    ``given`` has the text of each field that was set, after the option or variable that set it, as
    in ``--gate 2mm``. ``caller`` is the folder of the command ``gate``'s caller, which contains the
    module of ``--network``; None without that command.
    """

    h36m_root: Path | None = _option(
        FOLDER,
        "folder with Human3.6M, in any of the known layouts; it is only read"
        f" [default: {KAGGLE_INPUT} if it exists]",
        lambda: KAGGLE_INPUT if KAGGLE_INPUT.is_dir() else None,
    )
    checkpoints: tuple[Path, ...] = _option(
        FILES_OR_FOLDERS,
        "folder or file with the authors' archives; may be given several times"
        f" [default: {KAGGLE_INPUT} if it exists]",
        lambda: (KAGGLE_INPUT,) if KAGGLE_INPUT.is_dir() else (),
    )
    download: bool = _option(
        SWITCH,
        "fetch missing archives from Google Drive into the first writable folder of --checkpoints,"
        " else into checkpoints/ below --results-dir",
        False,
    )
    variants: tuple[str, ...] | None = _option(
        ("NAMES", _parse_names),
        "variants to evaluate, such as XS,S; reference is the synthetic trained model"
        " [default: all]",
    )
    variants_file: Path = _option(
        FILE,
        "description of your own models, in the form of the package's variants.json"
        " [default: that file]",
        PUBLISHED_FILE,
    )
    weights_only: bool = _option(
        SWITCH,
        "check the checkpoints alone, without Human3.6M and without a GPU: no error is measured",
        False,
    )
    require_identity: bool = _option(
        SWITCH,
        "fail unless every checkpoint is verified to be the published one, tensor by tensor",
        False,
    )
    protocol: Protocol = _option(
        _choice({"1": 1, "2": 2}),
        "2: subjects 9 and 11, MPJPE; 1: subject 11, PA-MPJPE [default: 2]",
        2,
    )
    bbox: BoxSource = _option(
        _choice({"gt": "gt", "rootnet": "rootnet"}),
        "boxes and root depth from the ground truth or from RootNet [default: gt]",
        "gt",
    )
    no_flip: bool = _option(SWITCH, "do not average with the mirrored image", False)
    device: str | None = _option(
        ("NAME", str),
        "cuda: every GPU of the first one's kind; cuda:1: that GPU alone; cpu [default: cuda for"
        " the published models, cpu for the synthetic data set and with --weights-only]",
    )
    gate: int | None = _option(
        _choice({**{f"{mm}mm": mm for mm in TOLERANCES_MM}, "none": None}),
        "the tolerance that fails the run; a tighter one that is missed is an expected failure,"
        " shown with its millimetres; none: measure, without a verdict [default: 5mm]",
        5,
    )
    results_dir: Path = _option(
        FOLDER, "folder for results, logs and the report [default: output]", Path("output")
    )
    limit: int | None = _option(
        ("N", _parse_count),
        "evaluate only N samples, spread evenly: a quick look that never passes",
    )
    resume: bool = _option(
        SWITCH,
        "reuse and continue the evaluations of an earlier run on exactly the same inputs",
        False,
    )
    network: str | None = _option(
        ("WHICH", str),
        "evaluate this network: a function package.module:factory that takes a variant's name, or"
        " exported files such as exports/{variant}.onnx [default: the suite's own]",
    )
    baseline: Path | None = _option(
        FILE,
        "an earlier benchmark_results.json: larger counts, a worse verdict or check, an error that"
        " changed by more than 0.05 mm, or a missing variant or test fails the run",
    )
    embed_images: bool = _option(
        SWITCH, "show frames of Human3.6M in the report; its license forbids passing them on", False
    )
    given: Mapping[str, str] = field(default_factory=dict)
    caller: Path | None = None

    @property
    def flip(self) -> bool:
        """True if predictions are averaged with those of the mirrored crop."""
        return not self.no_flip

    @property
    def has_own_models(self) -> bool:
        """True if the models are described by a variants file of the user."""
        file = self.variants_file
        return file != PUBLISHED_FILE and file.resolve() != PUBLISHED_FILE.resolve()


OPTIONS: tuple[Option, ...] = tuple(
    Option(part.name, **part.metadata) for part in fields(Settings) if part.metadata
)
"""Every option, in the order of the fields."""

ABOUT_AN_ERROR = ("h36m_root", "gate", "limit", "resume", "baseline")
"""Options that have no effect if no error is measured."""


def add_settings(parser: argparse.ArgumentParser, *fields: str) -> None:
    """Add the options of these fields; a repeatable one also takes several values in a row."""
    for option in OPTIONS:
        if option.field in fields:
            several = {"action": "extend", "nargs": "+"} if option.is_repeatable else {}
            parser.add_argument(option.flag, **option.argument | several)


def read_settings(
    options: Mapping[str, Any], environment: Mapping[str, str] = os.environ
) -> Settings:
    """Read the settings from options, the environment and the defaults.

    ``options`` is what argparse or pytest has read: by field a list of texts, or None. Raises
    ``ConvNeXtPoseCheckError`` (``bad-option``) that names the option or variable.
    """
    known = {RUN_ID_VARIABLE, CALLER_VARIABLE, *(option.variable for option in OPTIONS)}
    if unknown := sorted(v for v in environment if v.startswith(PREFIX) and v not in known):
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_OPTION,
            f"the environment variable {unknown[0]} is not a setting"
            f"{suggestion(unknown[0], known)}",
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
    return _absolute(settings, Path(folder)) if folder else settings


def _absolute(settings: Settings, caller: Path) -> Settings:
    """The settings with every path, also of defaults, joined to the caller's folder."""
    paths = {name: caller / v for name, v in vars(settings).items() if isinstance(v, Path)}
    checkpoints, network = tuple(caller / path for path in settings.checkpoints), settings.network
    if network is not None and not is_factory(network):
        network = str(caller / network)
    absolute: dict[str, Any] = paths | {"checkpoints": checkpoints, "network": network}
    return replace(settings, caller=caller, **absolute)


def refuse_contradictions(settings: Settings) -> None:
    """Refuse options that together would make the verdict look like more than it is.

    Raises ``ConvNeXtPoseCheckError`` (``bad-option``).
    """
    beside = [settings.given[name] for name in ABOUT_AN_ERROR if name in settings.given]
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
