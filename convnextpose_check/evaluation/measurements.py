"""A model to evaluate, its partial results by sample, and its finished evaluation."""

from __future__ import annotations

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


@dataclass(frozen=True)
class ModelEntry:
    """A model to evaluate, with a replica for each further device.

    ``key`` identifies its evaluation in ``cache_file``; without a key none is resumed.
    """

    network: Network
    key: str | None = None
    cache_file: Path = Path()
    replicas: tuple[Network, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """The results of one model on one data set, for the N samples with a usable image.

    ``errors_mm`` is (N, 17) float64, under protocol 1 after rigid alignment; ``cells_xyz`` is
    (N, 18, 3) float32. ``complete`` is true for all samples of the protocol. ``seconds`` is the
    time in the model, ``reading_seconds`` the time waiting for images. ``cross_sequence_copies``
    pairs each image that equals an earlier one of another sequence with that one,
    ``same_sequence_copies`` those within one sequence, where the camera may have repeated a frame.
    ``damaged`` lists images with a libjpeg warning; ``resumed`` counts samples from the cache.
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
    seconds: float
    batch_size: int
    reading_seconds: float = 0.0
    cross_sequence_copies: tuple[tuple[str, str], ...] = ()
    same_sequence_copies: tuple[tuple[str, str], ...] = ()
    damaged: tuple[Exclusion, ...] = ()
    resumed: int = 0

    @property
    def error_mm(self) -> float:
        """MPJPE or PA-MPJPE: the mean over samples and joints, not over actions."""
        return float(np.mean(self.errors_mm))

    @property
    def images_per_second(self) -> float:
        """The speed of the model without reading images; 0 if no time was measured."""
        return len(self.image_ids) / self.seconds if self.seconds > 0 else 0.0

    def per_action_mm(self) -> dict[str, float]:
        """The mean error of each action that has samples, in Human3.6M's order."""
        of_samples = np.array(self.actions)
        return {
            action: float(np.mean(self.errors_mm[of_samples == action]))
            for action in ACTIONS.values()
            if action in self.actions
        }

    def per_joint_mm(self) -> dict[str, float]:
        """The mean error of each joint."""
        means_mm: list[float] = self.errors_mm.mean(axis=0).tolist()
        return dict(zip(JOINTS[:ANNOTATED_JOINTS], means_mm, strict=True))


@dataclass
class Measurements:
    """Partial results of one model by sample index; N is the number of all samples.

    ``done`` (N,) marks evaluated samples, ``sha256`` (N, 32) uint8 is that of their files,
    ``cells_xyz`` is (N, 18, 3) float32, ``errors_mm`` (N, 17) float64. ``problems`` maps an
    unusable image to the reason, ``warnings`` a used one to libjpeg's warning. ``failure`` ended
    the evaluation early. The other fields are those of ``Evaluation``.
    """

    done: Array
    sha256: Array
    cells_xyz: Array
    errors_mm: Array
    batch_size: int
    problems: dict[int, str] = field(default_factory=dict)
    warnings: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0
    reading_seconds: float = 0.0
    resumed: int = 0
    failure: ConvNeXtPoseCheckError | None = None

    @classmethod
    def empty(cls, samples: int, batch_size: int) -> Measurements:
        """Nothing measured yet."""
        return cls(
            np.zeros(samples, dtype=bool),
            np.zeros((samples, 32), dtype=np.uint8),
            np.zeros((samples, len(JOINTS), 3), dtype=np.float32),
            np.zeros((samples, ANNOTATED_JOINTS)),
            batch_size,
        )

    @property
    def used(self) -> Array:
        """Marks (N,) the evaluated samples with a usable image."""
        used: Array = self.done.copy()
        used[list(self.problems)] = False
        return used

    def record_image(self, index: int, crop: Crop) -> None:
        """Record the image of a sample, and mark the sample as evaluated."""
        self.sha256[index] = np.frombuffer(bytes.fromhex(crop.sha256), np.uint8)
        if crop.problem is not None:
            self.problems[index] = crop.problem
        elif crop.warning is not None:
            self.warnings[index] = crop.warning
        self.done[index] = True  # last, since an interrupt may come between any two lines

    def to_evaluation(self, dataset: Dataset) -> Evaluation:
        """The finished evaluation; raises ``failure``, if any.

        Raises ``ConvNeXtPoseCheckError`` (``data-not-found``) if none of the images can be used.
        """
        if self.failure is not None:
            raise self.failure
        assert self.done.all()
        unreadable = _listed(dataset, self.problems)
        used = np.flatnonzero(self.used).tolist()
        if not used:
            raise ConvNeXtPoseCheckError(
                ErrorCode.DATA_NOT_FOUND,
                f"none of the {len(dataset.samples)} images below {dataset.layout.root} can be"
                f" used, the first because {unreadable[0].reason}",
                "Fetch the images again",
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
            seconds=self.seconds,
            batch_size=self.batch_size,
            reading_seconds=self.reading_seconds,
            cross_sequence_copies=cross_sequence_copies,
            same_sequence_copies=same_sequence_copies,
            damaged=_listed(dataset, self.warnings),
            resumed=self.resumed,
        )


Pairs = tuple[tuple[str, str], ...]


def find_copies(names: Sequence[str], sha256: Array) -> tuple[Pairs, Pairs]:
    """The files that are copies of an earlier one, each paired with that one.

    Copies from another sequence come first, then those within one take and camera, whose names
    differ in the frame.
    """
    first: dict[bytes, str] = {}
    copies: dict[bool, list[tuple[str, str]]] = {False: [], True: []}
    for name, row in zip(names, sha256, strict=True):
        if (earlier := first.setdefault(row.tobytes(), name)) != name:
            is_of_one_sequence = earlier.rpartition("_")[0] == name.rpartition("_")[0] != ""
            copies[is_of_one_sequence].append((name, earlier))
    return tuple(copies[False]), tuple(copies[True])


def _listed(dataset: Dataset, reasons: Mapping[int, str]) -> tuple[Exclusion, ...]:
    """The samples of these indices, in order, each with its reason."""
    samples = dataset.samples
    return tuple(
        Exclusion(samples[n].image_id, samples[n].path.name, reasons[n]) for n in sorted(reasons)
    )
