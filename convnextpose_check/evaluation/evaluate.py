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
    screen, samples = screen or Screen(), len(dataset.samples)
    outcomes: dict[str, Outcome] = {}
    measured: dict[str, Measurements] = {}
    for name, entry in entries.items():
        found = _load(entry, dataset, conditions) if resume else None
        if found is None:
            measured[name] = Measurements.empty(samples, conditions.batch_size)
        elif found.done.all():
            screen.say(f"{name}: taken from {entry.kept_file}")
            outcomes[name] = found.evaluation(dataset)
        else:
            screen.say(f"{name}: going on after {int(found.done.sum())} of {samples} images")
            measured[name] = found
    if measured:
        rest = {name: entries[name] for name in measured}
        outcomes |= _SharedPass(rest, measured, dataset, conditions, subject, screen).run()
    return outcomes


def _load(entry: Entry, dataset: Dataset, conditions: Conditions) -> Measurements | None:
    """What an earlier run measured of the network, if it may be taken over."""
    if entry.key is None:
        return None
    return kept(entry.key, dataset, entry.grid_whd, entry.kept_file, conditions.batch_size)


@dataclass(frozen=True)
class _SharedPass:
    """Evaluates several networks on the same images, each read once, and saves partial results."""

    entries: Mapping[str, Entry]
    measured: Mapping[str, Measurements]
    dataset: Dataset
    conditions: Conditions
    subject: str
    screen: Screen

    def run(self) -> dict[str, Outcome]:
        """Evaluate the remaining samples; returns the evaluation or error of each network."""
        measured = self.measured
        batches = remaining_batches(measured.values(), self.conditions.batch_size)

        def save_all() -> dict[str, int]:
            with held():
                return {n: self._save(entry, measured[n]) for n, entry in self.entries.items()}

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
        """Save what was measured, and return its evaluation or the error."""
        self._save(entry, measured)
        if failure is not None:
            return failure
        try:
            return measured.evaluation(self.dataset)
        except ConvNeXtPoseCheckError as error:
            return error

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

    def _save(self, entry: Entry, measured: Measurements) -> int:
        """Save what was measured so far; returns the number of samples in the file.

        A file that cannot be written costs only time later, so no error is raised.
        """
        if entry.key is None or not measured.done.any():
            return 0
        try:
            return keep(
                measured,
                self.dataset,
                entry.grid_whd,
                entry.key,
                entry.kept_file,
                self.conditions.batch_size,
            )
        except ConvNeXtPoseCheckError:
            return 0


def _running_errors(measured: Mapping[str, Measurements]) -> str:
    """Format the mean errors so far for the progress display, e.g. ``XS 56.6, S 52.0 mm``."""
    means_mm = {name: each.mean_error_mm() for name, each in measured.items()}
    notes = [f"{name} {mean_mm:.1f}" for name, mean_mm in means_mm.items() if mean_mm is not None]
    return f"{', '.join(notes)} mm" if notes else ""
