"""Methods whose outcome is remembered, be it a value or a user's mistake."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from traceback import clear_frames
from typing import Any, Protocol, TypeVar

from convnextpose_check.errors import ConvNeXtPoseCheckError

F = TypeVar("F", bound=Callable[..., Any])


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
                self.outcomes[key] = error
                clear_frames(error.__traceback__)  # what they hold may be large
                raise
        outcome = self.outcomes[key]
        if isinstance(outcome, ConvNeXtPoseCheckError):
            raise outcome.with_traceback(None)
        return outcome

    return remembering  # type: ignore[return-value]  # same signature as the method
