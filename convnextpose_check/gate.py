"""Whether a run in which nothing failed may be called passed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field


@dataclass
class Gate:
    """What became of the validation tests of one run, by test id.

    ``published`` are all tests about the published models that there are in the test files of
    ``files``, whether or not they were chosen to run.
    """

    published: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def problems(self, all_files: Collection[str]) -> list[str]:
        """Why the run is not passed although nothing failed; ``all_files`` hold validation tests.

        What was skipped is not passed. A run that judges the published models must run every test
        about them: one left out, in whatever way, makes it partial.
        """
        problems = [f"{test} was skipped" for test in sorted(self.skipped)]
        ran = self.finished | self.failed | self.skipped
        if self.published & ran:
            missing = sorted(set(all_files) - self.files)
            problems += [f"no test of {file} was collected" for file in missing]
            problems += [f"{test} was not run" for test in sorted(self.published - ran)]
        return problems
