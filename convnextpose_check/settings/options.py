"""Every option: its name, its default, and how its text is read."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convnextpose_check.evaluation.verdict import TOLERANCES_MM
from convnextpose_check.variants import PUBLISHED_FILE

PREFIX = "CONVNEXTPOSE_"
KAGGLE_INPUT = Path("/kaggle/input")


@dataclass(frozen=True)
class Option:
    """One setting; ``parse`` raises ValueError with what was expected."""

    name: str
    help: str
    parse: Callable[[str], Any]
    default: Any = None
    shown_default: str = ""
    metavar: str = "VALUE"
    is_flag: bool = False
    repeatable: bool = False

    @property
    def flag(self) -> str:
        """As it is written on the command line."""
        return f"--{self.name}"

    @property
    def variable(self) -> str:
        """As it is written in the environment."""
        return f"{PREFIX}{self.name.replace('-', '_').upper()}"

    @property
    def field(self) -> str:
        """As it is called in ``Settings``."""
        return self.name.replace("-", "_")

    @property
    def full_help(self) -> str:
        """What it does, its default and its variable."""
        return f"{self.help} [default: {self.shown_default or self.default}; ${self.variable}]"


def _path(text: str) -> Path:
    if not text.strip():
        raise ValueError("a path")
    return Path(text).expanduser()


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("a name")
    return text


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"one of {', '.join(choices)}")
        return text

    return parse


def _positive(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise ValueError("a whole number from 1")
    return number


def _millimetres(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number < math.inf:
        raise ValueError("millimetres from 0")
    return number


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise ValueError("names of variants with commas between them, such as XS,S")
    return names


def _switch(text: str) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    if text.lower() not in words:
        raise ValueError("1 or 0")
    return words[text.lower()]


def _protocol(text: str) -> int:
    return int(_one_of("1", "2")(text))


GATES = {**{f"{mm}mm": mm for mm in TOLERANCES_MM}, "none": None}
"""The tolerance that fails a run, by the word that asks for it."""


def _gate(text: str) -> int | None:
    return GATES[_one_of(*GATES)(text)]


_ON_KAGGLE = KAGGLE_INPUT if KAGGLE_INPUT.is_dir() else None

OPTIONS = (
    Option(
        "h36m-root",
        "folder with Human3.6M, in any of the known layouts; it is only read",
        _path,
        _ON_KAGGLE,
        shown_default=f"{KAGGLE_INPUT} where it exists",
        metavar="DIR",
    ),
    Option(
        "checkpoints",
        "folder or file with the authors' archives; may be given several times",
        _path,
        (_ON_KAGGLE,) if _ON_KAGGLE else (),
        shown_default=f"{KAGGLE_INPUT} where it exists",
        metavar="PATH",
        repeatable=True,
    ),
    Option(
        "download",
        "fetch the archives that are missing from Google Drive into the first folder of"
        " --checkpoints that can be written, else into checkpoints/ below --results-dir",
        _switch,
        False,
        shown_default="off",
        is_flag=True,
    ),
    Option(
        "variants",
        "which variants to judge, such as XS,S",
        _names,
        shown_default="all",
        metavar="NAMES",
    ),
    Option(
        "variants-file",
        "figures to judge by, in the form of the package's variants.json",
        _path,
        PUBLISHED_FILE,
        shown_default="the paper's",
        metavar="FILE",
    ),
    Option(
        "protocol",
        "2: subjects 9 and 11, MPJPE; 1: subject 11, PA-MPJPE",
        _protocol,
        2,
        metavar="1|2",
    ),
    Option(
        "bbox",
        "boxes and root depth from the ground truth or from RootNet",
        _one_of("gt", "rootnet"),
        "gt",
        metavar="gt|rootnet",
    ),
    Option(
        "no-flip",
        "do not average with the mirrored image",
        _switch,
        False,
        shown_default="off",
        is_flag=True,
    ),
    Option(
        "device",
        "device to run on, such as cuda, cuda:1 or cpu",
        _text,
        shown_default="cuda for the published models, cpu for the miniature",
        metavar="NAME",
    ),
    Option(
        "precision",
        "what the convolutions compute in; anything but fp32 gives no verdict",
        _one_of("fp32", "tf32", "fp16"),
        "fp32",
        metavar="fp32|tf32|fp16",
    ),
    Option(
        "batch-size",
        "images in a batch",
        _positive,
        shown_default="64 on cuda, 4 on cpu",
        metavar="N",
    ),
    Option(
        "workers",
        "threads that read images",
        _positive,
        len(os.sched_getaffinity(0)),
        shown_default="the number of cores",
        metavar="N",
    ),
    Option(
        "gate",
        "the tolerance that fails the run when it is not reached; none: measure, give no verdict",
        _gate,
        5,
        shown_default="5mm",
        metavar="|".join(GATES),
    ),
    Option(
        "results-dir",
        "folder for results, logs and the report",
        _path,
        Path("output"),
        metavar="DIR",
    ),
    Option(
        "limit",
        "evaluate only N samples, spread evenly: a quick look that never passes",
        _positive,
        shown_default="no limit",
        metavar="N",
    ),
    Option(
        "resume",
        "take over the evaluations that an earlier run finished on the very same inputs",
        _switch,
        False,
        shown_default="off",
        is_flag=True,
    ),
    Option(
        "network",
        "judge this network and not the suite's own: a function package.module:factory that is"
        " called with a variant's name, or exported files such as exports/{variant}.onnx",
        _text,
        shown_default="the suite's own",
        metavar="WHICH",
    ),
    Option(
        "baseline",
        "an earlier benchmark_results.json: what is worse than there, or missing, fails the run",
        _path,
        shown_default="none",
        metavar="FILE",
    ),
    Option(
        "baseline-tolerance",
        "by how many mm an error may move from the baseline's, either way",
        _millimetres,
        0.05,
        metavar="MM",
    ),
    Option(
        "embed-images",
        "show frames of Human3.6M in the report, whose licence forbids passing them on",
        _switch,
        False,
        shown_default="off",
        is_flag=True,
    ),
)
"""Every option; each is one field of ``Settings``."""
