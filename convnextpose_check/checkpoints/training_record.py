"""Read from a checkpoint's counters how it was trained.

An epoch index e is written after (e + 1) epochs. So the optimizer's step of every parameter and the
``num_batches_tracked`` of every BatchNorm are (e + 1) times the iterations of an epoch, and those
identify the training set.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.variants import ReportedCount

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
"""BatchNorm's buffers, for which the optimizer counts no steps."""


FIVE_SUBJECTS = 19_512
"""Iterations of an epoch of the authors' loaders: ceil(2 N / 32), since a batch is 32 and the 2D
set is made as long as the 3D one. N, every fifth frame of subjects 1, 5, 6, 7 and 8, is 312,177 to
312,192; the XS of the fork's commit 3ff09c86ad counts 69 such epochs."""

SIX_SUBJECTS = range(23_370, 23_605)
"""The same with the frames of subject 9, estimated from every 64th, which protocol 2 tests, to half
a percent: no file with such a training is on record."""


@dataclass(frozen=True)
class TrainingRecord:
    """The training that the counters record.

    ``iterations`` are those of one epoch, None if the counters give no such number.
    ``has_counters`` is true if the file has a counter at all. ``summary`` is the short form.
    """

    description: str
    summary: str
    iterations: int | None = None
    has_counters: bool = True

    def __str__(self) -> str:
        return self.description

    @property
    def is_contradictory(self) -> bool:
        """True if the counters fit no single training."""
        return self.has_counters and self.iterations is None


def read_training_record(checkpoint: Checkpoint) -> TrainingRecord:
    """The training recorded by the checkpoint's epoch, steps and BatchNorm counters together."""
    network = checkpoint.network
    batches = Counter(
        float(tensor)
        for key, tensor in network.items()
        if key.endswith("num_batches_tracked") and tensor.numel() == 1
    )
    steps = Counter(checkpoint.steps)
    parameters = sum(not key.endswith(BUFFERS) for key in network)
    for title, counters in (("BatchNorm's counters", batches), ("the optimizer's steps", steps)):
        if len(counters) > 1:
            differing = _format_counters(counters)
            return TrainingRecord(f"{title} differ: {differing}", differing)
    if steps and steps.total() != parameters:
        missing = f"steps of {steps.total()} of {parameters} parameters"
        return TrainingRecord(f"the optimizer has {missing}", missing)
    counts = [*batches, *steps]
    if not counts:
        return TrainingRecord(
            "unknown: the file has no counters", "no counters", has_counters=False
        )
    if len(set(counts)) > 1:
        counted = f"{_format_count(counts[1])} steps, {_format_count(counts[0])} batches"
        reason = "trained further with a new optimizer" if counts[1] < counts[0] else "mixed"
        return TrainingRecord(f"{reason}: {counted} of BatchNorm", counted)
    without = "" if steps else "; the optimizer is not in the file, so its steps are unknown"
    count, epochs = counts[0], checkpoint.epoch + 1
    if count == 0:
        description = f"not trained: all counters are 0 after {epochs} epochs{without}"
        return TrainingRecord(description, "0")
    if count < 0 or count % epochs:
        counted = f"{epochs} x {count / epochs:,.1f}"
        return TrainingRecord(
            f"trained further, or by epochs of several lengths: {_format_count(count)} iterations"
            f" are {counted}{without}",
            counted,
        )
    iterations = int(count // epochs)
    title = f"trained otherwise, {iterations:,} iterations of an epoch"
    if iterations == FIVE_SUBJECTS:
        title = "five subjects with the authors' loaders, so protocol 2"
    elif iterations in SIX_SUBJECTS:
        title = "six subjects with the authors' loaders, so protocol 1"
    counted = f"{epochs} x {iterations:,}"
    return TrainingRecord(f"{counted} iterations: {title}{without}", counted, iterations)


def _format_counters(counters: Counter[float]) -> str:
    """Such as ``18 of 1,346,328 and 1 of 5``, the most frequent first."""
    listed = [f"{times} of {_format_count(count)}" for count, times in counters.most_common(3)]
    rest = len(counters) - len(listed)
    return " and ".join(listed) + (f" and {rest} more" if rest else "")


def _format_count(count: float) -> str:
    return f"{int(count):,}" if count == count // 1 else str(count)


def format_epoch(known: ReportedCount | None, epoch: int) -> str:
    """The file's epoch beside the recorded or claimed one."""
    if known is None or (known.decides and epoch in known.values):
        return f"epoch {epoch}"
    if known.decides:
        return f"epoch {epoch} (expected {known})"
    return f"epoch {epoch} ({known} by {known.source})"
