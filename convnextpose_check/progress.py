"""Progress and time left for long work, on a terminal or in a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal, TextIO

from convnextpose_check.wording import printable

LOG_SECONDS = 10.0
"""In a log, where a bar cannot be redrawn, a line appears this often."""


@contextmanager
def progress_bar(
    stream: TextIO | None, title: str, total: int, unit: Literal[" images", "B"] = " images"
) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with the number of items just done.

    On a terminal a bar is redrawn; elsewhere a line with the time left appears every few seconds.
    Nothing is shown where ``stream`` is None.
    """
    if stream is None:
        yield lambda _count: None
        return
    from tqdm import tqdm

    on_terminal = stream.isatty()
    stream.write("\n")
    with tqdm(
        total=total,
        desc=title,
        file=stream if on_terminal else _Lines(stream),
        unit=unit,
        unit_scale=unit == "B",
        mininterval=0.1 if on_terminal else LOG_SECONDS,
        maxinterval=LOG_SECONDS,
        dynamic_ncols=on_terminal,
        ncols=None if on_terminal else 79,
    ) as bar:

        def advance(count: int) -> None:
            bar.update(count)

        yield advance


@dataclass(frozen=True)
class Screen:
    """Where long work shows how far it is and what it has to say; nowhere without a stream."""

    stream: TextIO | None = None

    def bar(self, title: str, images: int) -> AbstractContextManager[Callable[[int], None]]:
        """A progress bar over so many images."""
        return progress_bar(self.stream, title, images)

    def say(self, text: str) -> None:
        """A line of its own."""
        if self.stream is not None:
            self.stream.write(f"\n{printable(text)}\n")


class _Lines:
    """Turns a bar that is redrawn in place into lines of a log."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        if line := text.strip("\r\n "):
            self._stream.write(line + "\n")

    def flush(self) -> None:
        self._stream.flush()
