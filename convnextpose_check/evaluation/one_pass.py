"""One pass over the data set that reads every image once and evaluates all models on it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.evaluation.failures import told_as_failure
from convnextpose_check.evaluation.measurements import Measurements
from convnextpose_check.evaluation.metrics import sample_errors_mm
from convnextpose_check.evaluation.predict import PendingPrediction, Predictor, to_device
from convnextpose_check.human36m.crops import Crop, read_crops, to_input
from convnextpose_check.human36m.geometry import Array
from convnextpose_check.human36m.samples import Dataset, Sample
from convnextpose_check.network import Network
from convnextpose_check.variants import Protocol

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SEED = 0


@dataclass(frozen=True)
class Conditions:
    """Everything beside model and image that predictions depend on.

    Batches go in turns to the device and to the ``others``, which are of the same model.
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
    """A model to evaluate, with a replica for each of the other devices.

    ``key`` identifies its evaluation in ``cache_file``; without a key nothing is saved.
    """

    network: Network
    key: str | None = None
    cache_file: Path = Path()
    replicas: tuple[Network, ...] = ()


def shuffled(samples: int) -> list[int]:
    """Sample indices in the order of evaluation, which is always the same.

    Neighboring frames have similar errors; shuffled, the running mean settles early. Results are
    stored by sample index and do not depend on the order.
    """
    order: list[int] = np.random.default_rng(SEED).permutation(samples).tolist()
    return order


def remaining_batches(measured: Collection[Measurements], batch_size: int) -> list[list[int]]:
    """Sample indices of each batch of which some model lacks a sample.

    Batches do not depend on partial results: a prediction is the same to the last digit only in
    the same batch.
    """
    (samples,) = {len(each.done) for each in measured}
    order = shuffled(samples)
    batches = [order[begin : begin + batch_size] for begin in range(0, samples, batch_size)]
    return [batch for batch in batches if any(each.lacks(batch) for each in measured)]


def run_pass(
    entries: Mapping[str, Entry],
    measured: Mapping[str, Measurements],
    dataset: Dataset,
    conditions: Conditions,
    batches: Sequence[list[int]],
    failures: dict[str, ConvNeXtPoseCheckError],
    say: Callable[[str], None],
) -> Generator[int, None, None]:
    """Evaluate all models on the batches; yields the number of samples of each batch.

    ``batches`` holds sample indices. Fills ``measured``, and ``failures`` with the error of each
    model that fails; the others go on. Threads read images ahead. A GPU gets its next batch before
    the host computes the errors of the last one, so that it is never idle. Raises
    ``ConvNeXtPoseCheckError`` (``device-failed``) if the device fails outside of a model.
    """
    import torch

    if torch.get_num_threads() < 2:  # a single thread uses other kernels, which round differently
        torch.set_num_threads(2)
    runners = {
        name: _ModelRunner(entry, measured[name], conditions, dataset.protocol, say)
        for name, entry in entries.items()
        if not measured[name].done.all()
    }
    pending: deque[tuple[_Batch, dict[str, PendingPrediction | None]]] = deque()
    devices = conditions.devices
    lag = 0 if conditions.device.type == "cpu" else len(devices)

    def finish_oldest() -> None:
        batch, predictions = pending.popleft()
        for name, prediction in predictions.items():
            if name not in failures:
                with _recorded_failure(name, failures):
                    runners[name].finish(batch, prediction)

    samples = [dataset.samples[index] for batch in batches for index in batch]
    reader = read_crops(samples, conditions.workers, conditions.batch_size * len(devices))
    with closing(reader) as crops:
        for number, indices in enumerate(batches):
            if failures.keys() == runners.keys():
                return
            device_index = number % len(devices)
            batch = _read_batch(indices, crops, device_index, devices[device_index])
            predictions: dict[str, PendingPrediction | None] = {}
            for name, runner in runners.items():
                if name not in failures and measured[name].lacks(indices):
                    with _recorded_failure(name, failures):
                        predictions[name] = runner.start(batch)
            pending.append((batch, predictions))
            if len(pending) > lag:
                finish_oldest()
            yield len(indices)
        while pending:
            finish_oldest()


@contextmanager
def _recorded_failure(name: str, failures: dict[str, ConvNeXtPoseCheckError]) -> Iterator[None]:
    """Record an error of this model, so that the other models go on."""
    try:
        yield
    except ConvNeXtPoseCheckError as error:
        failures[name] = error.with_traceback(None)  # its frames would hold the batch


@dataclass(frozen=True)
class _Batch:
    """The crops of a batch, and the usable ones as input on a device; None without a usable one.

    ``seconds`` is the time spent waiting for the images.
    """

    indices: list[int]
    crops: list[Crop]
    input: Tensor | None
    device_index: int
    seconds: float


def _read_batch(
    indices: list[int], crops: Iterator[Crop], device_index: int, device: torch.device
) -> _Batch:
    start = time.perf_counter()
    taken = list(islice(crops, len(indices)))
    pixels_rgb = [crop.pixels_rgb for crop in taken if crop.pixels_rgb is not None]
    batch_input = None
    if pixels_rgb:
        with told_as_failure(f"the device {device}", ErrorCode.DEVICE_FAILED):
            batch_input = to_input(to_device(pixels_rgb, device))
    return _Batch(indices, taken, batch_input, device_index, time.perf_counter() - start)


class _ModelRunner:
    """Runs one model on each batch and records its joint errors."""

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
        self._grid_whd = entry.network.architecture.grid_whd
        self._predictors = [
            Predictor(network, conditions.flip, measured.batch_size, say)
            for network in (entry.network, *entry.replicas)
        ]
        self._earlier_seconds = measured.seconds
        self._seconds = [0.0] * len(self._predictors)

    def start(self, batch: _Batch) -> PendingPrediction | None:
        """Have the device predict the batch; None without a usable image."""
        if batch.input is None:
            return None
        with told_as_failure("the network"):
            return PendingPrediction(self._predictors[batch.device_index], batch.input)

    def finish(self, batch: _Batch, prediction: PendingPrediction | None) -> None:
        """Wait for the predictions, and record them with their errors."""
        measured = self._measured
        if prediction is not None:
            used = [index for index, crop in enumerate(batch.crops) if crop.pixels_rgb is not None]
            indices = [batch.indices[index] for index in used]
            samples = [batch.crops[index].sample for index in used]
            with told_as_failure("the network"):  # a GPU reports its errors here
                cells_xyz, seconds = prediction.wait()
            _check_finite(cells_xyz, samples)
            measured.cells_xyz[indices] = cells_xyz
            measured.errors_mm[indices] = sample_errors_mm(
                cells_xyz, samples, self._grid_whd, self._protocol
            )
            self._seconds[batch.device_index] += seconds
            # Devices work in parallel.
            measured.seconds = self._earlier_seconds + max(self._seconds)
        for index, crop in zip(batch.indices, batch.crops, strict=True):
            measured.read(index, crop)
        measured.reading_seconds += batch.seconds
        measured.batch_size = min(predictor.batch_size for predictor in self._predictors)


def _check_finite(cells_xyz: Array, samples: Sequence[Sample]) -> None:
    is_wrong = ~np.isfinite(cells_xyz).reshape(len(samples), -1).all(axis=1)
    if is_wrong.any():
        name = samples[int(is_wrong.argmax())].path.name
        raise ConvNeXtPoseCheckError(
            ErrorCode.BAD_WEIGHTS,
            f"the network predicts NaN or infinity for {name}",
            "Check the weights",
        )
