"""Three networks evaluated on a few images in one shared pass."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.measurements import ModelEntry
from convnextpose_check.evaluation.one_pass import Conditions, Outcome, evaluate
from convnextpose_check.human36m import crops
from convnextpose_check.human36m.crops import Crop, read_crop
from convnextpose_check.human36m.samples import Dataset, Sample, load_dataset
from convnextpose_check.progress import ProgressDisplay
from convnextpose_check.variants import Architecture
from tests.support.datasets import FACTS, HandmadeDataset


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return load_dataset(HandmadeDataset().write(tmp_path / "set"), FACTS)


class CornerNetwork:
    """A fast network whose predictions are pixels of one color channel."""

    def __init__(self, architecture: Architecture, channel: int) -> None:
        self.architecture = architecture
        self.channel = channel

    def __call__(self, crops: Tensor) -> Tensor:
        return crops[:, self.channel, 100:118, 100:103] / 40


class SmallMemory:
    """Runs out of memory above ``capacity`` images, and records the sizes of other batches."""

    def __init__(self, network: Any, capacity: int) -> None:
        self.network = network
        self.architecture = network.architecture
        self.capacity = capacity
        self.sizes: list[int] = []

    def __call__(self, images: Tensor) -> Any:
        if len(images) > self.capacity:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.sizes.append(len(images))
        return self.network(images)


@pytest.fixture
def networks(tiny: Architecture) -> dict[str, Any]:
    return {name: CornerNetwork(tiny, channel) for channel, name in enumerate(("A", "B", "C"))}


@dataclass(frozen=True)
class RecordingDisplay(ProgressDisplay):
    texts: list[str] = field(default_factory=list)

    def write_line(self, text: str) -> None:
        self.texts.append(text)


def make_conditions(**changes: Any) -> Conditions:
    """By default: CPU, batch size 2, two workers, with flip test."""
    cpu = (torch.device("cpu"),)
    defaults: dict[str, Any] = {"devices": cpu, "flip": True, "batch_size": 2, "workers": 2}
    return Conditions(**(defaults | changes))


def evaluate_networks(
    networks: dict[str, Any], dataset: Dataset, folder: Path, resume: bool = False, **changes: Any
) -> dict[str, Outcome]:
    entries = {
        name: ModelEntry(network, f"key of {name}", folder / f"{name}.npz")
        for name, network in networks.items()
    }
    display = RecordingDisplay(texts=changes.pop("messages", []))
    return evaluate(entries, dataset, make_conditions(**changes), resume=resume, display=display)


def result_bytes(outcomes: dict[str, Outcome]) -> dict[str, bytes]:
    """The bytes of the predictions and errors of each network."""
    found = {}
    for name, outcome in outcomes.items():
        assert not isinstance(outcome, ConvNeXtPoseCheckError), outcome
        found[name] = outcome.cells_xyz.tobytes() + outcome.errors_mm.tobytes()
    return found


@pytest.fixture
def read_counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    counts: Counter[str] = Counter()
    lock = threading.Lock()

    def count_read(sample: Sample) -> Crop:
        with lock:
            counts[sample.path.name] += 1
        return read_crop(sample)

    monkeypatch.setattr(crops, "read_crop", count_read)
    return counts


class FailingNetwork:
    """Predicts NaN or raises ``error``, starting at batch number ``batch``."""

    def __init__(self, network: Any, batch: int, error: BaseException | None = None) -> None:
        self.network = network
        self.architecture = network.architecture
        self.batches = batch
        self.error = error

    def __call__(self, images: Any) -> Any:
        self.batches -= 1
        if self.batches >= 0:
            return self.network(images)
        if self.error is not None:
            raise self.error
        return self.network(images) * float("nan")
