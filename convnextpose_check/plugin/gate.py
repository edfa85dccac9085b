"""Whether a run in which nothing failed may be called passed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from convnextpose_check.trial.trial import SubjectName


@dataclass
class Gate:
    """What became of the validation tests of one run, by test id.

    ``published`` are all tests about the published models that there are in the test files of
    ``files``, whether or not they were chosen to run; ``selected`` are those that were.
    """

    published: set[str] = field(default_factory=set)
    files: set[str] = field(default_factory=set)
    selected: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)

    def problems(self, all_files: Collection[str], objection: str | None) -> dict[str, SubjectName]:
        """Why the run is not passed although nothing failed, each with the subject it is about.

        ``all_files`` hold validation tests. What was skipped is not passed. A run for which a
        published test was selected must finish every one that there is, and nothing may stand
        against its verdict: ``objection`` says what does. It matters only where no test has failed,
        which says more.
        """
        problems: dict[str, SubjectName] = {
            f"{test} was skipped": "published" if test in self.published else "miniature"
            for test in sorted(self.skipped)
        }
        if self.selected:
            ran = self.finished | self.failed | self.skipped
            not_run = sorted(self.published - ran)
            missing = sorted(set(all_files) - self.files)
            texts = [f"no test of published models in {file} was collected" for file in missing]
            if self.published.isdisjoint(ran):
                texts.append(f"none of the {len(not_run)} tests of published models was run")
            else:
                texts += [f"{test} was not run" for test in not_run]
            problems |= dict.fromkeys(texts, "published")
            if objection and not problems and not self.failed:
                problems[objection] = "published"
        return problems
