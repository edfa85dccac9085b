"""Read from a checkpoint's counters how it was trained.

Epochs count from 0, so epoch e is saved after (e + 1) epochs. The optimizer's step of every
parameter and the ``num_batches_tracked`` of every BatchNorm are then (e + 1) times the iterations
per epoch, which identify the training set.
"""

from collections import Counter
from dataclasses import dataclass

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.checkpoints.members import quote
from convnextpose_check.variants import ReportedCount

NOT_RECORDED = "not recorded"
"""In place of a value that the file does not contain."""

BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
"""BatchNorm's buffers, for which the optimizer has no steps."""

PROTOCOL_2_ITERATIONS = 19_512
"""Iterations per epoch of the authors' data loaders: ceil(2 N / 32), since batches have 32 samples
and the 2D set is repeated to the length of the 3D set. N, every fifth frame of subjects 1, 5, 6, 7
and 8, is 312,177 to 312,192; the XS of the fork's commit 3ff09c86ad has 69 such epochs."""

PROTOCOL_1_ITERATIONS = range(23_370, 23_605)
"""The same with subject 9 added, whose frames are estimated to 0.5 % from its test samples, every
64th frame. No file with such a training is on record."""


@dataclass(frozen=True)
class TrainingRecord:
    """The training that the counters show, as a sentence and as a short ``summary``.

    ``iterations`` are those per epoch, None if they cannot be determined. ``is_recorded`` is false
    for a file without any counter or without an epoch.
    """

    description: str
    summary: str
    iterations: int | None = None
    is_recorded: bool = True

    def __str__(self) -> str:
        return self.description

    @property
    def is_contradictory(self) -> bool:
        """True if no single training has such counters."""
        return self.is_recorded and self.iterations is None


def read_training_record(checkpoint: Checkpoint) -> TrainingRecord:
    """Read the training from epoch, optimizer steps and BatchNorm counters."""
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
        missing = f"steps for {steps.total()} of {parameters} parameters"
        return TrainingRecord(f"the optimizer has {missing}", missing)
    counts = [*batches, *steps]
    if not counts:
        return TrainingRecord("unknown: the file has no counters", "no counters", is_recorded=False)
    if len(set(counts)) > 1:
        counted = f"{_format_count(counts[1])} steps, {_format_count(counts[0])} batches"
        reason = "trained further with a new optimizer" if counts[1] < counts[0] else "inconsistent"
        return TrainingRecord(f"{reason}: {counted} of BatchNorm", counted)
    no_optimizer = "" if steps else "; the optimizer is not in the file, so its steps are unknown"
    count, counted = counts[0], f"{_format_count(counts[0])} iterations"
    if checkpoint.epoch is None:
        unknown = f"{counted}; the epoch is not in the file, so those per epoch are unknown"
        return TrainingRecord(f"{unknown}{no_optimizer}", counted, is_recorded=False)
    epochs = checkpoint.epoch + 1
    if count == 0:
        description = f"not trained: all counters are 0 after {epochs} epochs{no_optimizer}"
        return TrainingRecord(description, "0")
    if count < 0 or count % epochs:
        product = f"{epochs} x {count / epochs:,.1f}"
        reason = "trained further, or with epochs of different lengths"
        return TrainingRecord(f"{reason}: {counted} are {product}{no_optimizer}", product)
    iterations = int(count // epochs)
    title = "another training set or batch size"
    if iterations == PROTOCOL_2_ITERATIONS:
        title = "five subjects with the authors' data loaders (protocol 2)"
    elif iterations in PROTOCOL_1_ITERATIONS:
        title = "six subjects with the authors' data loaders (protocol 1)"
    product = f"{epochs} x {iterations:,}"
    return TrainingRecord(f"{product} iterations: {title}{no_optimizer}", product, iterations)


def describe_metadata(checkpoint: Checkpoint) -> str:
    """The metadata that ``extract`` writes to safetensors, empty for other files."""
    names = ("variant", "epoch", "source_sha256")
    found = [f"{n} {quote(checkpoint.metadata[n])}" for n in names if n in checkpoint.metadata]
    return f"unverified metadata: {', '.join(found)}" if found else ""


def _format_counters(counters: Counter[float]) -> str:
    """Format as ``18 of 1,346,328 and 1 of 5``, the most frequent first."""
    listed = [f"{times} of {_format_count(count)}" for count, times in counters.most_common(3)]
    rest = len(counters) - len(listed)
    return " and ".join(listed) + (f" and {rest} more" if rest else "")


def _format_count(count: float) -> str:
    return f"{int(count):,}" if count == count // 1 else str(count)


def format_epoch(known: ReportedCount | None, epoch: int | None) -> str:
    """The file's epoch, with the expected one if it differs or is unverified."""
    if epoch is None:
        return f"epoch {NOT_RECORDED}"
    if known is None or (known.is_verified and epoch in known.values):
        return f"epoch {epoch}"
    if known.is_verified:
        return f"epoch {epoch} (expected {known})"
    return f"epoch {epoch} ({known}: {known.source})"
