"""What a user can mend, told once however many tests it fails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError


@dataclass
class Mistakes:
    """The first test that each mistake failed, by the mistake's words: that test tells it."""

    first: dict[str, str] = field(default_factory=dict)

    def tell(self, report: pytest.TestReport, error: ConvNeXtPoseCheckError) -> None:
        """Let the test that failed say the mistake, or in one line which test has said it.

        The report's ``told_by`` is that other test, empty where it tells the mistake itself.
        """
        test = short_id(report)
        first = self.first.setdefault(str(error), test)
        tells = first == test
        report.longrepr = str(error) if tells else f"[{error.code}] as {first} says"
        vars(report)["told_by"] = "" if tells else first
        if not tells:
            report.sections.clear()  # what was captured says the same once more


def short_id(report: pytest.TestReport) -> str:
    """The test as results name it, in whatever folder its file is."""
    path, _, name = str(report.nodeid).partition("::")
    return f"{path.rsplit('/', 1)[-1]}::{name}"


def told_by(report: object) -> str | None:
    """The test that tells this one's mistake, empty for itself, None where there is no mistake."""
    told: str | None = getattr(report, "told_by", None)
    return told


def what_to_mend(reports: Iterable[pytest.TestReport]) -> list[str]:
    """Each mistake and the tests that it failed, in the order in which they came."""
    failed: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    for report in reports:
        if (told := told_by(report)) is not None:
            failed.setdefault(told or short_id(report), []).append(short_id(report))
            if not told:
                texts[short_id(report)] = str(report.longrepr)
    return [f"{text} It fails {failing(failed[test])}." for test, text in texts.items()]


def failing(tests: list[str]) -> str:
    """The first test and how many more there are."""
    if len(tests) == 1:
        return tests[0]
    more = "1 test that needs" if len(tests) == 2 else f"{len(tests) - 1} tests that need"
    return f"{tests[0]} and {more} the same"
