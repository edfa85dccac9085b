"""A mistake is described by the first test that it fails, and named by the others."""

from __future__ import annotations

from typing import Any

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.plugin.mistakes import Mistakes, told_by, what_to_mend

NO_DATA = ConvNeXtPoseCheckError(ErrorCode.DATA_NOT_FOUND, "no folder was given", "Give one")
OTHER = ConvNeXtPoseCheckError(ErrorCode.WRONG_COUNT, "it has 4: expected 3")


def failed(*errors: ConvNeXtPoseCheckError | None) -> list[Any]:
    """A report of a failed test for each error, None for an error of the suite."""
    mistakes, reports = Mistakes(), []
    for letter, error in zip("abcdef", errors, strict=False):
        report = pytest.TestReport(
            f"tests/x.py::test_{letter}[XS]", ("", 0, ""), {}, "failed", "a traceback", "call",
            sections=[("log", "no folder")],
        )  # fmt: skip
        if error is not None:
            mistakes.tell(report, error)
        reports.append(report)
    return reports


def test_first_test_describes_the_mistake_and_the_others_name_it() -> None:
    reports = failed(NO_DATA, OTHER, NO_DATA, None)

    assert [str(report.longrepr) for report in reports] == [
        "[data-not-found] no folder was given. Give one.",
        "[wrong-count] it has 4: expected 3",
        "[data-not-found] as x.py::test_a[XS] says",
        "a traceback",
    ]
    assert [told_by(report) for report in reports] == ["", "", "x.py::test_a[XS]", None]
    assert [len(report.sections) for report in reports] == [1, 1, 0, 1]


@pytest.mark.parametrize(
    ("count", "tests"),
    [
        (1, "x.py::test_a[XS]"),
        (2, "x.py::test_a[XS] and 1 test that needs the same"),
        (4, "x.py::test_a[XS] and 3 tests that need the same"),
    ],
)
def test_what_to_mend_counts_the_tests(count: int, tests: str) -> None:
    assert what_to_mend([*failed(*[NO_DATA] * count), *failed(None)]) == [
        f"[data-not-found] no folder was given. Give one. It fails {tests}."
    ]
