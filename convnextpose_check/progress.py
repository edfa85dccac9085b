"""Progress and time left for long work, on a terminal or in a log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import Literal, Protocol, TextIO

from convnextpose_check.wording import printable

LOG_SECONDS = 10.0
"""In a log, where a bar cannot be redrawn, a line appears this often."""


class Advance(Protocol):
    """Tells the bar how many items were just done, and what is to be said beside it."""

    def __call__(self, count: int, note: str = "", /) -> None:
        """Move the bar on."""


@contextmanager
def progress_bar(
    stream: TextIO | None, title: str, total: int, unit: Literal[" images", "B"] = " images"
) -> Iterator[Advance]:
    """Yield a function to call with the number of items just done, and with a note if there is one.

    On a terminal a bar is redrawn; elsewhere a line with the time left appears every few seconds.
    Nothing is shown where ``stream`` is None.
    """
    if stream is None:
        yield lambda _count, _note="": None
        return
    from tqdm import tqdm

    output = _LossyOutput(stream)
    on_terminal = output.isatty()
    lines = _Lines(output)
    output.write("\n")
    with tqdm(
        total=total,
        desc=title,
        file=output if on_terminal else lines,
        unit=unit,
        unit_scale=unit == "B",
        mininterval=0.1 if on_terminal else LOG_SECONDS,
        maxinterval=LOG_SECONDS,
        dynamic_ncols=on_terminal,
        ncols=None if on_terminal else 79,
    ) as bar:

        def advance(count: int, note: str = "") -> None:
            lines.note = note
            if on_terminal:
                bar.set_postfix_str(note, refresh=False)
            bar.update(count)

        yield advance


@dataclass(frozen=True)
class Screen:
    """Where long work shows how far it is and what it has to say; nowhere without a stream."""

    stream: TextIO | None = None

    def bar(self, title: str, images: int) -> AbstractContextManager[Advance]:
        """A progress bar over so many images."""
        return progress_bar(self.stream, title, images)

    def say(self, text: str) -> None:
        """A line of its own."""
        if self.stream is not None:
            _LossyOutput(self.stream).write(f"\n{printable(text)}\n")


class _LossyOutput:
    """A stream that drops what cannot be written: progress display must not end a run.

    A full disk, a broken pipe or a closed stream raises nothing. Characters that the stream's
    encoding lacks are replaced by ``?``.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding: str = getattr(stream, "encoding", None) or "utf-8"  # read by tqdm, too

    def write(self, text: str) -> None:
        with suppress(*_LOSSES):
            self._stream.write(text.encode(self.encoding, "replace").decode(self.encoding))

    def flush(self) -> None:
        with suppress(*_LOSSES):
            self._stream.flush()

    def isatty(self) -> bool:
        with suppress(*_LOSSES):
            return self._stream.isatty()
        return False

    def fileno(self) -> int:
        """The descriptor, by which tqdm measures the terminal's width."""
        return self._stream.fileno()


_LOSSES = (OSError, ValueError)
"""Failed writes. UnicodeEncodeError and writing to a closed file are ValueErrors."""


class _Lines:
    """Turns a bar that is redrawn in place into lines of a log, each with the note below it."""

    def __init__(self, output: _LossyOutput) -> None:
        self._output = output
        self.note = ""

    def write(self, text: str) -> None:
        if line := text.strip("\r\n "):
            self._output.write(f"{line}\n  {self.note}\n" if self.note else f"{line}\n")

    def flush(self) -> None:
        self._output.flush()
