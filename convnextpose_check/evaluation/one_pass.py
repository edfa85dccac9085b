"""Evaluate several models in one pass that reads every image once."""

import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode
from convnextpose_check.evaluation.cache import load_cached, save_cached
from convnextpose_check.evaluation.measurements import Evaluation, Measurements, ModelEntry
from convnextpose_check.evaluation.metrics import sample_errors_mm
from convnextpose_check.evaluation.predict import PendingPrediction, Predictor, wrap_network_errors
from convnextpose_check.human36m.crops import Crop, read_crops, to_device, to_input
from convnextpose_check.human36m.samples import Dataset
from convnextpose_check.interrupts import defer_signals
from convnextpose_check.progress import ProgressDisplay, progress_bar
from convnextpose_check.variants import Protocol

SAVE_SECONDS = 30.0
"""Interval between two saves of partial results."""

Outcome = Evaluation | ConvNeXtPoseCheckError


@dataclass(frozen=True)
class Conditions:
    """Settings of the evaluation; batches are assigned to the devices in turn.

    The devices have the same hardware model. ``workers`` is the number of threads that read images.
    """

    devices: tuple[torch.device, ...]
    flip: bool
    batch_size: int
    workers: int


def evaluate(
    entries: Mapping[str, ModelEntry],
    dataset: Dataset,
    conditions: Conditions,
    *,
    resume: bool = False,
    display: ProgressDisplay | None = None,
) -> dict[str, Outcome]:
    """Evaluate the models; returns each one's evaluation or error, by name.

    With ``resume``, finished results are loaded from the cache and partial ones are completed.
    Partial results are saved, also before an exception such as ``KeyboardInterrupt`` is raised.
    """
    display = display or ProgressDisplay()
    total = len(dataset.samples)
    measured: dict[str, Measurements] = {}
    for name, entry in entries.items():
        cached = load_cached(entry, dataset, conditions.batch_size) if resume else None
        if cached is not None and cached.done.all():
            display.write_line(f"{name}: results loaded from {entry.cache_file}")
        elif cached is not None:
            display.write_line(f"{name}: resuming after {int(cached.done.sum())} of {total} images")
        measured[name] = cached or Measurements.empty(total, conditions.batch_size)

    def save_all() -> None:
        with defer_signals():
            for name, entry in entries.items():
                save_cached(entry, measured[name], dataset, conditions.batch_size)

    if batches := list_remaining_batches(measured.values(), conditions.batch_size):
        steps = run_pass(entries, measured, dataset, conditions, batches, display.write_line)
        bar = progress_bar(display.stream, " ".join(entries), sum(map(len, batches)))
        try:
            with closing(steps), bar as advance:
                saved_at = time.monotonic()
                for count in steps:
                    advance(count, _format_running_errors(measured))
                    if time.monotonic() - saved_at > SAVE_SECONDS:
                        save_all()
                        saved_at = time.monotonic()
        finally:
            save_all()
    outcomes: dict[str, Outcome] = {}
    for name, each in measured.items():
        try:
            outcomes[name] = each.to_evaluation(dataset)
        except ConvNeXtPoseCheckError as error:
            outcomes[name] = error.with_traceback(None)
    return outcomes


def _format_running_errors(measured: Mapping[str, Measurements]) -> str:
    """Format the mean errors so far, e.g. ``XS 56.6, S 52.0 mm``."""
    notes = [
        f"{name} {each.errors_mm[used].mean():.1f}"
        for name, each in measured.items()
        if (used := each.used).any()
    ]
    return f"{', '.join(notes)} mm" if notes else ""


def list_remaining_batches(measured: Collection[Measurements], batch_size: int) -> list[list[int]]:
    """Sample indices of each batch that at least one model has not completed.

    The batches are those of a run from the start, since the last digits of a prediction may depend
    on the other images in the batch. The order is shuffled with a fixed seed, so that the running
    mean converges early: adjacent frames have similar errors.
    """
    samples = max(len(each.done) for each in measured)  # the same for all models
    order = np.random.default_rng(0).permutation(samples).tolist()
    batches = [order[begin : begin + batch_size] for begin in range(0, samples, batch_size)]
    return [batch for batch in batches if not all(each.done[batch].all() for each in measured)]


def run_pass(
    entries: Mapping[str, ModelEntry],
    measured: Mapping[str, Measurements],
    dataset: Dataset,
    conditions: Conditions,
    batches: Sequence[list[int]],
    write_line: Callable[[str], None],
) -> Generator[int, None, None]:
    """Evaluate all models on the batches; yields the number of samples of each batch.

    ``batches`` contains sample indices. Writes results to ``measured``, also the error of a model
    that fails; the others continue, unless the device itself fails. Threads read images ahead. A
    GPU receives its next batch before the host computes errors of the previous one.
    """
    if torch.get_num_threads() < 2:  # one thread selects kernels that round differently
        torch.set_num_threads(2)
    runners = [
        _ModelRunner(entry, measured[name], conditions, dataset.protocol, write_line)
        for name, entry in entries.items()
        if not measured[name].done.all()
    ]
    devices = conditions.devices
    lag = 0 if devices[0].type == "cpu" else len(devices)  # one pending batch per GPU
    samples = [dataset.samples[index] for batch in batches for index in batch]
    images_per_turn = conditions.batch_size * len(devices)
    with closing(read_crops(samples, conditions.workers, images_per_turn)) as crops:
        for number, indices in enumerate(batches):
            runners = [runner for runner in runners if runner.measured.failure is None]
            if not runners:
                return
            device_index = number % len(devices)
            try:
                batch = _read_batch(indices, crops, device_index, devices[device_index])
            except ConvNeXtPoseCheckError as error:
                for runner in runners:
                    runner.fail(error)
                return
            for runner in runners:
                if not runner.measured.done[indices].all():
                    runner.start(batch)
            for runner in runners:
                runner.finish(lag)
            yield len(indices)
        for runner in runners:
            runner.finish(0)


@dataclass(frozen=True)
class _Batch:
    """The crops of a batch; ``input`` has the usable ones on a device, or is None without any."""

    indices: list[int]
    crops: list[Crop]
    input: Tensor | None
    device_index: int


def _read_batch(
    indices: list[int], crops: Iterator[Crop], device_index: int, device: torch.device
) -> _Batch:
    batch_crops = list(islice(crops, len(indices)))
    pixels_rgb = [crop.pixels_rgb for crop in batch_crops if crop.pixels_rgb is not None]
    batch_input = None
    if pixels_rgb:
        with wrap_network_errors(f"the device {device}", ErrorCode.DEVICE_FAILED):
            batch_input = to_input(to_device(pixels_rgb, device))
    return _Batch(indices, batch_crops, batch_input, device_index)


class _ModelRunner:
    """Runs one model on each batch and records its joint errors."""

    def __init__(
        self,
        entry: ModelEntry,
        measured: Measurements,
        conditions: Conditions,
        protocol: Protocol,
        write_line: Callable[[str], None],
    ) -> None:
        self.measured = measured
        self._protocol = protocol
        self._grid_whd = entry.network.architecture.grid_whd
        self._predictors = [
            Predictor(network, conditions.flip, measured.batch_size, write_line)
            for network in (entry.network, *entry.replicas)
        ]
        self._pending: deque[tuple[_Batch, PendingPrediction | None]] = deque()  # None: no image

    def fail(self, error: ConvNeXtPoseCheckError) -> None:
        """Record the error that ends this model's evaluation."""
        self.measured.failure = error.with_traceback(None)  # frames would keep the batch in memory
        self._pending.clear()

    @contextmanager
    def _record_failure(self) -> Iterator[None]:
        try:
            yield
        except ConvNeXtPoseCheckError as error:
            self.fail(error)

    def start(self, batch: _Batch) -> None:
        """Queue the batch on its device."""
        prediction = None
        with self._record_failure():
            if batch.input is not None:
                with wrap_network_errors("the network"):
                    prediction = PendingPrediction(
                        self._predictors[batch.device_index], batch.input
                    )
            self._pending.append((batch, prediction))

    def finish(self, lag: int) -> None:
        """Wait for all but the last ``lag`` batches and record their results."""
        with self._record_failure():
            while len(self._pending) > lag:
                batch, prediction = self._pending.popleft()
                if prediction is not None:
                    self._record(batch, prediction)
                for index, crop in zip(batch.indices, batch.crops, strict=True):
                    self.measured.record_image(index, crop)

    def _record(self, batch: _Batch, prediction: PendingPrediction) -> None:
        """Wait for the predictions; record them and their errors."""
        measured = self.measured
        pairs = zip(batch.indices, batch.crops, strict=True)
        used = {index: crop.sample for index, crop in pairs if crop.pixels_rgb is not None}
        indices, samples = list(used), list(used.values())
        with wrap_network_errors("the network"):  # a GPU reports its errors here
            cells_xyz = prediction.wait()
        is_finite = np.isfinite(cells_xyz).reshape(len(samples), -1).all(axis=1)
        if not is_finite.all():
            name = samples[int(is_finite.argmin())].path.name
            raise ConvNeXtPoseCheckError(
                ErrorCode.BAD_WEIGHTS,
                f"the network predicts NaN or infinity for {name}",
                "Check the weights",
            )
        measured.cells_xyz[indices] = cells_xyz
        measured.errors_mm[indices] = sample_errors_mm(
            cells_xyz, samples, self._grid_whd, self._protocol
        )
        measured.batch_size = min(predictor.batch_size for predictor in self._predictors)
