"""What one pytest session shares: settings, the two trials and the gate."""

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
from convnextpose_check.results.words import is_reproduced, verdict_sentence
from convnextpose_check.settings.read import Settings
from convnextpose_check.trial.record import Recorder, nothing_evaluated
from convnextpose_check.trial.trial import SubjectName, Trial
from convnextpose_check.variants import PUBLISHED_FILE, Variant

NAMES: tuple[SubjectName, ...] = ("published", "miniature")


@dataclass
class Session:
    """The state that hooks and fixtures work on.

    ``judged`` are the subjects that tests were collected for, ``wanted`` the variants of each that
    an evaluation was asked for of, ``checks`` what became of each validation test. ``problems`` is
    what the gate objects to, each with the subject that it is about, None for the whole run;
    ``mistakes`` is what a user can mend. ``reported`` are the results with pages, also where
    nothing was evaluated.
    """

    settings: Settings
    baseline: Baseline | None = None
    ranks: Ranks = field(default_factory=Ranks)
    trials: dict[SubjectName, Trial] = field(default_factory=dict)
    recorders: dict[SubjectName, Recorder] = field(init=False)
    judged: set[SubjectName] = field(default_factory=set)
    wanted: dict[SubjectName, dict[str, None]] = field(init=False)
    checks: dict[SubjectName, dict[str, CheckRecord]] = field(init=False)
    gate: Gate = field(default_factory=Gate)
    problems: dict[str, SubjectName | None] = field(default_factory=dict)
    mistakes: Mistakes = field(default_factory=Mistakes)
    reported: list[tuple[Results, Outputs]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Open the books of both subjects."""
        self.recorders = {
            "published": Recorder(lambda: self._outputs("published")),
            "miniature": Recorder(lambda: self._outputs("miniature")),
        }
        self.wanted = {name: {} for name in NAMES}
        self.checks = {name: {} for name in NAMES}

    def _outputs(self, name: SubjectName) -> Outputs:
        """The published models' results take the plain names, also beside the miniature's."""
        is_second = name == "miniature" and len(self.judged) > 1
        return Outputs(self.settings.results_dir, ".miniature" if is_second else "")

    def subject_names(self) -> list[SubjectName]:
        """The subjects to ask about: a user's own figures say nothing about the miniature."""
        own_figures = self.settings.variants_file != PUBLISHED_FILE
        return ["published"] if own_figures else list(NAMES)

    def variants(self, subject: SubjectName) -> list[Variant]:
        """The variants of a subject that the settings choose."""
        files = self.trials[subject].files
        return [files.catalogue[name] for name in files.chosen]

    def results(self) -> list[Results]:
        """What was evaluated, if anything was."""
        return [r.results for r in self.recorders.values() if r.results is not None]

    def objection(self) -> str | None:
        """What stands against calling the published models reproduced, None where nothing does.

        Without a gate they need not be: that they were measured is enough. Where weights alone are
        judged, each of their checks has to have passed: no figure stands behind them.
        """
        if self.settings.weights_only:
            found = self.checks["published"].values()
            texts = [
                f"{check.test}: {check.outcome}" for check in found if check.outcome != "passed"
            ]
            return texts[0] if texts else None
        results = self.recorders["published"].results
        if results is None:
            return "no published model was evaluated"
        if self.settings.gate is None or is_reproduced(results):
            return None
        return f"the published models are not reproduced: {verdict_sentence(results)}"

    def object(self, text: str, subject: SubjectName | None = None) -> None:
        """Call the run not passed, about one of its subjects or the whole."""
        self.problems.setdefault(text, subject)

    def finish(self) -> None:
        """Write the results of each subject with what became of its checks, and their pages."""
        from convnextpose_check.pages import write_pages

        found = dict(self.problems)
        for name, recorder in self.recorders.items():
            if name == "published" and self.settings.weights_only and self.checks[name]:
                recorder.open_weights(self.trials[name])
            own = [text for text, subject in found.items() if subject in (name, None)]
            if recorder.results is None:
                if self.checks[name]:
                    self._report_nothing(name, own)
                continue
            baseline = self.baseline
            if baseline is not None and baseline.results.subject != name:
                baseline = None
            try:
                for text in recorder.finish(self.checks[name].values(), own, baseline):
                    self.object(text, name)
                self.reported.append((recorder.results, recorder.outputs))
                write_pages(recorder.results, recorder.outputs)
            except ConvNeXtPoseCheckError as error:
                self.object(str(error), name)
        if self.baseline is not None:
            judged = [results.subject for results in self.results()]
            if (subject := self.baseline.results.subject) not in judged:
                self.object(f"baseline: it judged the {subject} models, this run did not")

    def _report_nothing(self, name: SubjectName, left_out: list[str]) -> None:
        """Say on a page what to mend where nothing was evaluated."""
        from convnextpose_check.pages import write_markdown

        outputs = self.recorders[name].outputs
        results = nothing_evaluated(self.trials[name], self.checks[name].values(), left_out)
        self.reported.append((results, outputs))
        try:
            write_markdown(results, outputs)
        except ConvNeXtPoseCheckError as error:
            self.object(str(error), name)

    def export(self) -> None:
        """Pack what the run has left, if anything was evaluated."""
        from convnextpose_check.results.export import export

        if self.results():
            try:
                export(self.settings.results_dir)
            except ConvNeXtPoseCheckError as error:
                self.object(str(error))


SESSION = pytest.StashKey[Session]()
"""Where pytest's config holds the session."""
