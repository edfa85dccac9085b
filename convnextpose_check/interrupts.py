"""Ctrl-C and SIGTERM both end a run in order, with the partial results saved.

Kaggle and CI end runs with SIGTERM, which by default ends Python at once.
"""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

ENOUGH = 3
"""Number of signals after which even a protected block is interrupted."""


class Interrupted(KeyboardInterrupt):
    """A run was interrupted; the message says what is saved, which --resume may continue."""


_counts: Counter[str] = Counter()
"""Signals received by this process, and nested blocks of ``defer_signals``."""


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _counts["received"] += 1
    if not _counts["holds"] or _counts["received"] >= ENOUGH:
        raise KeyboardInterrupt(signal.Signals(number).name)


def install_signal_handlers() -> Callable[[], None]:
    """Have SIGTERM and SIGINT raise ``KeyboardInterrupt``; returns a function that undoes it.

    A signal that is ignored or has another handler is left alone.
    """
    if threading.current_thread() is not threading.main_thread():  # only it may set handlers
        return lambda: None
    _counts["received"] = 0
    defaults = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    replaced = {n: default for n, default in defaults.items() if signal.getsignal(n) == default}
    for number in replaced:
        signal.signal(number, _interrupt)

    def undo() -> None:
        for number, default in replaced.items():
            signal.signal(number, default)

    return undo


@contextmanager
def defer_signals() -> Iterator[None]:
    """Delay a signal until the end of the block.

    In a run that is already ending because of an earlier signal, a further one has no effect.
    """
    before = _counts["received"]
    _counts["holds"] += 1
    try:
        yield
    finally:
        _counts["holds"] -= 1
    if _counts["received"] > before == 0 and not _counts["holds"]:
        raise KeyboardInterrupt
