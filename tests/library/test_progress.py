"""Progress is a bar on a terminal and a line now and then in a log."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from typing import TextIO

import pytest

from convnextpose_check import progress
from convnextpose_check.progress import Screen, progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_bar_is_redrawn_on_a_terminal() -> None:
    screen = Terminal()

    with progress_bar(screen, "reading", 4) as advance:
        for _ in range(4):
            advance(1)

    assert "\r" in screen.getvalue()
    assert "reading: 100%" in screen.getvalue()


def test_log_gets_whole_lines_with_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    log = io.StringIO()

    with progress_bar(log, "reading", 4) as advance:
        for _ in range(4):
            advance(1)

    lines = log.getvalue().splitlines()
    assert "\r" not in log.getvalue()
    assert any("reading:  50%" in line and "<" in line for line in lines)
    assert "4/4" in lines[-1]
    assert max(map(len, lines)) < 80


def test_log_is_not_flooded() -> None:
    log = io.StringIO()

    with progress_bar(log, "reading", 1000) as advance:
        for _ in range(1000):
            advance(1)

    assert len(log.getvalue().splitlines()) < 6


def test_without_a_stream_nothing_is_shown() -> None:
    with progress_bar(None, "reading", 1) as advance:
        advance(1)


def test_note_stands_beside_the_bar_and_below_a_line_of_a_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    terminal, log = Terminal(), io.StringIO()

    for stream in (terminal, log):
        with progress_bar(stream, "reading", 2) as advance:
            advance(1)
            advance(1, "XS 56.6 mm")

    assert terminal.getvalue().rstrip().endswith("XS 56.6 mm]")
    assert log.getvalue().splitlines()[-1] == "  XS 56.6 mm"
    assert log.getvalue().count("XS") == 2


class Broken(io.StringIO):
    """A terminal or log whose writes or flushes raise an error."""

    def __init__(self, error: Exception, method: str, *, on_terminal: bool) -> None:
        super().__init__()
        self.on_terminal = on_terminal
        setattr(self, method, self.fail)
        self.error = error

    def fail(self, *_: object) -> int:
        raise self.error

    def isatty(self) -> bool:
        return self.on_terminal


def show_everything(stream: TextIO) -> int:
    """Draw a bar with notes and a line; returns how many items the caller got through."""
    done = 0
    with Screen(stream).bar("Größe ▏", 4) as advance:
        for _ in range(4):
            advance(1, "XS 56.6 ±4.4")
            done += 1
    Screen(stream).say("going on: ±4 images")
    return done


@pytest.mark.parametrize("on_terminal", [True, False])
@pytest.mark.parametrize("method", ["write", "flush"])
@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        BrokenPipeError(errno.EPIPE, "Broken pipe"),
        ValueError("I/O operation on closed file"),
        UnicodeEncodeError("ascii", "±", 0, 1, "ordinal not in range(128)"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_progress_that_cannot_be_written_is_dropped(
    error: Exception, method: str, on_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)

    assert show_everything(Broken(error, method, on_terminal=on_terminal)) == 4


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_progress_on_a_full_disk_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    done = 0

    with (
        pytest.raises(OSError, match="No space"),  # by closing it, with text in its buffer
        Path("/dev/full").open("w", buffering=1, encoding="utf-8") as stream,
    ):
        done = show_everything(stream)

    assert done == 4


def test_progress_on_a_closed_stream_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    stream = io.StringIO()
    stream.close()

    assert show_everything(stream) == 4


def test_progress_to_a_pipe_without_a_reader_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    reading, writing = os.pipe()
    os.close(reading)
    stream = os.fdopen(writing, "w", buffering=1, encoding="utf-8")

    assert show_everything(stream) == 4

    with pytest.raises(BrokenPipeError):
        stream.close()


class AsciiTerminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("kind", [io.TextIOWrapper, AsciiTerminal])
def test_ascii_stream_gets_progress_with_replaced_characters(
    kind: type[io.TextIOWrapper], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)
    raw = io.BytesIO()
    stream = kind(raw, encoding="ascii", write_through=True)

    assert show_everything(stream) == 4

    text = raw.getvalue().decode("ascii")
    assert "Gr??e ?: 100%" in text
    assert "XS 56.6 ?4.4" in text
    assert text.endswith("going on: ?4 images\n")
