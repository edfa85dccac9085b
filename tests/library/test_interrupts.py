"""Signals raise KeyboardInterrupt, wait while files are written, and are restored afterwards."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from convnextpose_check.interrupts import (
    defer_signals,
    install_signal_handlers,
)

BOTH = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def handlers() -> Iterator[None]:
    """Install the signal handlers of a run, and restore those of this process."""
    earlier = {number: signal.getsignal(number) for number in BOTH}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    undo = install_signal_handlers()
    yield
    undo()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    install_signal_handlers()()  # forgets the signals
    for number, handler in earlier.items():
        signal.signal(number, handler)


def send(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", BOTH)
@pytest.mark.usefixtures("handlers")
def test_signal_handlers_raise_keyboard_interrupt(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt, match=number.name):
        send(number)


@pytest.mark.usefixtures("handlers")
def test_defer_signals_nested_raises_after_outermost_block() -> None:
    done = []

    def write() -> None:
        with defer_signals():
            with defer_signals():
                send()
                done.append(1)
            done.append(2)

    with pytest.raises(KeyboardInterrupt):
        write()

    assert done == [1, 2]


@pytest.mark.usefixtures("handlers")
def test_defer_signals_after_a_signal_ignores_further_ones() -> None:
    with pytest.raises(KeyboardInterrupt):
        send(signal.SIGINT)
    with defer_signals():
        send(signal.SIGTERM)  # as a job scheduler sends after a Ctrl-C


@pytest.mark.usefixtures("handlers")
def test_defer_signals_error_inside_is_raised() -> None:
    def fail() -> None:
        with defer_signals():
            send()
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail()


def test_signal_handlers_ignored_signal_stays_ignored() -> None:
    earlier = {number: signal.getsignal(number) for number in BOTH}
    try:
        for number in BOTH:
            signal.signal(number, signal.SIG_IGN)
        undo = install_signal_handlers()
        assert [signal.getsignal(number) for number in BOTH] == [signal.SIG_IGN] * 2
        undo()
        assert [signal.getsignal(number) for number in BOTH] == [signal.SIG_IGN] * 2
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
