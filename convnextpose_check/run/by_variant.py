"""A value of each variant, or the error that prevented it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from convnextpose_check.errors import ConvNeXtPoseCheckError

T = TypeVar("T")


class ByVariant(Generic[T]):
    """Values by variant; reading one that could not be made raises its error.

    The error of one variant does not affect the others, and many tests can read a value that took
    long to make.
    """

    def __init__(self, outcomes: Mapping[str, T | Exception]) -> None:
        self.outcomes = dict(outcomes)

    @classmethod
    def collect(cls, variants: Iterable[str], make: Callable[[str], T]) -> ByVariant[T]:
        """Make the value of each variant; a user's mistake is stored as its error."""
        outcomes: dict[str, T | Exception] = {}
        for variant in variants:
            try:
                outcomes[variant] = make(variant)
            except ConvNeXtPoseCheckError as error:
                outcomes[variant] = error.with_traceback(None)  # its frames may hold large arrays
        return cls(outcomes)

    def __getitem__(self, variant: str) -> T:
        outcome = self.outcomes[variant]
        if isinstance(outcome, ConvNeXtPoseCheckError):
            raise outcome.with_traceback(None)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    @property
    def available(self) -> dict[str, T]:
        """The values that could be made."""
        return {v: value for v, value in self.outcomes.items() if not isinstance(value, Exception)}

    @property
    def errors(self) -> dict[str, Exception]:
        """The errors of the others."""
        return {v: error for v, error in self.outcomes.items() if isinstance(error, Exception)}
