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

PROTOCOL_2_ITERATIONS = 19_512
"""Iterations per epoch of the authors' data loaders: ceil(2 N / 32), since batches have 32 samples
and the 2D set is repeated to the length of the 3D set. N, every fifth frame of subjects 1, 5, 6, 7
and 8, is 312,177 to 312,192; the XS of the fork's commit 3ff09c86ad has 69 such epochs."""


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
    batches = Counter(
        float(tensor)
        for key, tensor in checkpoint.network.items()
        if key.endswith("num_batches_tracked") and tensor.numel() == 1
    )
    steps = Counter(checkpoint.steps)
    counts = list(steps | batches)
    if not counts:
        return TrainingRecord("unknown: the file has no counters", "no counters", is_recorded=False)
    if len(counts) > 1:
        counted = f"steps {_format_counters(steps)}, batches {_format_counters(batches)}"
        return TrainingRecord(f"not from a single training: {counted}", counted)
    count, counted = counts[0], f"{counts[0]:,.12g} iterations"
    if checkpoint.epoch is None:
        return TrainingRecord(f"{counted}, number of epochs unknown", counted, is_recorded=False)
    epochs = checkpoint.epoch + 1
    if count <= 0 or count % epochs:
        product = f"{epochs} x {count / epochs:,.1f}"
        return TrainingRecord(f"not {epochs} equal epochs: {counted} are {product}", product)
    iterations = int(count // epochs)
    title = (
        "five subjects with the authors' data loaders (protocol 2)"
        if iterations == PROTOCOL_2_ITERATIONS
        else "another training set or batch size"
    )
    product = f"{epochs} x {iterations:,}"
    return TrainingRecord(f"{product} iterations: {title}", product, iterations)


def describe_metadata(checkpoint: Checkpoint) -> str:
    """The metadata that ``extract`` writes to safetensors, empty for other files."""
    names = ("variant", "epoch", "source_sha256")
    found = [f"{n} {quote(checkpoint.metadata[n])}" for n in names if n in checkpoint.metadata]
    return f"unverified metadata: {', '.join(found)}" if found else ""


def _format_counters(counters: Counter[float]) -> str:
    """Format as ``1,346,328 (18 x), 5 (1 x)``, the most frequent first."""
    listed = [f"{n:,.12g} ({times} x)" for n, times in counters.most_common(3)]
    return ", ".join(listed + ["..."] * (len(counters) > 3)) or NOT_RECORDED


def format_epoch(known: ReportedCount | None, epoch: int | None) -> str:
    """The file's epoch, with the expected one if it differs or is unverified."""
    if epoch is None:
        return f"epoch {NOT_RECORDED}"
    if known is None or (known.is_verified and epoch in known.values):
        return f"epoch {epoch}"
    if known.is_verified:
        return f"epoch {epoch} (expected {known})"
    return f"epoch {epoch} ({known}: {known.source})"
