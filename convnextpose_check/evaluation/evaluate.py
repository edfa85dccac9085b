"""Evaluate several networks in one pass, and keep what was measured if the run is cut short."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.kept import keep, kept
from convnextpose_check.evaluation.measurements import Evaluation, Measurements
from convnextpose_check.evaluation.one_pass import Conditions, Entry, run_pass
from convnextpose_check.evaluation.plan import remaining_batches
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.interrupts import Interrupted, held
from convnextpose_check.progress import Screen

Outcome = Evaluation | ConvNeXtPoseCheckError


def evaluate(
    entries: Mapping[str, Entry],
    dataset: Dataset,
    conditions: Conditions,
    *,
    resume: bool = False,
    subject: str = "",
    screen: Screen | None = None,
) -> dict[str, Outcome]:
    """Evaluation or error of each network; one that fails does not take others with it.

    With ``resume``, finished evaluations are taken over and begun ones gone on with.
    """
    screen = screen or Screen()
    outcomes: dict[str, Outcome] = {}
    if resume:
        for name, entry in entries.items():
            if (finished := _finished(entry, dataset)) is not None:
                screen.say(f"{name}: taken from {entry.kept_file}")
                outcomes[name] = finished.evaluation(dataset)
    rest = {name: entry for name, entry in entries.items() if name not in outcomes}
    if rest:
        shared_pass = _SharedPass(rest, dataset, conditions, subject, screen)
        outcomes |= shared_pass.run(resume)
    return outcomes


def _finished(entry: Entry, dataset: Dataset) -> Measurements | None:
    """What an earlier run finished, if it may be taken over."""
    if entry.key is None:
        return None
    found = kept(entry.key, dataset, entry.grid_whd, entry.kept_file)
    return found if found is not None and found.done.all() else None


@dataclass(frozen=True)
class _SharedPass:
    """Evaluates several networks on the same images, each read once, and saves partial results."""

    entries: Mapping[str, Entry]
    dataset: Dataset
    conditions: Conditions
    subject: str
    screen: Screen

    def run(self, resume: bool) -> dict[str, Outcome]:
        """Evaluate the remaining samples; returns the evaluation or error of each network."""
        measured = {n: self._load_partial(n, entry, resume) for n, entry in self.entries.items()}
        batches = remaining_batches(measured.values(), self.conditions.batch_size)

        def save_all() -> dict[str, int]:
            with held():
                return {n: self._save_partial(e, measured[n]) for n, e in self.entries.items()}

        try:
            title = f"{self.subject} {' '.join(self.entries)}"
            with self.screen.bar(title, sum(map(len, batches))) as advance:
                failures = run_pass(
                    self.entries,
                    measured,
                    self.dataset,
                    self.conditions,
                    batches,
                    on_progress=lambda count: advance(count, _running_errors(measured)),
                    on_pause=save_all,
                    say=self.screen.say,
                )
            with held():
                return {
                    name: self._outcome(entry, measured[name], failures.get(name))
                    for name, entry in self.entries.items()
                }
        except ConvNeXtPoseCheckError as error:  # the device failed; what was measured stays valid
            save_all()
            return dict.fromkeys(self.entries, error.with_traceback(None))
        except KeyboardInterrupt:
            raise self._interrupted(save_all()) from None
        except BaseException:
            save_all()
            raise

    def _outcome(
        self, entry: Entry, measured: Measurements, failure: ConvNeXtPoseCheckError | None
    ) -> Outcome:
        """Save the evaluation and return it; or save partial results and return the error."""
        if failure is not None:
            self._save_partial(entry, measured)
            return failure
        try:
            evaluation = measured.evaluation(self.dataset)
            if entry.key is not None:
                keep(measured, self.dataset, entry.grid_whd, entry.key, entry.kept_file)
                entry.begun_file.unlink(missing_ok=True)
        except ConvNeXtPoseCheckError as error:
            return error
        return evaluation

    def _interrupted(self, counts: Mapping[str, int]) -> Interrupted:
        """The interruption, with the number of samples of each network that are saved."""
        total = len(self.dataset.samples)
        different = list(dict.fromkeys(counts.values()))
        if len(different) > 1:
            text = ", ".join(f"{count} of {name}" for name, count in counts.items())
            return Interrupted(f"of {total} images are kept: {text}", is_resumable=True)
        if different == [0]:
            return Interrupted(f"none of {total} images is kept", is_resumable=False)
        return Interrupted(f"{different[0]} of {total} images are kept", is_resumable=True)

    def _partial_key(self, key: str) -> str:
        """Answers may depend, in their last digits, on the other images of the batch."""
        return f"{key} in batches of {self.conditions.batch_size}"

    def _save_partial(self, entry: Entry, measured: Measurements) -> int:
        """Save partial results; returns the number of samples in the file.

        A file that cannot be written costs only time later, so no error is raised.
        """
        if entry.key is None or not measured.done.any():
            return 0
        try:
            key = self._partial_key(entry.key)
            return keep(measured, self.dataset, entry.grid_whd, key, entry.begun_file)
        except ConvNeXtPoseCheckError:
            return 0

    def _load_partial(self, name: str, entry: Entry, resume: bool) -> Measurements:
        """Partial results of an earlier run if it may be resumed, else empty ones."""
        samples = len(self.dataset.samples)
        if resume and entry.key is not None:
            key = self._partial_key(entry.key)
            found = kept(key, self.dataset, entry.grid_whd, entry.begun_file)
            if found is not None:
                self.screen.say(
                    f"{name}: going on after {int(found.done.sum())} of {samples} images"
                )
                return found
        return Measurements.empty(samples, self.conditions.batch_size)


def _running_errors(measured: Mapping[str, Measurements]) -> str:
    """Format the mean errors so far for the progress display, e.g. ``XS 56.6, S 52.0 mm``."""
    means_mm = {name: each.mean_error_mm() for name, each in measured.items()}
    notes = [f"{name} {mean_mm:.1f}" for name, mean_mm in means_mm.items() if mean_mm is not None]
    return f"{', '.join(notes)} mm" if notes else ""
