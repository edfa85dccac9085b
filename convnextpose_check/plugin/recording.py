"""What a validation test tells the report."""

from __future__ import annotations

from typing import Protocol


class Obtained(Protocol):
    """Show what a check obtained beside what it expected; numbers as numbers, with their unit."""

    def __call__(
        self,
        value: object,
        expected: object = None,
        unit: str = "",
        *,
        warning: str = "",
        unverified: str = "",
    ) -> None:
        """Record the values for the report's table.

        With a ``warning``, or the reason why the claim is ``unverified``, a test that passes is not
        shown as passed.
        """
