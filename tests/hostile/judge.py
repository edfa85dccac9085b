"""Opens a hostile file and says what came of it; any harm is an assertion."""

from __future__ import annotations

import os
import select
import signal
import socket
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

import pytest

from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.network.keymap import StateDict
from tests.hostile.cases import LOADS
from tests.support.archives import differing_keys

LIMIT_SECONDS = 20
VARIABLE = "CONVNEXTPOSE_CANARY"


class HungError(BaseException):
    """Not an Exception, so that no handler of the library takes it for a broken file."""


@contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Interrupt what takes longer."""

    def interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise HungError(f"took more than {seconds} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Judge:
    """Opens files under watch, and counts: tried, refused, loaded, wrong."""

    def __init__(self, folder: Path) -> None:
        # Where something could be left behind is this judge's alone: others may write beside it.
        self.places = {name: folder / name for name in ("work", "temporary", "home")}
        for place in self.places.values():
            place.mkdir()
        self.folder = folder / "within" / "files"
        self.folder.mkdir(parents=True)
        self.canary = self.folder / "canary"
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []

    def outcome(self, path: Path, good: StateDict | None) -> str:
        """``loads``, the code of the refusal, or ``wrong`` and why."""
        before = self._listing()
        with self._at_home(), at_most(LIMIT_SECONDS):
            try:
                checkpoint = load_checkpoint(path)
            except ConvNeXtPoseCheckError as error:
                outcome = self._refusal(error, path)
            else:
                outcome = self._loaded(checkpoint, good)
        assert not self.canary.exists()
        assert VARIABLE not in os.environ
        assert not select.select([self.listener], [], [], 0)[0], "something connected"
        assert self._listing() == before, "files were left behind"
        return outcome

    def expect(self, name: str, path: Path, codes: tuple[str, ...], good: StateDict | None) -> None:
        """Open and count; an outcome outside ``codes`` is wrong."""
        self.counts["tried"] += 1
        try:
            outcome = self.outcome(path, good)
        except Exception as error:  # noqa: BLE001 - whatever else comes out is a fault to report
            outcome = f"{type(error).__name__}: {error}"
        if outcome in codes:
            self.counts["loaded" if outcome == LOADS else "refused"] += 1
            return
        self.counts["wrong"] += 1
        self.wrong.append(f"{name}: {outcome} instead of {' or '.join(codes)}")

    def _refusal(self, error: ConvNeXtPoseCheckError, path: Path) -> str:
        message = str(error)
        assert str(path) in error.problem, "the file is not named"
        assert error.remedy, "what to do is not told"
        assert "weights_only" not in message
        assert message.isprintable()
        assert message.isascii()
        assert len(message) < 1500
        assert error.__suppress_context__ or error.__context__ is None
        return error.code

    def _loaded(self, checkpoint: Checkpoint, good: StateDict | None) -> str:
        if good is not None:
            assert list(checkpoint.network) == list(good), "other keys"
            assert differing_keys(checkpoint.network, good) == [], "other bits"
        return LOADS

    def _listing(self) -> set[Path]:
        parents = (self.folder.parent, self.folder.parent.parent)
        places = (*self.places.values(), self.folder, *parents)
        return {path for place in places for path in place.iterdir()}

    @contextmanager
    def _at_home(self) -> Iterator[None]:
        """Work in the judge's own places, where files would be left behind."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.places["work"])
            patch.setattr(tempfile, "tempdir", str(self.places["temporary"]))
            patch.setenv("HOME", str(self.places["home"]))
            yield
