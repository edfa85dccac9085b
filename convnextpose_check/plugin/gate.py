"""Whether a run in which pytest reports no failure may be called passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from convnextpose_check.results.schema import CheckRecord

SHOWN_TESTS = 10
"""More missing tests than these are only counted."""


@dataclass
class Gate:
    """What happened to the validation tests of one run, by test name.

    ``required`` are all tests that the target needs, whether or not they were selected: see
    ``required.py``. It is empty for the synthetic target, parts of which may be run alone.
    ``records`` holds the worst outcome of each test, so that a repetition cannot hide a failure.
    ``changed`` holds tests whose outcome was changed by something outside the suite, and how.
    ``runs`` counts how often each test was begun.
    """

    required: tuple[str, ...] = ()
    records: dict[str, CheckRecord] = field(default_factory=dict)
    changed: dict[str, str] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)

    @property
    def has_failed(self) -> bool:
        """True if a test failed, whatever pytest made of it."""
        return any(record.outcome == "failed" for record in self.records.values())

    def record(self, check: CheckRecord) -> None:
        """Keep the record unless a worse one of the same test is there."""
        earlier = self.records.get(check.test)
        if earlier is None or _RANKS[check.outcome] >= _RANKS[earlier.outcome]:
            self.records[check.test] = check

    def problems(self) -> list[str]:
        """Reasons why the run is not passed, besides failed tests."""
        return [*self._skipped(), *self._changed(), *self._repeated(), *self._missing()]

    def _skipped(self) -> Iterator[str]:
        for test, record in self.records.items():
            if record.outcome == "skipped" and test not in self.changed:
                yield f"{test} was skipped"

    def _changed(self) -> Iterator[str]:
        # What hides a failure comes first: a terminal shows only some of them.
        ranks = {test: _RANKS[record.outcome] for test, record in self.records.items()}
        ordered = sorted(self.changed.items(), key=lambda item: -ranks.get(item[0], 0))
        for test, change in ordered:
            yield f"{test} {change}, by a plugin or conftest.py outside this suite"

    def _repeated(self) -> Iterator[str]:
        for test, count in self.runs.items():
            if count > 1:
                yield f"{test} was run {count} times: each test of the gate runs once"

    def _missing(self) -> Iterator[str]:
        missing = [test for test in self.required if test not in self.records]
        if self.required and len(missing) == len(self.required):
            yield f"none of the {len(missing)} required tests was run"
            return
        for test in missing[:SHOWN_TESTS]:
            yield f"{test} was not run"
        if len(missing) > SHOWN_TESTS:
            yield f"{len(missing) - SHOWN_TESTS} more required tests were not run"


_RANKS = {
    "passed": 0,
    "not verified": 1,
    "warning": 2,
    "expected failure": 3,
    "skipped": 4,
    "failed": 5,
}
