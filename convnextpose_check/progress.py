"""Progress of long work: a bar on a terminal, a line every few seconds in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import Literal, TextIO

from convnextpose_check.text import escape_control_chars

LOG_SECONDS = 10.0
"""Longest time between two lines in a log."""
PHASE_SECONDS = 8.0
"""Time between two lines about work of unknown length."""


Advance = Callable[..., None]
"""Adds to the number of finished items, and sets the note beside the bar: ``(count, note="")``."""


@contextmanager
def progress_bar(
    stream: TextIO | None, title: str, total: int, unit: Literal[" images", "B"] = " images"
) -> Iterator[Advance]:
    """Show a bar with the time left on ``stream``, if there is one, and yield its ``Advance``."""
    if stream is None:
        yield lambda _count, _note="": None
        return
    from tqdm import tqdm

    output = _LossyOutput(stream)
    output.write_plain("\n")
    with tqdm(
        total=total,
        desc=title,
        file=output,
        unit=unit,
        unit_scale=unit == "B",
        mininterval=0.1 if output.is_terminal else LOG_SECONDS,
        maxinterval=LOG_SECONDS,
        dynamic_ncols=output.is_terminal,
    ) as bar:

        def advance(count: int, note: str = "") -> None:
            bar.set_postfix_str(note, refresh=False)
            bar.update(count)

        yield advance


@dataclass(frozen=True)
class ProgressDisplay:
    """Shows lines on a stream, or nothing without one."""

    stream: TextIO | None = None

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Show every few seconds how long work of unknown length has taken."""
        done, started = Event(), time.monotonic()

        def repeat() -> None:
            while not done.wait(PHASE_SECONDS):
                self.say(f"{title}: {time.monotonic() - started:.0f} s")

        thread = Thread(target=repeat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def say(self, text: str) -> None:
        """Show a line."""
        if self.stream is not None:
            _LossyOutput(self.stream).write_plain(f"\n{escape_control_chars(text)}\n")


class _LossyOutput:
    """A stream that drops what cannot be written: progress display must not end a run.

    A full disk, a broken pipe or a closed stream raises nothing. Characters that the stream's
    encoding lacks are replaced by ``?``. In a log, each drawing of a bar becomes a line.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding: str = getattr(stream, "encoding", None) or "utf-8"  # read by tqdm, too
        self.is_terminal = False
        with suppress(*_LOSSES):
            self.is_terminal = stream.isatty()

    def write(self, text: str) -> None:
        if self.is_terminal:
            self.write_plain(text)
        elif line := text.strip("\r\n "):
            self.write_plain(f"{line}\n")

    def write_plain(self, text: str) -> None:
        with suppress(*_LOSSES):
            self._stream.write(text.encode(self.encoding, "replace").decode(self.encoding))
            self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()  # by which tqdm measures the terminal's width


_LOSSES = (OSError, ValueError)
"""Failed writes. UnicodeEncodeError and writing to a closed file are ValueErrors."""
