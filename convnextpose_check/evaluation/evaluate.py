"""Evaluate several variants in one pass, and keep what was measured if the run is cut short."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.devices import Precision
from convnextpose_check.evaluation.kept import keep_tally, kept_tally
from convnextpose_check.evaluation.measurements import Tally
from convnextpose_check.evaluation.one_pass import Contestant, Plan, run_pass
from convnextpose_check.evaluation.predict import Evaluation
from convnextpose_check.evaluation.ranks import Answers, Order, Ranks
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.interrupts import Interrupted, held
from convnextpose_check.network import Network

if TYPE_CHECKING:
    import torch

Failures = dict[str, ConvNeXtPoseCheckError]
Outcomes = dict[str, Evaluation | ConvNeXtPoseCheckError]
Bar = Callable[[int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True)
class Candidate:
    """A variant to evaluate: its networks, and the key and file that it is kept under.

    ``exact`` computes in float32 what the network computes in another precision. Without a key
    nothing is kept: what the network depends on is not known.
    """

    network: Network
    exact: Network | None
    key: str | None
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
            if (kept := self._finished(candidate)) is not None:
                self.say(f"{name}: taken from {candidate.kept_file}")
                outcomes[name] = kept.evaluation(self.dataset, self.precision)
        rest = {name: c for name, c in candidates.items() if name not in outcomes}
        if rest:
            outcomes |= self._measured(rest)
        return outcomes

    def _measured(self, candidates: Mapping[str, Candidate]) -> Outcomes:
        tallies = {name: self._tally(name, candidate) for name, candidate in candidates.items()}

        def keep() -> dict[str, int]:
            with held():
                return {n: self._keep(c, tallies[n]) for n, c in candidates.items()}

        try:
            failures = self._shared(candidates, tallies, keep)
            with held():
                return {
                    name: self._outcome(candidate, tallies[name], failures.get(name))
                    for name, candidate in candidates.items()
                }
        except ConvNeXtPoseCheckError as error:  # a process or device is lost, but not what is here
            keep()
            return dict.fromkeys(candidates, error.with_traceback(None))
        except KeyboardInterrupt:
            raise self._interrupted(keep()) from None
        except BaseException:
            keep()
            raise

    def _outcome(
        self, candidate: Candidate, tally: Tally, failed: ConvNeXtPoseCheckError | None
    ) -> Evaluation | ConvNeXtPoseCheckError:
        """What a tally comes to, kept as finished, or as begun where the network has failed."""
        if failed is not None:
            self._keep(candidate, tally)
            return failed
        try:
            evaluation = tally.evaluation(self.dataset, self.precision)
            if candidate.key is not None:
                keep_tally(tally, self.dataset, candidate.key, candidate.kept_file)
        except ConvNeXtPoseCheckError as error:
            return error
        candidate.partial_file.unlink(missing_ok=True)
        return evaluation

    def _interrupted(self, kept: Mapping[str, int]) -> Interrupted:
        """What to say of so many kept samples of each variant."""
        total = len(self.dataset.samples)
        counts = list(dict.fromkeys(kept.values()))
        if len(counts) > 1:
            text = ", ".join(f"{count} of {name}" for name, count in kept.items())
            return Interrupted(f"of {total} images are kept: {text}", is_resumable=True)
        if counts == [0]:
            return Interrupted(f"none of {total} images is kept", is_resumable=False)
        return Interrupted(f"{counts[0]} of {total} images are kept", is_resumable=True)

    def _shared(
        self,
        candidates: Mapping[str, Candidate],
        tallies: Mapping[str, Tally],
        keep: Callable[[], object],
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
        failures = self._measured_here(candidates, tallies, self.ranks.hear_of_leader)
        for name, tally in tallies.items():
            tally.done &= ~order.done[name]
        return {name: failures.get(name, tallies[name]) for name in candidates}

    def _measured_here(
        self,
        candidates: Mapping[str, Candidate],
        tallies: Mapping[str, Tally],
        keep: Callable[[], object],
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

    def _finished(self, candidate: Candidate) -> Tally | None:
        """What an earlier run finished, if it may be taken over."""
        if not self.resume or candidate.key is None:
            return None
        kept = kept_tally(candidate.key, self.dataset, candidate.kept_file)
        return kept if kept is not None and kept.done.all() else None

    def _begun_key(self, key: str) -> str:
        """Answers may depend, in their last digits, on the images that a batch holds."""
        return f"{key} in batches of {self.batch_size}"

    def _keep(self, candidate: Candidate, tally: Tally) -> int:
        """Keep what was begun; returns how many samples stand in its file.

        It only saves time later: where it cannot be written, the run is none the worse.
        """
        if candidate.key is None or not tally.done.any():
            return 0
        try:
            key = self._begun_key(candidate.key)
            return keep_tally(tally, self.dataset, key, candidate.partial_file)
        except ConvNeXtPoseCheckError:
            return 0

    def _tally(self, name: str, candidate: Candidate) -> Tally:
        samples = len(self.dataset.samples)
        if self.resume and candidate.key is not None:
            key = self._begun_key(candidate.key)
            kept = kept_tally(key, self.dataset, candidate.partial_file)
            if kept is not None:
                self.say(f"{name}: going on after {int(kept.done.sum())} of {samples} images")
                return kept
        return Tally.empty(samples, self.batch_size)
