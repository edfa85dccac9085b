"""What the authors' ``main/test.py`` prints of an error, found in any text around it.

It prints two lines, once by itself and once through its logger::

    Protocol 2 error (MPJPE) >> tot: 51.05
    Directions: 47.11 Discussion: 50.92 ... WalkTogether: 44.30

An action without samples is printed as ``nan``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.human36m.skeleton import ACTIONS
from convnextpose_check.variants import Protocol

MAX_BYTES = 256 * 2**20
"""Nobody's log of a test is larger; a larger file is another one, and would fill the memory."""

MAX_GAP = 500
"""Characters of other text, such as a logger's prefix, between two figures of one run."""

_NUMBER = r"(nan|-?inf|\d{1,9}(?:\.\d{1,9})?)"
_TOTAL = re.compile(
    r"Protocol\s{1,3}#?([12])\s{1,3}error\s{0,3}\((PA[ -])?MPJPE\).{0,24}?\btot\s{0,3}:\s{0,3}"
    + _NUMBER,
    re.IGNORECASE,
)
_ACTION = re.compile(rf"(?<![A-Za-z])({'|'.join(ACTIONS.values())})\s{{0,3}}:\s{{0,3}}" + _NUMBER)
_COLOURS = re.compile(r"(?:\x1b|\\u001b|\\x1b|\\033)?\[[0-9;]{0,12}m")
_ESCAPED_BREAKS = re.compile(r"\\[nrt]")


@dataclass(frozen=True)
class Printed:
    """A printed number of millimetres, NaN where none was measured; rounded by ``half_step_mm``."""

    mm: float
    half_step_mm: float

    @classmethod
    def of(cls, text: str) -> Printed:
        """The number that the text is, exact to half of its last digit."""
        return cls(float(text), 0.5 * 10.0 ** -len(text.partition(".")[2]))

    @property
    def is_measured(self) -> bool:
        """Whether it is a finite number."""
        return math.isfinite(self.mm)


@dataclass(frozen=True)
class PrintedRun:
    """The error that one run has printed, ``times`` times, first in ``line`` (from 1).

    ``aligned`` is true where it calls itself PA MPJPE. ``per_action`` has the actions that were
    printed, in Human3.6M's order; one that had no samples is not measured.
    """

    line: int
    protocol: Protocol
    aligned: bool
    total: Printed
    per_action: dict[str, Printed]
    times: int = 1


def read_log(path: Path) -> list[PrintedRun]:
    """The runs whose errors a text file tells, in its order.

    Raises ``ConvNeXtPoseCheckError`` (``bad-log``) for a file that cannot be read.
    """
    try:
        if not path.is_file():
            what = "it is no regular file" if path.exists() else "there is no such file"
            raise _bad_log(path, what)
        if path.stat().st_size > MAX_BYTES:
            raise _bad_log(path, f"it has more than {MAX_BYTES // 2**20} MB")
        content = path.read_bytes()
    except OSError as error:
        raise _bad_log(path, f"it cannot be read ({error.strerror})") from None
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))  # as PowerShell writes what it redirects
    return printed_runs(content.decode("utf-16" if wide else "utf-8", errors="replace"))


def _bad_log(path: Path, problem: str) -> ConvNeXtPoseCheckError:
    return ConvNeXtPoseCheckError(
        "bad-log",
        f"the log {path} cannot be used: {problem}",
        "Name the text file that the output of main/test.py went to",
    )


def printed_runs(text: str) -> list[PrintedRun]:
    """The runs in the text; what is printed again, figure by figure, is one run."""
    text = _ESCAPED_BREAKS.sub(" ", _COLOURS.sub("", text))
    runs: dict[tuple[object, ...], PrintedRun] = {}
    for run in _runs(text):
        shown = (run.protocol, run.aligned, repr(run.total), repr(run.per_action))
        if (earlier := runs.get(shown)) is not None:
            run = replace(earlier, times=earlier.times + 1)
        runs[shown] = run
    return list(runs.values())


def _runs(text: str) -> Iterator[PrintedRun]:
    totals = list(_TOTAL.finditer(text))
    line, counted = 1, 0
    for index, found in enumerate(totals):
        end = totals[index + 1].start() if index + 1 < len(totals) else len(text)
        line += text.count("\n", counted, found.start())
        counted = found.start()
        per_action = _actions(text, found.end(), end)
        yield PrintedRun(
            line=line,
            protocol=cast("Protocol", int(found[1])),
            aligned=found[2] is not None,
            total=Printed.of(found[3]),
            per_action={name: per_action[name] for name in ACTIONS.values() if name in per_action},
        )


def _actions(text: str, begin: int, end: int) -> dict[str, Printed]:
    """The actions' means from ``begin`` on, up to the first that comes again or after a gap."""
    found: dict[str, Printed] = {}
    while len(found) < len(ACTIONS):
        limit = min(end, begin + MAX_GAP)
        match = _ACTION.search(text, begin, limit)
        if match is None or match[1] in found or match.end() == limit < end:  # cut within a number
            break
        found[match[1]] = Printed.of(match[2])
        begin = match.end()
    return found
