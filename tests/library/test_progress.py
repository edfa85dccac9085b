"""Progress is a bar on a terminal and a line now and then in a log."""

from __future__ import annotations

import io

import pytest

from convnextpose_check import progress
from convnextpose_check.progress import progress_bar


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
