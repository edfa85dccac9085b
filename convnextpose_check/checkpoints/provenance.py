"""How a checkpoint was trained, as its counters tell it.

An epoch index e is written after (e + 1) epochs. So the optimizer's step of every parameter and the
``num_batches_tracked`` of every BatchNorm are (e + 1) times the iterations of an epoch, and those
name the training set.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.variants import WholeFigure

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
"""What BatchNorm keeps beside its parameters; the optimizer counts no steps for them."""


@dataclass(frozen=True)
class TrainingSet:
    """What one epoch of the authors' loaders goes through."""

    iterations: int
    slack: int
    title: str


FIVE_SUBJECTS = TrainingSet(19_512, 0, "five subjects with the authors' loaders, so protocol 2")
"""ceil(2 N / 32), for a batch is 32 and the 2D set is made as long as the 3D one. N, every fifth
frame of subjects 1, 5, 6, 7 and 8, is 312,177 to 312,192; the XS of the fork's commit 3ff09c86ad
counts 69 such epochs."""

SIX_SUBJECTS = TrainingSet(23_487, 117, "six subjects with the authors' loaders, so protocol 1")
"""About: the same with the frames of subject 9, estimated from those that protocol 2 tests, every
64th. Nobody has read a file that was trained so; half a percent is allowed for."""


@dataclass(frozen=True)
class Provenance:
    """What the counters tell.

    ``iterations`` are those of one epoch, None where the counters tell no such number;
    ``contradiction`` is what is wrong with them. ``counted`` is what is held against a figure.
    """

    story: str
    counted: str
    iterations: int | None = None
    contradiction: bool = False

    @property
    def counted_anything(self) -> bool:
        """Whether the file has a counter at all."""
        return self.contradiction or self.iterations is not None


def provenance(checkpoint: Checkpoint) -> Provenance:
    """What epoch, steps and BatchNorm's counters of the checkpoint tell together."""
    network = checkpoint.network
    tracked = [t for key, t in network.items() if key.endswith("num_batches_tracked")]
    batches = Counter(float(tensor) for tensor in tracked if tensor.numel() == 1)
    steps = Counter(checkpoint.steps)
    parameters = sum(not key.endswith(BUFFERS) for key in network)
    for title, counters in (("BatchNorm's counters", batches), ("the optimizer's steps", steps)):
        if len(counters) > 1:
            return _contradiction(f"{title} differ: {_listed(counters)}", _listed(counters))
    if steps and steps.total() != parameters:
        missing = f"steps of {steps.total()} of {parameters} parameters"
        return _contradiction(f"the optimizer has {missing}", missing)
    counts = [*batches, *steps]
    if not counts:
        return Provenance("unknown: the file has no counters", "no counters")
    if len(set(counts)) > 1:
        counted = f"{_shown(counts[1])} steps, {_shown(counts[0])} batches"
        told = "trained further with a new optimizer" if counts[1] < counts[0] else "mixed"
        return _contradiction(f"{told}: {counted} of BatchNorm", counted)
    without = "" if steps else "; the optimizer is not in the file, so its steps are unknown"
    return _of_count(counts[0], checkpoint.epoch + 1, without)


def _of_count(count: float, epochs: int, without: str) -> Provenance:
    """What a count tells on which all counters agree."""
    if count == 0:
        return _contradiction(
            f"not trained: all counters are 0 after {epochs} epochs{without}", "0"
        )
    if count < 0 or count % epochs:
        each = f"{epochs} x {count / epochs:,.1f}"
        hint = ""
        if count and not count % FIVE_SUBJECTS.iterations:
            whole = int(count) // FIVE_SUBJECTS.iterations
            hint = f" ({whole} epochs of {FIVE_SUBJECTS.title})"
        return _contradiction(
            f"trained further, or by epochs of several lengths: {_shown(count)} iterations are"
            f" {each}{hint}{without}",
            each,
        )
    iterations = int(count // epochs)
    counted = f"{epochs} x {iterations:,}"
    return Provenance(f"{counted} iterations: {_named(iterations)}{without}", counted, iterations)


def _named(iterations: int) -> str:
    """The training set that has so many iterations of an epoch."""
    for known in (FIVE_SUBJECTS, SIX_SUBJECTS):
        if abs(iterations - known.iterations) <= known.slack:
            return known.title
    return f"trained otherwise, {iterations:,} iterations of an epoch"


def _contradiction(story: str, counted: str) -> Provenance:
    return Provenance(story, counted, contradiction=True)


def _listed(counters: Counter[float]) -> str:
    """Such as ``18 of 1,346,328 and 1 of 5``, the most frequent first."""
    told = [f"{times} of {_shown(count)}" for count, times in counters.most_common(3)]
    rest = len(counters) - len(told)
    return " and ".join(told) + (f" and {rest} more" if rest else "")


def _shown(count: float) -> str:
    return f"{int(count):,}" if count == count // 1 else str(count)


def epoch_told(known: WholeFigure | None, epoch: int) -> str:
    """The epoch of a file beside what is known or claimed of it."""
    if known is None or (known.decides and epoch in known.values):
        return f"epoch {epoch}"
    if known.decides:
        return f"epoch {epoch} (expected {known})"
    return f"epoch {epoch} ({known} by {known.source})"
