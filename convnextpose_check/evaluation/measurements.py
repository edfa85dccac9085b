"""What was measured of a data set: of any of its samples so far, and of the whole."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.human36m.crops import Crop
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset, Exclusion
from convnextpose_check.human36m.skeleton import ACTIONS, ANNOTATED_JOINTS, JOINTS
from convnextpose_check.variants import Protocol


@dataclass(frozen=True)
class Evaluation:
    """What one network made of one data set.

    ``errors_mm`` is (N, 17) float64 in the order of the samples that could be read; under
    protocol 1 they are errors after rigid alignment. ``cells_xyz`` is (N, 18, 3) float32, what
    the network said. ``file_names`` tell the samples apart. ``complete`` says whether these are
    all the samples that the protocol has. ``images_sha256`` is taken over the sha256 of every
    image file. ``seconds`` the network itself took; ``reading_seconds`` went by waiting for images,
    for all networks that were shown them together. ``alike`` names the files that are copies of an
    earlier one, each with that one. ``damaged`` are used images of which libjpeg warns. ``resumed``
    of the samples were measured by an earlier run.
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
    alike: tuple[tuple[str, str], ...] = ()
    damaged: tuple[Exclusion, ...] = ()
    resumed: int = 0

    @property
    def misplaced(self) -> tuple[tuple[str, str], ...]:
        """Those of ``alike`` that are of different sequences: one stands in another's place."""
        return tuple(pair for pair in self.alike if not _of_one_sequence(*pair))

    @property
    def repeated(self) -> tuple[tuple[str, str], ...]:
        """Those of ``alike`` that are of one sequence: a camera may have repeated a frame."""
        return tuple(pair for pair in self.alike if _of_one_sequence(*pair))

    @property
    def error_mm(self) -> float:
        """MPJPE or PA-MPJPE: the mean over samples and joints, not over actions."""
        return float(np.mean(self.errors_mm))

    @property
    def images_per_second(self) -> float:
        """How fast the network was, without the waiting for images; 0 if no time was measured."""
        return len(self.image_ids) / self.seconds if self.seconds > 0 else 0.0

    def per_action_mm(self) -> dict[str, float]:
        """The mean error of each action that has samples."""
        return per_action_mm(self.errors_mm, self.actions)

    def per_joint_mm(self) -> dict[str, float]:
        """The mean error of each joint."""
        means = self.errors_mm.mean(axis=0)
        return dict(zip(JOINTS[:ANNOTATED_JOINTS], map(float, means), strict=True))


def per_action_mm(errors_mm: Array, actions: Sequence[str]) -> dict[str, float]:
    """The mean of (N, J) errors over the samples of each action, in Human3.6M's order."""
    of_samples = np.array(actions)
    return {
        action: float(np.mean(errors_mm[of_samples == action]))
        for action in ACTIONS.values()
        if action in actions
    }


def _of_one_sequence(one: str, other: str) -> bool:
    """Whether two image files are of one take and camera: their names differ in the frame."""
    return one.rpartition("_")[0] == other.rpartition("_")[0] != ""


@dataclass
class Measurements:
    """One network's answers by the number of the sample, N of them in all.

    ``done`` (N,) says which samples were read, ``sha256`` (N, 32) is that of their files,
    ``problems`` says why some could not be used, ``warnings`` what libjpeg warns of. ``cells_xyz``
    (N, 18, 3) float32 and ``errors_mm`` (N, 17) float64 hold the rest. ``seconds`` the network
    took, ``reading_seconds`` went by waiting for images. ``resumed`` usable samples are from an
    earlier run.
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
        """Which samples (N,) were read and are of use."""
        used: Array = self.done.copy()
        used[list(self.problems)] = False
        return used

    def lacks(self, place: Sequence[int]) -> bool:
        """Whether any of these samples is still to be measured."""
        return not self.done[list(place)].all()

    def read(self, number: int, crop: Crop) -> None:
        """The sample's file was read, and is of use or not."""
        self.sha256[number] = np.frombuffer(bytes.fromhex(crop.sha256), np.uint8)
        if crop.problem is not None:
            self.problems[number] = crop.problem
        elif crop.warning is not None:
            self.warnings[number] = crop.warning
        self.done[number] = True  # last, for the run may be interrupted anywhere

    def mean_error_mm(self) -> float | None:
        """The mean error of the samples measured so far; None before the first usable one."""
        used = self.used
        return float(self.errors_mm[used].mean()) if used.any() else None

    def evaluation(self, dataset: Dataset) -> Evaluation:
        """The whole as an evaluation, once every sample was read.

        Raises ``ConvNeXtPoseCheckError`` (``no-data``) if none of the images can be used.
        """
        assert self.done.all()
        unreadable = _listed(dataset, self.problems)
        used = np.flatnonzero(self.used).tolist()
        if not used:
            raise ConvNeXtPoseCheckError(
                "no-data",
                f"none of the {len(dataset.samples)} images below {dataset.layout.root} can be"
                f" used, the first because {unreadable[0].reason}",
                "Fetch the images again",
            )
        samples = [dataset.samples[n] for n in used]
        return Evaluation(
            protocol=dataset.protocol,
            errors_mm=self.errors_mm[used],
            cells_xyz=self.cells_xyz[used],
            image_ids=tuple(sample.image_id for sample in samples),
            file_names=tuple(sample.path.name for sample in samples),
            actions=tuple(sample.action for sample in samples),
            unreadable=unreadable,
            complete=dataset.is_complete() and len(used) == len(dataset.samples),
            images_sha256=hashlib.sha256(self.sha256.tobytes()).hexdigest(),
            seconds=self.seconds,
            batch_size=self.batch_size,
            reading_seconds=self.reading_seconds,
            alike=self._alike(dataset, used),
            damaged=_listed(dataset, self.warnings),
            resumed=self.resumed,
        )

    def _alike(self, dataset: Dataset, used: Sequence[int]) -> tuple[tuple[str, str], ...]:
        """The files that are copies of an earlier one, each with that one."""
        earlier: dict[bytes, int] = {}
        copies = []
        for number in used:
            first = earlier.setdefault(self.sha256[number].tobytes(), number)
            if first != number:
                samples = dataset.samples
                copies.append((samples[number].path.name, samples[first].path.name))
        return tuple(copies)


def _listed(dataset: Dataset, reasons: Mapping[int, str]) -> tuple[Exclusion, ...]:
    """The samples by their numbers, each with the reason why it is listed."""
    samples = dataset.samples
    return tuple(
        Exclusion(samples[n].image_id, samples[n].path.name, reasons[n]) for n in sorted(reasons)
    )
