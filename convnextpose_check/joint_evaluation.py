"""Evaluate several variants in one pass, and keep what was measured if the run is cut short."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from convnextpose_check.devices import Precision
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation import Evaluation, Network
from convnextpose_check.human36m import Dataset
from convnextpose_check.one_pass import Contestant, Plan, run_pass
from convnextpose_check.ranks import Answers, Order, Ranks
from convnextpose_check.resume import (
    keep_evaluation,
    keep_tally,
    kept_evaluation,
    kept_tally,
)
from convnextpose_check.tally import Tally

if TYPE_CHECKING:
    import torch

Failures = dict[str, ConvNeXtPoseCheckError]
Outcomes = dict[str, Evaluation | ConvNeXtPoseCheckError]
Bar = Callable[[int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class Candidate:
    """A variant to evaluate: its networks, and the key and file that it is kept under.

    ``exact`` computes in float32 what the network computes in another precision.
    """

    network: Network
    exact: Network | None
    key: str
    kept_file: Path

    @property
    def partial_file(self) -> Path:
        """Where it is kept while it is not finished."""
        return self.kept_file.with_suffix(".begun.npz")


@dataclass(frozen=True)
class JointEvaluation:
    """How variants are evaluated; ``bar`` shows progress over a number of images.

    Where several processes share the run, each measures its share of the batches.
    """

    dataset: Dataset
    device: torch.device
    precision: Precision
    flip: bool
    batch_size: int
    workers: int
    resume: bool
    bar: Bar
    say: Callable[[str], None]
    ranks: Ranks = field(default_factory=Ranks)
    subject: str = ""

    def outcomes(self, candidates: Mapping[str, Candidate]) -> Outcomes:
        """Evaluation or error of each variant; one that fails does not take others with it.

        With ``resume``, finished evaluations are taken over and begun ones gone on with.
        """
        outcomes: Outcomes = {}
        for name, candidate in candidates.items():
            if self.resume and (kept := kept_evaluation(candidate.key, candidate.kept_file)):
                self.say(f"{name}: taken from {candidate.kept_file}")
                outcomes[name] = kept
        rest = {name: c for name, c in candidates.items() if name not in outcomes}
        if rest:
            outcomes |= self._measured(rest)
        return outcomes

    def _measured(self, candidates: Mapping[str, Candidate]) -> Outcomes:
        tallies = {name: self._tally(name, candidate) for name, candidate in candidates.items()}

        def keep() -> None:
            # It only saves time later: where it cannot be written, the run is none the worse.
            with suppress(ConvNeXtPoseCheckError):
                for name, candidate in candidates.items():
                    keep_tally(tallies[name], self._begun_key(candidate), candidate.partial_file)

        try:
            failures = self._shared(candidates, tallies, keep)
        except ConvNeXtPoseCheckError as error:  # another process is lost, but not what is here
            keep()
            return dict.fromkeys(candidates, error)
        outcomes: Outcomes = {}
        for name, candidate in candidates.items():
            try:
                if name in failures:
                    raise failures[name]
                evaluation = tallies[name].evaluation(self.dataset, self.precision)
                keep_evaluation(evaluation, candidate.key, candidate.kept_file)
                outcomes[name] = evaluation
            except ConvNeXtPoseCheckError as error:
                outcomes[name] = error
            candidate.partial_file.unlink(missing_ok=True)
        return outcomes

    def _shared(
        self,
        candidates: Mapping[str, Candidate],
        tallies: Mapping[str, Tally],
        keep: Callable[[], None],
    ) -> Failures:
        """Measure what the tallies lack together with the other ranks; returns who failed."""
        self.ranks.order(Order(self.subject, {n: tally.done for n, tally in tallies.items()}))
        try:
            failures = self._measured_here(candidates, tallies, keep)
        except BaseException:
            self.ranks.leave()  # the others must not wait for what will never come
            raise
        for answers in self.ranks.answers():
            for name, answer in answers.items():
                if isinstance(answer, ConvNeXtPoseCheckError):
                    failures.setdefault(name, answer)
                else:
                    tallies[name].add(answer)
        return failures

    def help(self, candidates: Mapping[str, Candidate], order: Order) -> Answers:
        """Measure this rank's share of what rank 0 has ordered, of the candidates there are."""
        tallies = {}
        for name, done in order.done.items():
            tallies[name] = Tally.empty(len(done), self.batch_size)
            tallies[name].done |= done
        failures = self._measured_here(candidates, tallies, lambda: None)
        for name, tally in tallies.items():
            tally.done &= ~order.done[name]
        return {name: failures.get(name, tallies[name]) for name in candidates}

    def _measured_here(
        self,
        candidates: Mapping[str, Candidate],
        tallies: Mapping[str, Tally],
        keep: Callable[[], None],
    ) -> Failures:
        contestants = {
            name: Contestant(
                candidate.network, tallies[name], self.flip, self.precision, candidate.exact,
                self.say,
            )
            for name, candidate in candidates.items()
        }  # fmt: skip
        plan = Plan.of(tallies.values(), self.batch_size, self.ranks.rank, self.ranks.count)
        with self.bar(sum(map(len, plan.batches))) as advance:
            return run_pass(
                contestants, self.dataset, self.device, plan, self.workers, advance, keep
            )

    def _begun_key(self, candidate: Candidate) -> str:
        """Answers may depend, in their last digits, on the images that a batch holds."""
        return f"{candidate.key} in batches of {self.batch_size}"

    def _tally(self, name: str, candidate: Candidate) -> Tally:
        samples = len(self.dataset.samples)
        if self.resume:
            kept = kept_tally(self._begun_key(candidate), candidate.partial_file)
            if kept is not None:
                self.say(f"{name}: going on after {int(kept.done.sum())} samples")
                return kept
        return Tally.empty(samples, self.batch_size)
