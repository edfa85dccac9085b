"""Records the value that a validation test obtained, for the report."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recorder:
    """Adds the value that a check obtained to the test's ``user_properties``.

    pytest writes these into JUnit's file as well.
    """

    properties: list[tuple[str, object]]

    def __call__(
        self,
        obtained: object,
        expected: object = None,
        unit: str = "",
        *,
        warning: str = "",
        unverified: str = "",
    ) -> None:
        """Record the values for the report's table; numbers stay numbers.

        With a ``warning``, or the reason why the claim is ``unverified``, a test that passes is not
        shown as passed.
        """
        for name, value in {
            "obtained": obtained,
            "expected": expected,
            "unit": unit or None,
            "warning": warning or None,
            "not verified": unverified or None,
        }.items():
            if value is not None:
                is_number = isinstance(value, (int, float))
                self.properties.append((name, value if is_number else str(value)))
