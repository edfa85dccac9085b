"""Progress display: a bar on a terminal, a line every few seconds in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Thread
from typing import Literal, TextIO

from convnextpose_check.text import escape_control_chars

LOG_SECONDS = 10.0
"""Maximum time between two lines of a progress bar in a log."""
PHASE_SECONDS = 8.0
"""Time between two lines for work of unknown duration."""

_WRITE_ERRORS = (OSError, ValueError)
"""Errors of a failed write. UnicodeEncodeError and that of a closed file are ValueErrors."""

Advance = Callable[..., None]
"""``advance(count, note="")`` adds finished items and sets the note beside the bar."""


@contextmanager
def progress_bar(
    stream: TextIO | None, title: str, total: int, unit: Literal["image", "B"] = "image"
) -> Iterator[Advance]:
    """Show a progress bar with the remaining time on ``stream``; yield its ``Advance``.

    With ``stream`` None nothing is shown.
    """
    if stream is None:
        yield lambda _count, _note="": None
        return
    from tqdm import tqdm

    output = _LossyOutput(stream)
    output.write_plain("\n")  # ends pytest's unfinished line
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
    """Writes progress lines to a stream; discards them without a stream."""

    stream: TextIO | None = None

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Show the title and the elapsed time every few seconds until the block ends."""
        done, started = Event(), time.monotonic()

        def repeat() -> None:
            while not done.wait(PHASE_SECONDS):
                self.write_line(f"{title}: {time.monotonic() - started:.0f} s")

        thread = Thread(target=repeat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def write_line(self, text: str) -> None:
        """Write a line, with control characters escaped."""
        if self.stream is not None:
            _LossyOutput(self.stream).write_plain(f"\n{escape_control_chars(text)}\n")


class _LossyOutput:
    """A stream that ignores failed writes: a progress display must not end a run.

    Writes fail on a full disk, a broken pipe or a closed stream. Characters missing from the
    stream's encoding become ``?``. In a log, each state of a bar becomes a line.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding: str = getattr(stream, "encoding", None) or "utf-8"  # tqdm reads it, too
        self.is_terminal, self._last_line = False, ""
        with suppress(*_WRITE_ERRORS):
            self.is_terminal = stream.isatty()

    def write(self, text: str) -> None:
        if self.is_terminal:
            self.write_plain(text)
        elif (line := text.strip("\r\n ")) and line != self._last_line:
            self._last_line = line
            self.write_plain(f"{line}\n")

    def write_plain(self, text: str) -> None:
        with suppress(*_WRITE_ERRORS):
            self._stream.write(text.encode(self.encoding, "replace").decode(self.encoding))
            self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()  # tqdm uses it to measure the terminal's width
