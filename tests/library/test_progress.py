"""Progress is a bar on a terminal and a line every few seconds in a log."""

from __future__ import annotations

import io
import re
import time
from typing import TextIO

import pytest

from convnextpose_check import progress
from convnextpose_check.progress import ProgressDisplay, progress_bar


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def show_everything(stream: TextIO) -> int:
    """Draw a bar with notes and a line; return the number of items processed."""
    done = 0
    with progress_bar(stream, "Größe ▏", 4) as advance:
        for _ in range(4):
            advance(1, "XS 56.6 ±4.4")
            done += 1
    ProgressDisplay(stream).write_line("going on: ±4 images")
    return done


@pytest.fixture
def _frequent_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a log line for each item."""
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.0)


@pytest.mark.usefixtures("_frequent_log")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("kind", [io.TextIOWrapper, Terminal], ids=["log", "terminal"])
def test_progress_bar_shows_share_and_note(kind: type[io.TextIOWrapper], encoding: str) -> None:
    raw = io.BytesIO()
    stream = kind(raw, encoding=encoding, write_through=True)

    assert show_everything(stream) == 4

    text = raw.getvalue().decode(encoding)
    title, sign = ("Gr??e ?", "?") if encoding == "ascii" else ("Größe ▏", "±")
    lines = [line for line in text.replace("\r", "\n").splitlines() if line.startswith(title)]
    if kind is not Terminal:  # a terminal redraws the bar less often
        assert any(f"{title}:  50%" in line and "<" in line for line in lines)
    assert f"{title}: 100%" in lines[-1]
    assert "4/4" in lines[-1]
    assert lines[-1].rstrip().endswith(f"XS 56.6 {sign}4.4]")
    assert ("\r" in text) == (kind is Terminal)
    assert text.endswith(f"\ngoing on: {sign}4 images\n")


@pytest.mark.usefixtures("_frequent_log")
def test_progress_bar_slower_than_one_a_second_shows_seconds_per_image() -> None:
    log = io.StringIO()

    with progress_bar(log, "XS", 2) as advance:
        time.sleep(1.1)
        advance(1)

    lines = [line for line in log.getvalue().splitlines() if "1/2" in line]
    assert re.search(r" 1\.\d\ds/image\]", lines[0])
    assert len(lines) == len(set(lines))


def test_phase_prints_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PHASE_SECONDS", 0.01)
    log = io.StringIO()
    display = ProgressDisplay(log)

    with display.phase("reading annotations"):
        while log.getvalue().count("reading annotations: 0 s") < 2:
            time.sleep(0.005)

    shown = log.getvalue()
    time.sleep(0.05)
    assert log.getvalue() == shown


def test_progress_bar_in_log_has_few_lines() -> None:
    with progress_bar(None, "reading", 1) as advance:
        advance(1)
    log = io.StringIO()

    with progress_bar(log, "reading", 1000) as advance:
        for _ in range(1000):
            advance(1)

    assert len(log.getvalue().splitlines()) < 6


class BrokenStream(io.StringIO):
    def __init__(self, error: Exception, method: str, *, on_terminal: bool) -> None:
        super().__init__()
        self.on_terminal = on_terminal
        setattr(self, method, self.fail)
        self.error = error

    def fail(self, *_: object) -> int:
        raise self.error

    def isatty(self) -> bool:
        return self.on_terminal


@pytest.mark.usefixtures("_frequent_log")
@pytest.mark.parametrize("on_terminal", [True, False])
@pytest.mark.parametrize("method", ["write", "flush", "isatty"])
@pytest.mark.parametrize("error", [OSError("disk full"), ValueError("closed file")])
def test_progress_bar_ignores_errors(error: Exception, method: str, on_terminal: bool) -> None:
    assert show_everything(BrokenStream(error, method, on_terminal=on_terminal)) == 4
