"""Evaluate several models in one pass; finished and partial results are saved in a cache."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.cache import load_cached, save_cached
from convnextpose_check.evaluation.measurements import Evaluation, Measurements
from convnextpose_check.evaluation.one_pass import Conditions, Entry, remaining_batches, run_pass
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.interrupts import Interrupted, held
from convnextpose_check.progress import Screen

SAVE_SECONDS = 30.0
"""Partial results are saved this often."""

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
    """The evaluation or the error of each model; one that fails does not affect the others.

    With ``resume``, finished results are taken from the cache and partial ones are completed.
    Raises ``Interrupted`` on Ctrl-C or SIGTERM, after saving partial results.
    """
    screen, total = screen or Screen(), len(dataset.samples)
    measured: dict[str, Measurements] = {}
    for name, entry in entries.items():
        cached = load_cached(entry, dataset, conditions.batch_size) if resume else None
        if cached is not None and cached.done.all():
            screen.say(f"{name}: taken from {entry.cache_file}")
        elif cached is not None:
            screen.say(f"{name}: going on after {int(cached.done.sum())} of {total} images")
        measured[name] = cached or Measurements.empty(total, conditions.batch_size)
    if batches := remaining_batches(measured.values(), conditions.batch_size):

        def save_all() -> dict[str, int]:
            with held():
                return {
                    name: save_cached(entry, measured[name], dataset, conditions.batch_size)
                    for name, entry in entries.items()
                }

        title, remaining = f"{subject} {' '.join(entries)}", sum(map(len, batches))
        steps = run_pass(entries, measured, dataset, conditions, batches, screen.say)
        try:
            with closing(steps), screen.bar(title, remaining) as advance:
                saved_at = time.monotonic()
                for count in steps:
                    advance(count, _running_errors(measured))
                    if time.monotonic() - saved_at > SAVE_SECONDS:
                        save_all()
                        saved_at = time.monotonic()
            save_all()
        except KeyboardInterrupt:
            saved = {name: count for name, count in save_all().items() if count}
            counts = ", ".join(f"{name} {count}" for name, count in saved.items())
            partial = f"partial results are saved (of {total} images: {counts})"
            raise Interrupted(partial if saved else "no results are saved") from None
        except BaseException:
            save_all()
            raise
    outcomes: dict[str, Outcome] = {}
    for name, each in measured.items():
        try:
            outcomes[name] = each.evaluation(dataset)
        except ConvNeXtPoseCheckError as error:
            outcomes[name] = error.with_traceback(None)
    return outcomes


def _running_errors(measured: Mapping[str, Measurements]) -> str:
    """Format the mean errors so far for the progress display, e.g. ``XS 56.6, S 52.0 mm``."""
    means_mm = {name: each.mean_error_mm() for name, each in measured.items()}
    notes = [f"{name} {mean_mm:.1f}" for name, mean_mm in means_mm.items() if mean_mm is not None]
    return f"{', '.join(notes)} mm" if notes else ""
