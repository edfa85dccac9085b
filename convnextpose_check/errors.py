"""The one family of errors that a user can cause and mend."""

from __future__ import annotations

from convnextpose_check.wording import printable


class ConvNeXtPoseCheckError(Exception):
    """A mistake or a failed check, told as: what, where, how to mend it.

    ``code`` is stable and meant for machines, such as ``html-page`` or ``wrong-variant``. What
    the texts quote of names and files is escaped here, and nowhere else.
    """

    def __init__(self, code: str, problem: str, remedy: str = "") -> None:
        problem, remedy = printable(problem), printable(remedy)
        super().__init__(problem if not remedy else f"{problem}. {remedy}.")
        self.code = code
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return f"[{self.code}] {super().__str__()}"


class CheckFailedError(ConvNeXtPoseCheckError):
    """A subject does not have what it must have: obtained against expected."""

    def __init__(
        self,
        code: str,
        problem: str,
        remedy: str = "",
        obtained: object = None,
        expected: object = None,
    ) -> None:
        super().__init__(code, problem, remedy)
        self.obtained = printable(obtained) if isinstance(obtained, str) else obtained
        self.expected = printable(expected) if isinstance(expected, str) else expected
