"""How the texts of options are read: a type for each kind of option, with its reader."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_origin

from convnextpose_check.evaluation.verdict import TOLERANCES_MM


class Kind(NamedTuple):
    """How a text becomes a value; ``read`` raises for what is not ``expected``."""

    metavar: str
    expected: str
    read: Callable[[str], Any]

    @property
    def is_path(self) -> bool:
        """True for a path, which may be relative."""
        return self.read is _path


def _written(text: str) -> str:
    if not text.strip():
        raise ValueError
    return text


def _path(text: str) -> Path:
    return Path(_written(text)).expanduser()


def _names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise ValueError
    return names


def _count(text: str) -> int:
    if (count := int(text)) < 1:
        raise ValueError
    return count


def _millimetres(text: str) -> float:
    if not 0 <= (mm := float(text)) < math.inf:
        raise ValueError
    return mm


def _one_of(values: Mapping[str, Any]) -> Kind:
    return Kind("|".join(values), f"one of {', '.join(values)}", values.__getitem__)


_WORDS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
SWITCH = Kind("", "1 or 0", lambda text: _WORDS[text.lower()])
_GATES = {**{f"{mm}mm": mm for mm in TOLERANCES_MM}, "none": None}

Folder = Annotated[Path, Kind("DIR", "a path", _path)]
File = Annotated[Path, Kind("FILE", "a path", _path)]
FileOrFolder = Annotated[Path, Kind("PATH", "a path", _path)]
Switch = Annotated[bool, SWITCH]
Count = Annotated[int, Kind("N", "a whole number from 1", _count)]
Millimetres = Annotated[float, Kind("MM", "millimetres from 0", _millimetres)]
Gate = Annotated[int | None, _one_of(_GATES)]
Device = Annotated[str, Kind("NAME", "a name", _written)]
Which = Annotated[str, Kind("WHICH", "a name", _written)]
Variants = Annotated[
    tuple[str, ...],
    Kind("NAMES", "names of variants with commas between them, such as XS,S", _names),
]


def kind_of(hint: Any) -> Kind:
    """How a type is read: as it says itself, as one of its literals, or as its first part is."""
    if get_origin(hint) is Literal:
        return _one_of({str(value): value for value in get_args(hint)})
    said = (part for part in getattr(hint, "__metadata__", ()) if isinstance(part, Kind))
    return next(said, None) or kind_of(get_args(hint)[0])
