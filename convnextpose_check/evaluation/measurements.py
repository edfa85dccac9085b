"""A model to evaluate, its partial results, and its finished evaluation."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.human36m.crops import Crop
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset, Exclusion
from convnextpose_check.human36m.skeleton import ACTIONS, ANNOTATED_JOINTS, JOINTS
from convnextpose_check.network import Network
from convnextpose_check.variants import Protocol

Pairs = tuple[tuple[str, str], ...]
"""Names of two equal image files: the copy, and the one that comes first."""


@dataclass(frozen=True)
class ModelEntry:
    """A model to evaluate, with a replica for each additional device.

    ``key`` is None if results cannot be resumed; ``cache_file`` is empty if none are saved.
    """

    network: Network
    key: str | None = None
    cache_file: Path = Path()
    replicas: tuple[Network, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """Results of one model on one data set, for the N samples with a usable image.

    ``errors_mm`` is (N, 17) float64, under protocol 1 after rigid alignment; ``cells_xyz`` is
    (N, 18, 3) float32. ``complete`` is true if all samples of the protocol were measured. Copies
    across sequences are an error of the data set; within one, the camera may have repeated a frame.
    ``unreadable`` lists images that cannot be used, ``damaged`` those that libjpeg warned of;
    ``resumed`` counts samples from the cache, ``surplus`` those that the protocol does not have.
    """

    protocol: Protocol
    errors_mm: Array
    cells_xyz: Array
    image_ids: tuple[int, ...]
    file_names: tuple[str, ...]
    actions: tuple[str, ...]
    unreadable: tuple[Exclusion, ...]
    complete: bool
    images_sha256: str
    batch_size: int
    cross_sequence_copies: Pairs = ()
    same_sequence_copies: Pairs = ()
    damaged: tuple[Exclusion, ...] = ()
    resumed: int = 0
    surplus: int = 0

    @property
    def error_mm(self) -> float:
        """MPJPE, or PA-MPJPE under protocol 1: mean over samples and joints."""
        return float(np.mean(self.errors_mm))

    def per_action_mm(self) -> dict[str, float]:
        """Mean error of each action that has samples, in Human3.6M's order."""
        sample_actions = np.array(self.actions)
        return {
            action: float(np.mean(self.errors_mm[sample_actions == action]))
            for action in ACTIONS.values()
            if action in self.actions
        }

    def per_joint_mm(self) -> dict[str, float]:
        """Mean error of each of the 17 joints."""
        means_mm: list[float] = self.errors_mm.mean(axis=0).tolist()
        return dict(zip(JOINTS[:ANNOTATED_JOINTS], means_mm, strict=True))


@dataclass
class Measurements:
    """Partial results of one model; N counts all samples of the data set.

    ``done`` (N,) marks evaluated samples, ``sha256`` (N, 32) uint8 has the hash of each file,
    ``cells_xyz`` is (N, 18, 3) float32, ``errors_mm`` (N, 17) float64. By sample index,
    ``problems`` says why an image is unusable, ``warnings`` what libjpeg warns of in a usable one.
    ``failure`` is the error that ended the evaluation. Other fields are as in ``Evaluation``.
    """

    done: Array
    sha256: Array
    cells_xyz: Array
    errors_mm: Array
    batch_size: int
    problems: dict[int, str] = field(default_factory=dict)
    warnings: dict[int, str] = field(default_factory=dict)
    resumed: int = 0
    failure: ConvNeXtPoseCheckError | None = None

    @classmethod
    def empty(cls, samples: int, batch_size: int) -> "Measurements":
        """Create the arrays before the first measurement."""
        return cls(
            np.zeros(samples, dtype=bool),
            np.zeros((samples, 32), dtype=np.uint8),
            np.zeros((samples, len(JOINTS), 3), dtype=np.float32),
            np.zeros((samples, ANNOTATED_JOINTS)),
            batch_size,
        )

    @property
    def used(self) -> Array:
        """Mask (N,) of the evaluated samples with a usable image."""
        used: Array = self.done.copy()
        used[list(self.problems)] = False
        return used

    def record_image(self, index: int, crop: Crop) -> None:
        """Record a sample's image hash and problems, and mark the sample as done."""
        self.sha256[index] = np.frombuffer(bytes.fromhex(crop.sha256), np.uint8)
        if crop.problem is not None:
            self.problems[index] = crop.problem
        elif crop.warning is not None:
            self.warnings[index] = crop.warning
        self.done[index] = True  # last, since an interrupt may occur between any two lines

    def to_evaluation(self, dataset: Dataset) -> Evaluation:
        """Return the finished evaluation, or raise ``failure`` if there is one.

        Raises ``ConvNeXtPoseCheckError`` (``data-not-found``) if no image can be used.
        """
        if self.failure is not None:
            raise self.failure
        assert self.done.all()
        unreadable = _list_exclusions(dataset, self.problems)
        used = np.flatnonzero(self.used).tolist()
        if not used:
            raise ConvNeXtPoseCheckError(
                ErrorCode.DATA_NOT_FOUND,
                f"none of the {len(dataset.samples)} images below {dataset.layout.root} can be"
                f" used, the first because {unreadable[0].reason}",
                "Download the images again",
            )
        samples = [dataset.samples[n] for n in used]
        names = tuple(sample.path.name for sample in samples)
        cross_sequence_copies, same_sequence_copies = find_copies(names, self.sha256[used])
        return Evaluation(
            protocol=dataset.protocol,
            errors_mm=self.errors_mm[used],
            cells_xyz=self.cells_xyz[used],
            image_ids=tuple(sample.image_id for sample in samples),
            file_names=names,
            actions=tuple(sample.action for sample in samples),
            unreadable=unreadable,
            complete=dataset.is_complete() and len(used) == len(dataset.samples),
            images_sha256=hashlib.sha256(self.sha256.tobytes()).hexdigest(),
            batch_size=self.batch_size,
            cross_sequence_copies=cross_sequence_copies,
            same_sequence_copies=same_sequence_copies,
            damaged=_list_exclusions(dataset, self.warnings),
            resumed=self.resumed,
            surplus=dataset.count_surplus(),
        )


def find_copies(names: Sequence[str], sha256: Array) -> tuple[Pairs, Pairs]:
    """Find files equal to an earlier one, by their hashes (N, 32) uint8.

    Returns the copies across sequences, then those within one sequence, where names differ only in
    the frame after the last underscore.
    """
    first: dict[bytes, str] = {}
    cross_sequence: list[tuple[str, str]] = []
    same_sequence: list[tuple[str, str]] = []
    for name, row in zip(names, sha256, strict=True):
        if (earlier := first.setdefault(row.tobytes(), name)) != name:
            sequence = name.rpartition("_")[0]
            is_same_sequence = sequence and sequence == earlier.rpartition("_")[0]
            (same_sequence if is_same_sequence else cross_sequence).append((name, earlier))
    return tuple(cross_sequence), tuple(same_sequence)


def _list_exclusions(dataset: Dataset, reasons: Mapping[int, str]) -> tuple[Exclusion, ...]:
    """Convert reasons by sample index to exclusions in the order of samples."""
    samples = dataset.samples
    return tuple(
        Exclusion(samples[n].image_id, samples[n].path.name, reasons[n]) for n in sorted(reasons)
    )
