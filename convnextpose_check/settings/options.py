"""Every option, declared once: as a field of ``Settings``.

Pytest's options, the arguments of the commands, the variables of the environment and the table for
readers are made from these fields. The type of one says how it is read, what it does, and what its
default is where the value itself would not say it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from convnextpose_check.human36m.samples import BoxSource
from convnextpose_check.settings import kinds
from convnextpose_check.variants import PUBLISHED_FILE, Protocol

PREFIX = "CONVNEXTPOSE_"
RUN_ID_VARIABLE = f"{PREFIX}RUN_ID"
"""No setting: an id that a caller chooses, and finds in the results file of the run."""
CALLER_VARIABLE = f"{PREFIX}CALLER"
"""No setting: the folder that relative paths refer to where it is not the current one."""
KAGGLE_INPUT = Path("/kaggle/input")

_CORES = len(os.sched_getaffinity(0))


def _kaggle_inputs() -> tuple[Path, ...]:
    """Kaggle's folder of data sets, where it exists."""
    return (KAGGLE_INPUT,) if KAGGLE_INPUT.is_dir() else ()


@dataclass(frozen=True)
class Settings:
    """What a user has set, else the defaults.

    ``sources`` says where each that was set was read. ``caller`` is the folder of the command
    ``gate``'s caller, where the module of ``--network`` is looked for, None without that command.
    """

    h36m_root: Annotated[
        kinds.Folder | None,
        "folder with Human3.6M, in any of the known layouts; it is only read",
        f"{KAGGLE_INPUT} where it exists",
    ] = field(default_factory=lambda: next(iter(_kaggle_inputs()), None))
    checkpoints: Annotated[
        tuple[kinds.FileOrFolder, ...],
        "folder or file with the authors' archives; may be given several times",
        f"{KAGGLE_INPUT} where it exists",
    ] = field(default_factory=_kaggle_inputs)
    download: Annotated[
        kinds.Switch,
        "fetch the archives that are missing from Google Drive into the first folder of"
        " --checkpoints that can be written, else into checkpoints/ below --results-dir",
    ] = False
    variants: Annotated[
        kinds.Variants | None,
        "which variants to judge, such as XS,S; reference is the miniature's trained model",
        "all",
    ] = None
    variants_file: Annotated[
        kinds.File,
        "figures to judge by, for models of your own, in the form of the package's variants.json",
        "the paper's",
    ] = PUBLISHED_FILE
    weights_only: Annotated[
        kinds.Switch,
        "judge the checkpoints alone, without Human3.6M and without a GPU: a verdict of its own,"
        " for no error is measured",
    ] = False
    require_identity: Annotated[
        kinds.Switch,
        "fail unless every checkpoint is verified to be the published one, tensor by tensor; only"
        " variants whose tensors are on record can be",
    ] = False
    protocol: Annotated[Protocol, "2: subjects 9 and 11, MPJPE; 1: subject 11, PA-MPJPE"] = 2
    bbox: Annotated[BoxSource, "boxes and root depth from the ground truth or from RootNet"] = "gt"
    no_flip: Annotated[kinds.Switch, "do not average with the mirrored image"] = False
    device: Annotated[
        kinds.Device | None,
        "device to run on: cuda takes every GPU that is like the first, cuda:1 that one alone, or"
        " cpu",
        "cuda for the published models, cpu for the miniature and with --weights-only",
    ] = None
    batch_size: Annotated[kinds.Count | None, "images in a batch", "64 on cuda, 4 on cpu"] = None
    workers: Annotated[kinds.Count, "threads that read images", "the number of cores"] = _CORES
    gate: Annotated[
        kinds.Gate,
        "the tolerance that fails the run when it is not reached; a tighter one that is missed is"
        " an expected failure, shown with its millimetres; none: measure, give no verdict",
        "5mm",
    ] = 5
    results_dir: Annotated[kinds.Folder, "folder for results, logs and the report"] = Path("output")
    limit: Annotated[
        kinds.Count | None,
        "evaluate only N samples, spread evenly: a quick look that never passes",
        "no limit",
    ] = None
    resume: Annotated[
        kinds.Switch,
        "take over the evaluations that an earlier run finished on the very same inputs, and go on"
        " with what it had begun",
    ] = False
    network: Annotated[
        kinds.Which | None,
        "judge this network and not the suite's own: a function package.module:factory that is"
        " called with a variant's name, or exported files such as exports/{variant}.onnx",
        "the suite's own",
    ] = None
    baseline: Annotated[
        kinds.File | None,
        "an earlier benchmark_results.json: larger counts, a worse verdict or check, an error that"
        " moved by more than --baseline-tolerance, or a vanished variant or test fails the run",
        "none",
    ] = None
    baseline_tolerance: Annotated[
        kinds.Millimetres, "by how many mm an error may move from the baseline's, either way"
    ] = 0.05
    embed_images: Annotated[
        kinds.Switch,
        "show frames of Human3.6M in the report, whose licence forbids passing them on",
    ] = False
    sources: Mapping[str, Literal["option", "environment"]] = field(default_factory=dict)
    caller: Path | None = None

    @property
    def flip(self) -> bool:
        """Whether predictions are averaged with those of the mirrored crop."""
        return not self.no_flip

    @property
    def has_own_models(self) -> bool:
        """Whether the models and their figures are the user's, not those of the package's file."""
        file = self.variants_file
        return file != PUBLISHED_FILE and file.resolve() != PUBLISHED_FILE.resolve()

    def read_as(self, option: Option) -> str:
        """An option that was set, as it was written where it was read."""
        return option.flag if self.sources[option.field] == "option" else option.variable

    def lines(self) -> list[str]:
        """A line for every setting that was not left at its default, with where it was read."""
        return [
            f"{self.read_as(option)} {_told(getattr(self, option.field))}"
            for option in OPTIONS
            if option.field in self.sources
        ]


@dataclass(frozen=True)
class Option:
    """A field of ``Settings``, as it is given, read and shown."""

    field: str
    kind: kinds.Kind
    repeatable: bool
    does: str
    default: str

    @property
    def flag(self) -> str:
        """As it is written on the command line."""
        return f"--{self.field.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """As it is written in the environment."""
        return f"{PREFIX}{self.field.upper()}"

    @property
    def is_flag(self) -> bool:
        """Whether it takes no value on the command line."""
        return self.kind is kinds.SWITCH

    @property
    def argument(self) -> dict[str, Any]:
        """What argparse and pytest are told of it; they give back a list of texts, or None."""
        told = f"{self.does} [default: {self.default}; ${self.variable}]".replace("%", "%%")
        if self.is_flag:
            return {"dest": self.field, "help": told, "action": "append_const", "const": "1"}
        metavar = self.kind.metavar
        return {"dest": self.field, "help": told, "action": "append", "metavar": metavar}


def _option(name: str, hint: Any, default: Any) -> Option:
    does, *in_words = [part for part in hint.__metadata__ if isinstance(part, str)]
    kind, repeatable = kinds.kind_of(hint), get_origin(get_args(hint)[0]) is tuple
    shown = "off" if kind is kinds.SWITCH else str(default)
    return Option(name, kind, repeatable, does, *in_words or [shown])


_HINTS = get_type_hints(Settings, include_extras=True)

OPTIONS = tuple(
    _option(part.name, hint, part.default)
    for part in fields(Settings)
    if get_origin(hint := _HINTS[part.name]) is Annotated
)
"""Every option, in the order of the fields."""


def _told(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "none" if value is None else str(value)
