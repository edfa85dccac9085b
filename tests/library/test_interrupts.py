"""Signals raise what Ctrl-C raises, wait while files are written, and are given back afterwards."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from convnextpose_check.interrupts import ENOUGH, held, obey_signals
from convnextpose_check.plugin.interrupts import resuming_command

BOTH = (signal.SIGINT, signal.SIGTERM)


@pytest.fixture
def obeyed() -> Iterator[None]:
    """As in a run of its own: this very run listens as well."""
    earlier = {number: signal.getsignal(number) for number in BOTH}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    undo = obey_signals()
    yield
    undo()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    obey_signals()()  # forgets what it was told here
    for number, handler in earlier.items():
        signal.signal(number, handler)


def tell(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", BOTH)
@pytest.mark.usefixtures("obeyed")
def test_either_signal_raises_the_same(number: signal.Signals) -> None:
    with pytest.raises(KeyboardInterrupt, match=number.name):
        tell(number)


@pytest.mark.usefixtures("obeyed")
def test_signal_waits_until_what_is_held_is_done() -> None:
    done = []

    def write() -> None:
        with held():
            with held():
                tell()
                done.append(1)
            done.append(2)

    with pytest.raises(KeyboardInterrupt):
        write()

    assert done == [1, 2]


@pytest.mark.usefixtures("obeyed")
def test_second_signal_does_not_disturb_the_end_and_the_last_is_obeyed_at_once() -> None:
    with pytest.raises(KeyboardInterrupt):
        tell(signal.SIGINT)
    with held():
        tell(signal.SIGTERM)  # as a job scheduler sends after a Ctrl-C

    def never_done() -> None:
        with held():
            for _ in range(ENOUGH):
                tell()
            pytest.fail("it goes on")

    with pytest.raises(KeyboardInterrupt):
        never_done()


@pytest.mark.usefixtures("obeyed")
def test_error_inside_is_not_hidden_by_a_signal() -> None:
    def fail() -> None:
        with held():
            tell()
            raise ValueError("told")

    with pytest.raises(ValueError, match="told"):
        fail()


def test_what_somebody_else_listens_to_or_ignores_is_left_alone() -> None:
    earlier = {number: signal.getsignal(number) for number in BOTH}
    try:
        for number in BOTH:
            signal.signal(number, signal.SIG_IGN)
        undo = obey_signals()
        assert [signal.getsignal(number) for number in BOTH] == [signal.SIG_IGN] * 2
        undo()
        assert [signal.getsignal(number) for number in BOTH] == [signal.SIG_IGN] * 2
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def test_thread_listens_to_nothing() -> None:
    failures: list[BaseException] = []

    def listen() -> None:
        try:
            obey_signals()()
        except ValueError as error:  # signals are the main thread's
            failures.append(error)

    thread = threading.Thread(target=listen)
    thread.start()
    thread.join()

    assert failures == []


@pytest.mark.parametrize(
    ("program", "arguments", "environment", "command"),
    [
        ("/bin/pytest", ["-m", "gpu"], {}, "pytest -m gpu --resume"),
        ("/x/pytest/__main__.py", ["-q"], {"HOME": "/"}, "python -m pytest -q --resume"),
        ("-c", ["--resume", "-q"], {}, "pytest --resume -q"),
        ("pytest", ["-m", "not gpu", "--", "a b"], {}, "pytest -m 'not gpu' --resume -- 'a b'"),
        (
            "pytest",
            [],
            {"CONVNEXTPOSE_CHECKPOINTS": "my files", "CONVNEXTPOSE_BBOX": "gt"},
            "CONVNEXTPOSE_BBOX=gt CONVNEXTPOSE_CHECKPOINTS='my files' pytest --resume",
        ),
    ],
)
def test_command_that_goes_on_can_be_pasted(
    program: str, arguments: list[str], environment: dict[str, str], command: str
) -> None:
    assert resuming_command(program, arguments, environment) == command
