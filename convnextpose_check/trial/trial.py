"""A trial: one subject's files, networks, evaluations and verdicts under the run's settings.

There are two subjects: the ``published`` files of the user, and the generated ``miniature``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from convnextpose_check.checkpoints.fingerprints import Fingerprint
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.evaluate import evaluate
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.one_pass import Entry
from convnextpose_check.evaluation.verdict import Judgement, judge
from convnextpose_check.results.schema import ReferenceKind
from convnextpose_check.settings.read import Settings
from convnextpose_check.trial.files import Files
from convnextpose_check.trial.networks import Networks
from convnextpose_check.trial.once import Failed
from convnextpose_check.variants import Catalogue, Figure

SubjectName = Literal["published", "miniature"]


@dataclass(frozen=True, eq=False)
class Trial:
    """What is asked about one subject.

    ``reference`` returns the value that a variant's error is compared with, ``fingerprints`` holds
    the known hashes of each variant's file. ``outcomes`` holds each variant's evaluation, or the
    error that prevented it, once a test has asked for it.
    """

    name: SubjectName
    files: Files
    networks: Networks
    reference: Callable[[str], Figure | None]
    fingerprints: Mapping[str, Fingerprint] = field(default_factory=dict)
    outcomes: dict[str, Evaluation | Failed] = field(default_factory=dict, init=False)

    @property
    def settings(self) -> Settings:
        """What the user has set."""
        return self.files.settings

    @property
    def catalogue(self) -> Catalogue:
        """The variants, with their figures."""
        return self.files.catalogue

    @property
    def reference_kind(self) -> ReferenceKind:
        """Where the references are from; only the package's variants file has the paper's."""
        if self.name == "miniature":
            return "recorded"
        return "own file" if self.settings.has_own_models else "paper"

    @property
    def is_weights_only(self) -> bool:
        """True if weights are judged and no error is measured."""
        return self.settings.weights_only and self.name == "published"

    @property
    def evaluations(self) -> dict[str, Evaluation]:
        """The evaluations that succeeded so far, by variant."""
        return {n: each for n, each in self.outcomes.items() if not isinstance(each, Failed)}

    def evaluation(self, variant: str, together: Iterable[str] = ()) -> Evaluation:
        """The variant's network over the whole data set.

        The first one asked for brings those to be evaluated ``together`` with it: every image is
        then read once for all of them. A failure is remembered as well, so that many tests of one
        long evaluation do not repeat it.
        """
        if variant not in self.outcomes:
            names = dict.fromkeys([*together, variant])
            self._evaluate([name for name in names if name not in self.outcomes])
        evaluation = self.outcomes[variant]
        if isinstance(evaluation, Failed):
            raise evaluation.again()
        return evaluation

    def judgement(self, variant: str) -> Judgement:
        """The variant's error held against its reference."""
        return judge(self.evaluation(variant), self.reference(variant))

    def _evaluate(self, variants: Sequence[str]) -> None:
        """Evaluate the variants in one pass; one that cannot be loaded fails alone."""
        try:
            entries, errors = self._entries(variants)
            outcomes: dict[str, Evaluation | Exception] = {**errors}
            if entries:
                outcomes |= evaluate(
                    entries,
                    self.files.dataset(),
                    self.networks.conditions(),
                    resume=self.settings.resume,
                    subject=self.name,
                    screen=self.files.screen,
                )
        except Exception as error:  # noqa: BLE001 - no bug is worth an hour for each test
            outcomes = dict.fromkeys(variants, error)
        for name, outcome in outcomes.items():
            self.outcomes[name] = Failed(outcome) if isinstance(outcome, Exception) else outcome

    def _entries(
        self, variants: Iterable[str]
    ) -> tuple[dict[str, Entry], dict[str, ConvNeXtPoseCheckError]]:
        """The variants that can be loaded, and why the others cannot."""
        entries: dict[str, Entry] = {}
        errors: dict[str, ConvNeXtPoseCheckError] = {}
        for variant in variants:
            try:
                entries[variant] = self.networks.entry(variant, self.name)
            except ConvNeXtPoseCheckError as error:
                errors[variant] = error
        return entries, errors
