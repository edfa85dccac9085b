"""Handle Ctrl-C and SIGTERM alike: a run saves its partial results and ends.

Kaggle and CI end runs with SIGTERM, which by default ends Python without cleanup.
"""

import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_counts: Counter[str] = Counter()
"""``received``: signals of this process; ``depth``: nested blocks of ``defer_signals``."""


def _handle_signal(number: int, _frame: FrameType | None) -> None:
    _counts["received"] += 1
    if not _counts["depth"]:
        raise KeyboardInterrupt(signal.Signals(number).name)


def install_signal_handlers() -> Callable[[], None]:
    """Make SIGTERM and SIGINT raise ``KeyboardInterrupt``; return a function that undoes this.

    A signal that is ignored or has a custom handler keeps it.
    """
    _counts["received"] = 0
    defaults = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}
    replaced = {n: default for n, default in defaults.items() if signal.getsignal(n) == default}
    for number in replaced:
        signal.signal(number, _handle_signal)

    def undo() -> None:
        for number, default in replaced.items():
            signal.signal(number, default)

    return undo


@contextmanager
def defer_signals() -> Iterator[None]:
    """Delay the ``KeyboardInterrupt`` of a signal until the end of the block.

    If an earlier signal is already ending the run, a further one has no effect.
    """
    is_ending = _counts["received"] > 0
    _counts["depth"] += 1
    try:
        yield
    finally:
        _counts["depth"] -= 1
    if _counts["received"] and not is_ending and not _counts["depth"]:
        raise KeyboardInterrupt
