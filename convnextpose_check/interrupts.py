"""Ctrl-C and SIGTERM end a run alike: in order, and with what was measured so far kept.

Kaggle and CI end runs with SIGTERM, which by itself ends Python on the spot.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENOUGH = 3
"""Whoever asks so often to end is obeyed at once, whatever is being written."""


class Interrupted(KeyboardInterrupt):
    """A run was told to end; the message says what of it is kept, which --resume may go on with."""

    def __init__(self, message: str, is_resumable: bool) -> None:
        super().__init__(message)
        self.is_resumable = is_resumable


class _Signals:
    """How often this process was told to end, and what it is doing meanwhile."""

    def __init__(self) -> None:
        self.told = 0
        self.holds = 0

    def hear(self, number: int, _frame: FrameType | None) -> None:
        self.told += 1
        if not self.holds or self.told >= ENOUGH:
            raise KeyboardInterrupt(signal.Signals(number).name)


_signals = _Signals()


def obey_signals() -> Callable[[], None]:
    """Have SIGTERM and SIGINT raise ``KeyboardInterrupt``; returns what undoes it.

    One that is ignored, or that somebody else listens to, is left alone.
    """
    if threading.current_thread() is not threading.main_thread():  # it alone may listen
        return lambda: None
    _signals.told = 0
    replaced = {
        number: earlier
        for number, earlier in (
            (signal.SIGTERM, signal.SIG_DFL),
            (signal.SIGINT, signal.default_int_handler),
        )
        if signal.getsignal(number) == earlier
    }
    for number in replaced:
        signal.signal(number, _signals.hear)

    def undo() -> None:
        for number, earlier in replaced.items():
            signal.signal(number, earlier)

    return undo


@contextmanager
def held() -> Iterator[None]:
    """Let no signal cut short what is done inside: it is obeyed afterwards.

    In a run that is ending already, for which it was told before, there is nothing to obey.
    """
    before = _signals.told
    _signals.holds += 1
    try:
        yield
    finally:
        _signals.holds -= 1
    if _signals.told > before == 0 and not _signals.holds:
        raise KeyboardInterrupt
