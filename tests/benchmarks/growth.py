"""Evaluate N samples with a network that costs nothing: ``... tests.benchmarks.growth N DEVICE``.

Prints the seconds and the peak memory in MB, of the host and of the device. The samples are
separate copies of the miniature's.
"""

from __future__ import annotations

import copy
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import torch

from convnextpose_check.evaluation.evaluate import evaluate
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.evaluation.one_pass import Conditions, Entry
from convnextpose_check.human36m.samples import load_dataset
from convnextpose_check.miniature.build import cached_miniature
from convnextpose_check.miniature.record import read_record
from convnextpose_check.variants import read_catalogue
from tests.benchmarks.conftest import synchronised_time
from tests.support.processes import peak_bytes
from tests.support.texts import ROOT


class Corner:
    """A network that takes no time: it returns a corner of the crop."""

    architecture = read_catalogue()["XS"].architecture

    def __call__(self, crops: torch.Tensor) -> torch.Tensor:
        return crops[:, 0, :18, :3].clone()


def main(samples: int, name: str) -> None:
    """Evaluate, and print seconds and memory."""
    device, fixtures = torch.device(name), ROOT / "fixtures"
    dataset = load_dataset(cached_miniature(fixtures).dataset, read_record(fixtures).dataset)
    own = [copy.deepcopy(dataset.samples[n % len(dataset.samples)]) for n in range(samples)]
    dataset = replace(dataset, samples=tuple(own), limited=True)
    size = 64 if device.type == "cuda" else 4
    conditions = Conditions((device,), True, size, len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as folder:
        entry = Entry(Corner(), "key", Path(folder) / "kept.npz")
        begun = synchronised_time()
        outcome = evaluate({"": entry}, dataset, conditions)[""]
        seconds = synchronised_time() - begun
    assert isinstance(outcome, Evaluation)
    assert len(outcome.errors_mm) == samples
    on_device = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    print(seconds, peak_bytes() / 1e6, on_device / 1e6)  # noqa: T201 - read by test_growth


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
