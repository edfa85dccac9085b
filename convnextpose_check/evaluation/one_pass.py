"""Read every image once and show it to all networks."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.devices import use_two_threads
from convnextpose_check.evaluation.failures import told_as_failure
from convnextpose_check.evaluation.measurements import Measurements
from convnextpose_check.evaluation.metrics import sample_errors_mm
from convnextpose_check.evaluation.predict import Predictor
from convnextpose_check.evaluation.transfer import Arriving, Moment, sent
from convnextpose_check.human36m.crops import Crop, read_crops, to_input
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset, Sample
from convnextpose_check.network import Network
from convnextpose_check.variants import Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

T = TypeVar("T")

PAUSE_SECONDS = 30.0
"""As often what was measured so far is handed out, to be kept."""


@dataclass(frozen=True)
class Conditions:
    """What networks are measured under: all that decides on an answer beside network and image.

    Batches are dealt in turns to the device and to the ``others``, which are alike.
    """

    device: torch.device
    flip: bool
    batch_size: int
    workers: int
    others: tuple[torch.device, ...] = ()

    @property
    def devices(self) -> tuple[torch.device, ...]:
        """All devices."""
        return (self.device, *self.others)


@dataclass(frozen=True)
class Entry:
    """A network to evaluate, with a replica for each of the other devices.

    What is measured of it is kept under ``key`` in a file; without a key nothing is, for what the
    network depends on is not known.
    """

    network: Network
    key: str | None = None
    kept_file: Path = Path()
    replicas: tuple[Network, ...] = ()

    @property
    def on_each_device(self) -> tuple[Network, ...]:
        """The network on each of the devices, in their order."""
        return (self.network, *self.replicas)

    @property
    def grid_whd(self) -> tuple[int, int, int]:
        """The cells of the network's heatmaps along x, y and depth."""
        return self.network.architecture.grid_whd


def run_pass(
    entries: Mapping[str, Entry],
    measured: Mapping[str, Measurements],
    dataset: Dataset,
    conditions: Conditions,
    batches: Sequence[list[int]],
    *,
    on_progress: Callable[[int], None] = lambda _count: None,
    on_pause: Callable[[], object] = lambda: None,
    say: Callable[[str], None] = lambda _note: None,
) -> dict[str, ConvNeXtPoseCheckError]:
    """Show the batches to all networks, each image read and cropped once; fills ``measured``.

    ``batches`` holds sample indices. Images are decoded by threads ahead of the networks. A device
    that works on its own is given a batch before the answers to its last one are looked at, so that
    it never waits for the arithmetic on errors; several are dealt batches in turns. ``on_progress``
    is called with the number of samples of each batch, ``on_pause`` every half minute, to save what
    was measured.

    A network fails alone; which did is returned: ``not-finite`` if it answers with NaN,
    ``out-of-memory`` if one image is too many, ``network-failed`` if it raises anything else. The
    pass ends where all have failed. An image that cannot be read or decoded, or has not its
    annotated size, is named among what was measured. Raises ``device-failed`` where the device
    fails outside of the networks.
    """
    use_two_threads()
    failures: dict[str, ConvNeXtPoseCheckError] = {}
    lanes = {
        name: _Lane(entry, measured[name], conditions, dataset.protocol, say)
        for name, entry in entries.items()
    }
    waiting: deque[tuple[_Batch, dict[str, _Answer]]] = deque()
    devices = conditions.devices
    lag = 0 if conditions.device.type == "cpu" else len(devices)
    paused = time.monotonic()

    def alone(name: str, work: Callable[[], T]) -> T | None:
        try:
            return work()
        except ConvNeXtPoseCheckError as error:
            failures[name] = error.with_traceback(None)  # whose frames would hold the batch
            return None

    def collect(batch: _Batch, answers: Mapping[str, _Answer]) -> None:
        for name, answer in answers.items():
            if name not in failures:
                alone(name, partial(lanes[name].collect, batch, answer))

    samples = [dataset.samples[number] for batch in batches for number in batch]
    reader = read_crops(samples, conditions.workers, conditions.batch_size * len(devices))
    with closing(reader) as crops:
        for turn, place in zip(cycle(range(len(devices))), batches, strict=False):
            asked = {name: lane for name, lane in lanes.items() if name not in failures}
            if not asked:
                break
            batch = _Batch.read(place, crops, turn, devices[turn])
            answers: dict[str, _Answer] = {}
            for name, lane in asked.items():
                if measured[name].lacks(place):
                    answer = alone(name, partial(lane.ask, batch))
                    if answer is not None:
                        answers[name] = answer
            waiting.append((batch, answers))
            if len(waiting) > lag:
                collect(*waiting.popleft())
            on_progress(len(place))
            if time.monotonic() - paused > PAUSE_SECONDS:
                on_pause()
                paused = time.monotonic()
        while waiting:
            collect(*waiting.popleft())
    return failures


@dataclass(frozen=True)
class _Batch:
    """The crops of samples measured together, and those that can be used as input on a device.

    ``turn`` is the number of the device.
    """

    place: list[int]
    turn: int
    crops: list[Crop]
    usable: list[int]
    input: Tensor | None
    seconds: float

    @classmethod
    def read(
        cls, place: list[int], crops: Iterator[Crop], turn: int, device: torch.device
    ) -> _Batch:
        begun = time.perf_counter()
        taken = list(islice(crops, len(place)))
        pixels_rgb = [crop.pixels_rgb for crop in taken if crop.pixels_rgb is not None]
        usable = [index for index, crop in enumerate(taken) if crop.pixels_rgb is not None]
        if not usable:
            return cls(place, turn, taken, usable, None, time.perf_counter() - begun)
        with told_as_failure(f"the device {device}", "device-failed"):
            shown = to_input(sent(pixels_rgb, device))
        return cls(place, turn, taken, usable, shown, time.perf_counter() - begun)


@dataclass(frozen=True)
class _Answer:
    """Positions on their way to the host, and when the device began and ended."""

    cells_xyz: Arriving | None = None
    times: tuple[Moment, Moment] | None = None


class _Lane:
    """One network's way through the pass: it is asked, and its answers are measured."""

    def __init__(
        self,
        entry: Entry,
        measured: Measurements,
        conditions: Conditions,
        protocol: Protocol,
        say: Callable[[str], None],
    ) -> None:
        self._measured = measured
        self._protocol = protocol
        self._grid_whd = entry.grid_whd
        size, flip = measured.batch_size, conditions.flip
        self._on_each = [Predictor(network, flip, size, say) for network in entry.on_each_device]
        self._earlier_seconds = measured.seconds
        self._seconds = [0.0] * len(self._on_each)

    def ask(self, batch: _Batch) -> _Answer:
        """Have the device predict the batch."""
        if batch.input is None:
            return _Answer()
        with told_as_failure("the network"):
            predict = self._on_each[batch.turn]
            begun = Moment(batch.input.device)
            cells_xyz = predict(batch.input)
            ended = Moment(batch.input.device)
            return _Answer(Arriving(cells_xyz), (begun, ended))

    def collect(self, batch: _Batch, answer: _Answer) -> None:
        """Measure the answer and write it down."""
        measured = self._measured
        if answer.cells_xyz is not None and answer.times is not None:
            begun, ended = answer.times
            numbers = [batch.place[index] for index in batch.usable]
            samples = [batch.crops[index].sample for index in batch.usable]
            cells_xyz = _finite(answer.cells_xyz, samples)
            measured.cells_xyz[numbers] = cells_xyz
            measured.errors_mm[numbers] = self._errors_mm(cells_xyz, samples)
            with told_as_failure("the network"):
                self._seconds[batch.turn] += ended.since(begun)
            measured.seconds = self._earlier_seconds + max(self._seconds)  # they work side by side
        for number, crop in zip(batch.place, batch.crops, strict=True):
            measured.read(number, crop)
        measured.reading_seconds += batch.seconds
        measured.batch_size = min(predict.batch_size for predict in self._on_each)

    def _errors_mm(self, cells_xyz: Array, samples: list[Sample]) -> Array:
        return sample_errors_mm(cells_xyz, samples, self._grid_whd, self._protocol)


def _finite(cells_xyz: Arriving, samples: list[Sample]) -> Array:
    with told_as_failure("the network"):  # what went wrong on a GPU is first heard of here
        answer = cells_xyz.numpy()
    wrong = ~np.isfinite(answer).reshape(len(samples), -1).all(axis=1)
    if wrong.any():
        raise ConvNeXtPoseCheckError(
            "not-finite",
            f"the network answers {samples[int(wrong.argmax())].path.name} with NaN or infinity",
            "Check the weights",
        )
    return answer
