"""What one pytest session shares: settings, the two benchmarks and the gate."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.ranks import Ranks
from convnextpose_check.paths import Outputs
from convnextpose_check.plugin.gate import Gate
from convnextpose_check.plugin.mistakes import Mistakes
from convnextpose_check.results.baseline import Baseline
from convnextpose_check.results.schema import CheckRecord, Results
from convnextpose_check.results.unevaluated import unevaluated
from convnextpose_check.results.words import is_reproduced, verdict_sentence
from convnextpose_check.settings.read import Settings
from convnextpose_check.trial.benchmark import Benchmark
from convnextpose_check.trial.subjects import SubjectName
from convnextpose_check.variants import PUBLISHED_FILE, Variant


@dataclass
class Session:
    """The state that hooks and fixtures work on.

    ``checks`` has what became of each validation test, by subject and test. ``problems`` is what
    the gate objects to, ``mistakes`` is what a user can mend. ``reported`` are the results with
    pages, also where nothing was evaluated.
    """

    settings: Settings
    benchmarks: dict[SubjectName, Benchmark]
    baseline: Baseline | None = None
    ranks: Ranks = field(default_factory=Ranks)
    checks: dict[SubjectName, dict[str, CheckRecord]] = field(
        default_factory=lambda: {"published": {}, "miniature": {}}
    )
    gate: Gate = field(default_factory=Gate)
    problems: list[str] = field(default_factory=list)
    mistakes: Mistakes = field(default_factory=Mistakes)
    reported: list[tuple[Results, Outputs]] = field(default_factory=list)

    def subject_names(self) -> list[SubjectName]:
        """The subjects to ask about: a user's own figures say nothing about the miniature."""
        own_figures = self.settings.variants_file != PUBLISHED_FILE
        return ["published"] if own_figures else ["published", "miniature"]

    def results(self) -> list[Results]:
        """What was evaluated, if anything was."""
        return [b.results for b in self.benchmarks.values() if b.results is not None]

    def objection(self) -> str | None:
        """What stands against calling the published models reproduced, None where nothing does.

        Without a gate they need not be: that they were measured is enough.
        """
        results = self.benchmarks["published"].results
        if results is None:
            return "no published model was evaluated"
        if self.settings.gate is None or is_reproduced(results):
            return None
        return f"the published models are not reproduced: {verdict_sentence(results)}"

    def finish(self) -> None:
        """Write the results of each subject with what became of its checks, and their pages."""
        from convnextpose_check.pages import write_pages

        found = list(self.problems)
        for name, benchmark in self.benchmarks.items():
            checks = self.checks[name].values()
            own = [text for text in found if _subject_of(text) in (name, None)]
            if benchmark.results is None:
                if checks:
                    self._report_nothing(benchmark, own)
                continue
            baseline = self.baseline
            if baseline is not None and baseline.results.subject != name:
                baseline = None
            try:
                left_out = benchmark.finish(checks, own, baseline)
                self.reported.append((benchmark.results, benchmark.outputs))
                self.problems += [text for text in left_out if text not in self.problems]
                write_pages(benchmark.results, benchmark.outputs)
            except ConvNeXtPoseCheckError as error:
                self.problems.append(str(error))
        if self.baseline is not None:
            judged = [results.subject for results in self.results()]
            if (subject := self.baseline.results.subject) not in judged:
                self.problems.append(f"baseline: it judged the {subject} models, this run did not")

    def _report_nothing(self, benchmark: Benchmark, left_out: list[str]) -> None:
        """Say on a page what to mend where nothing was evaluated."""
        from convnextpose_check.pages import write_markdown

        subject = benchmark.subject
        results = unevaluated(
            subject.name,
            self.settings,
            subject.facts.protocols[self.settings.protocol].samples,
            subject.chosen,
            self.checks[subject.name].values(),
            left_out,
        )
        self.reported.append((results, benchmark.outputs))
        try:
            write_markdown(results, benchmark.outputs)
        except ConvNeXtPoseCheckError as error:
            self.problems.append(str(error))

    def export(self) -> None:
        """Pack what the run has left, if anything was evaluated."""
        from convnextpose_check.results.export import export

        if self.results():
            try:
                export(self.settings.results_dir)
            except ConvNeXtPoseCheckError as error:
                self.problems.append(str(error))

    def variants(self, subject: SubjectName) -> list[Variant]:
        """The variants of a subject that the settings choose."""
        asked = self.benchmarks[subject].subject
        return [asked.catalogue[name] for name in asked.chosen]


def _subject_of(problem: str) -> SubjectName | None:
    """The subject that a problem is about, None for one of the whole run."""
    if "[miniature" in problem:
        return "miniature"
    return "published" if "published" in problem else None


SESSION = pytest.StashKey[Session]()
"""Where pytest's config holds the session."""
