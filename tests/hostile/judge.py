"""Opens a hostile file and reports the outcome; fails an assertion if it does harm."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.network.keymap import StateDict
from tests.hostile.cases import CANARY, LOADS
from tests.support.archives import find_differing_keys

LIMIT_SECONDS = 20


class HungError(BaseException):
    """Not an Exception, which the library would report as a damaged file."""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Interrupt the block after this time."""

    def interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise HungError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def open_file(path: Path, good: StateDict | None = None) -> tuple[str, str]:
    """Return ``LOADS`` or the error code, and the message; ``good`` has the expected tensors."""
    before = set(path.parent.iterdir())
    refusal = network = None
    with at_most(LIMIT_SECONDS):
        try:
            network = load_checkpoint(path).network
        except ConvNeXtPoseCheckError as error:
            refusal = error
    assert not CANARY.exists(), "the file ran code"
    assert set(path.parent.iterdir()) == before, "files were left behind"
    if network is not None and good is not None:
        assert list(network) == list(good)
        assert find_differing_keys(network, good) == []
    if refusal is None:
        return LOADS, ""
    message = str(refusal)
    assert str(path) in refusal.problem
    assert refusal.remedy
    assert "weights_only" not in message.replace("weights_only=True", "")
    assert message.isprintable()
    assert message.isascii()
    assert len(message) < 1500
    assert refusal.__suppress_context__ or refusal.__context__ is None
    return refusal.code, message
