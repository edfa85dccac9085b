"""Methods whose outcome is remembered, be it a value or a failure."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from traceback import clear_frames
from typing import Any, Protocol, TypeVar

from convnextpose_check.errors import ConvNeXtPoseCheckError

F = TypeVar("F", bound=Callable[..., Any])


class Failed:
    """A failure that was remembered; one that is no user's mistake keeps its traceback."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        is_told = isinstance(error, ConvNeXtPoseCheckError)
        self._traceback = None if is_told else error.__traceback__

    def again(self) -> Exception:
        """The error, to be raised as it was the first time."""
        return self.error.with_traceback(self._traceback)


class Remembers(Protocol):
    """What has such methods: ``outcomes`` by method and arguments."""

    outcomes: dict[tuple[str, ...], Any]


def once(method: F) -> F:
    """Call the method once for each argument; afterwards return or raise the same again."""

    @wraps(method)
    def remembering(self: Remembers, *arguments: str) -> Any:
        key = (method.__name__, *arguments)
        if key not in self.outcomes:
            try:
                self.outcomes[key] = method(self, *arguments)
            except ConvNeXtPoseCheckError as error:
                self.outcomes[key] = Failed(error)
                clear_frames(error.__traceback__)  # what they hold may be large
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it would be the same again
                self.outcomes[key] = Failed(error)
        outcome = self.outcomes[key]
        if isinstance(outcome, Failed):
            raise outcome.again()
        return outcome

    return remembering  # type: ignore[return-value]  # same signature as the method
