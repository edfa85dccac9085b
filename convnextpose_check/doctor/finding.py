"""What ``doctor`` says of one thing: its state, what was found, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Literal

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.run.preflight import INSTALL

State = Literal["ok", "note", "missing"]
"""A note is worth knowing and stops no run."""

STATE_COLUMNS = 9


@dataclass(frozen=True)
class Finding:
    """A row of the table; ``mend`` is empty where there is nothing to mend."""

    state: State
    found: str
    mend: str = ""

    def lines(self, title: str, title_columns: int, columns: int) -> Iterator[str]:
        """The row under its title, in lines of at most ``columns``."""
        beginning = f"{self.state:<{STATE_COLUMNS}}{title:<{title_columns + 2}}"
        for text, hanging in ((self.found, ""), (self.mend and f"-> {self.mend}", "   ")):
            for line in wrap(
                text,
                columns - len(beginning),
                subsequent_indent=hanging,
                break_on_hyphens=False,
            ):
                yield (beginning + line).rstrip()
                beginning = " " * len(beginning)


def relative(path: Path, places: Iterable[Path]) -> str:
    """The path as it is called below the first of the places that it is below."""
    for place in places:
        if path.is_relative_to(place) and path != place:
            return str(path.relative_to(place))
    return str(path)


Examination = Callable[[], Finding]


def examined(examination: Examination) -> Finding:
    """The finding, also where the examination raises a user's mistake or cannot import."""
    try:
        return examination()
    except ConvNeXtPoseCheckError as error:
        return Finding("missing", error.problem, error.remedy)
    except ImportError as error:
        return Finding("missing", f"a package does not load: {error}", INSTALL)
