"""A shared pass reads each image once, and its models do not affect each other."""

from __future__ import annotations

import copy
import gc
import weakref
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation import one_pass
from convnextpose_check.evaluation import predict as predictions
from convnextpose_check.evaluation.measurements import Measurements, ModelEntry
from convnextpose_check.evaluation.one_pass import (
    evaluate,
    list_remaining_batches,
    run_pass,
)
from convnextpose_check.human36m import crops
from convnextpose_check.human36m.crops import Crop, read_crop
from convnextpose_check.human36m.samples import Dataset, Sample
from convnextpose_check.network.layout import build_network
from convnextpose_check.network.optimized import OptimizedConvNeXtPose
from convnextpose_check.synthetic.weights import seeded_state
from convnextpose_check.variants import Architecture
from tests.support import fake_gpu
from tests.support.passes import (
    FailingNetwork,
    SmallMemory,
    evaluate_networks,
    make_conditions,
    result_bytes,
)

Networks = dict[str, Any]


class Killed(BaseException):
    """Ends the run; an Exception would only end the evaluation of one model."""


def repeat_samples(dataset: Dataset, times: int) -> Dataset:
    return Dataset(**{**vars(dataset), "samples": dataset.samples * times})


def shuffle_indices(samples: int) -> list[int]:
    """The order of evaluation."""
    return list_remaining_batches([Measurements.empty(samples, samples)], samples)[0]


def test_list_remaining_batches_has_each_sample_once_shuffled() -> None:
    """Neighboring frames have similar errors; the first batch should be typical."""
    batches = list_remaining_batches([Measurements.empty(99, 4)], 4)

    assert [len(batch) for batch in batches] == [4] * 24 + [3]
    assert sorted(index for batch in batches for index in batch) == list(range(99))
    assert np.ptp(shuffle_indices(8695)[:64]) > 8000
    assert abs(np.corrcoef(range(8695), shuffle_indices(8695))[0, 1]) < 0.05
    partial = Measurements.empty(99, 4)
    partial.done[batches[0]] = True
    partial.done[batches[5][:3]] = True
    assert list_remaining_batches([partial], 4) == batches[1:]


def test_evaluate_reads_images_once_and_models_are_independent(
    networks: Networks, dataset: Dataset, tmp_path: Path, read_counts: Counter[str]
) -> None:
    outcomes = evaluate_networks(networks, dataset, tmp_path / "all")

    assert list(outcomes) == list(networks)
    assert read_counts == {sample.path.name: 1 for sample in dataset.samples}
    together = result_bytes(outcomes)
    assert len(set(together.values())) == 3
    backwards = dict(reversed(networks.items()))
    assert result_bytes(evaluate_networks(backwards, dataset, tmp_path / "backwards")) == together
    for name, network in networks.items():
        alone = result_bytes(evaluate_networks({name: network}, dataset, tmp_path / name))
        assert alone == {name: together[name]}


@pytest.mark.parametrize("code", ["bad-weights", "out-of-memory", "network-failed"])
def test_evaluate_failing_model_fails_alone_and_can_be_resumed(
    networks: Networks, dataset: Dataset, tmp_path: Path, code: str, read_counts: Counter[str]
) -> None:
    good = result_bytes(evaluate_networks(networks, dataset, tmp_path / "good"))
    read_counts.clear()
    error = {
        "out-of-memory": torch.OutOfMemoryError(),
        "network-failed": RuntimeError("CUDA error: device-side assert triggered"),
    }.get(code)

    broken = {**networks, "B": FailingNetwork(networks["B"], 2, error)}
    outcomes = evaluate_networks(broken, dataset, tmp_path)

    failed = outcomes.pop("B")
    assert isinstance(failed, ConvNeXtPoseCheckError)
    assert failed.code == code
    assert failed.__traceback__ is None
    names = {dataset.samples[index].path.name for index in shuffle_indices(6)[4:]}
    assert any(name in str(failed) for name in names) is (code == "bad-weights")
    assert result_bytes(outcomes) == {name: good[name] for name in ("A", "C")}
    assert result_bytes(evaluate_networks(networks, dataset, tmp_path, resume=True)) == good
    assert sum(read_counts.values()) == 6 + 2
    read_counts.clear()
    evaluate_networks({"B": broken["B"]}, repeat_samples(dataset, 20), tmp_path)
    assert sum(read_counts.values()) < 40


def test_evaluate_device_error_outside_models_stops_pass(
    networks: Networks, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished = result_bytes(evaluate_networks({"C": networks["C"]}, dataset, tmp_path))
    to_input, calls = crops.to_input, 0

    def fail_third_call(pixels: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise torch.AcceleratorError("CUDA error: unspecified launch failure")
        return to_input(pixels)

    monkeypatch.setattr(one_pass, "to_input", fail_third_call)
    broken = {**networks, "B": FailingNetwork(networks["B"], 1)}
    outcomes = evaluate_networks(broken, dataset, tmp_path, resume=True)

    codes = [getattr(outcomes[name], "code", None) for name in ("A", "B")]
    assert codes == ["device-failed", "bad-weights"]
    assert result_bytes({"C": outcomes["C"]}) == finished
    assert np.load(tmp_path / "A.npz")["done"].sum() == 4


def test_evaluate_resumed_gives_identical_results(
    networks: Networks, dataset: Dataset, tmp_path: Path, read_counts: Counter[str]
) -> None:
    whole = result_bytes(evaluate_networks(networks, dataset, tmp_path / "whole"))
    evaluate_networks({"A": networks["A"]}, dataset, tmp_path)
    uncallable = FailingNetwork(networks["A"], 0, Killed())
    killed = {"A": uncallable, "B": networks["B"], "C": FailingNetwork(networks["C"], 2, Killed())}
    with pytest.raises(Killed):
        evaluate_networks(killed, dataset, tmp_path, resume=True)
    missing = shuffle_indices(6)[4:]
    for name in ("B", "C"):
        done = np.load(tmp_path / f"{name}.npz")["done"]
        assert np.flatnonzero(~done).tolist() == sorted(missing)
    read_counts.clear()
    lines: list[str] = []

    outcomes = evaluate_networks(
        {**networks, "A": uncallable}, dataset, tmp_path, resume=True, messages=lines
    )

    assert result_bytes(outcomes) == whole
    assert read_counts == {dataset.samples[index].path.name: 1 for index in missing}
    assert lines == [
        f"A: results loaded from {tmp_path / 'A.npz'}",
        *(f"{name}: resuming after 4 of 6 images" for name in ("B", "C")),
    ]
    read_counts.clear()
    assert result_bytes(
        evaluate_networks(dict.fromkeys(networks, uncallable), dataset, tmp_path, resume=True)
    )
    assert not read_counts
    assert result_bytes(evaluate_networks(networks, dataset, tmp_path)) == whole
    assert sum(read_counts.values()) == 6, "results are used without --resume"


def test_evaluate_saves_partial_results_during_pass(
    networks: Networks, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may be killed without a signal that it could handle."""
    monkeypatch.setattr("convnextpose_check.evaluation.one_pass.SAVE_SECONDS", 0.0)
    saved: list[int] = []

    class SaveCountingNetwork(FailingNetwork):
        def __call__(self, images: Any) -> Any:
            path = tmp_path / "A.npz"
            saved.append(int(np.load(path)["done"].sum()) if path.exists() else 0)
            return self.network(images)

    evaluate_networks({"A": SaveCountingNetwork(networks["A"], 0)}, dataset, tmp_path)

    assert saved == [0, 2, 4]


def test_evaluate_interrupted_saves(networks: Networks, dataset: Dataset, tmp_path: Path) -> None:
    def run_interrupted(names: str, batch: int, *, key: bool = True) -> list[int]:
        network = FailingNetwork(networks[names[-1]], batch, KeyboardInterrupt())
        entries = {
            name: ModelEntry(
                network if name == names[-1] else networks[name],
                name if key else None,
                tmp_path / f"{name}.npz",
            )
            for name in names
        }  # fmt: skip
        with pytest.raises(KeyboardInterrupt):
            evaluate(entries, dataset, make_conditions(), resume=True)
        return [int(np.load(path)["done"].sum()) for path in sorted(tmp_path.glob("*.npz"))]

    assert run_interrupted("A", 0) == []
    assert run_interrupted("A", 2, key=False) == [4]
    assert run_interrupted("A", 2) == [4]
    assert run_interrupted("AB", 1) == [4, 2]


@pytest.mark.parametrize(
    ("limits", "sizes", "batch_size"),
    [
        ([9, 9], [[2, 2], [2]], 2),
        ([9, 9, 9, 9], [[2], [2], [2], []], 2),
        ([9, 1], [[2, 2], [1, 1]], 1),
    ],
)
def test_evaluate_several_devices_give_identical_results(
    networks: Networks, dataset: Dataset, limits: list[int], sizes: list[list[int]], batch_size: int
) -> None:
    whole = evaluate({"A": ModelEntry(networks["A"])}, dataset, make_conditions(flip=False))
    replicas = [SmallMemory(copy.deepcopy(networks["A"]), limit) for limit in limits]
    entry = ModelEntry(replicas[0], replicas=tuple(replicas[1:]))
    devices = (torch.device("cpu"),) * len(limits)

    outcomes = evaluate({"A": entry}, dataset, make_conditions(flip=False, devices=devices))

    assert [replica.sizes for replica in replicas] == sizes
    assert result_bytes(outcomes) == result_bytes(whole)
    assert outcomes["A"].batch_size == batch_size  # type: ignore[union-attr]  # an evaluation


def test_run_pass_uses_two_threads_and_frees_crops(
    networks: Networks, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """8,695 crops would take 1.7 GB; a single thread rounds differently."""
    pixels: list[weakref.ref[Any]] = []
    most = 0

    def track_crop(sample: Sample) -> Crop:
        crop = read_crop(sample)
        pixels.append(weakref.ref(crop.pixels_rgb))
        return crop

    monkeypatch.setattr(crops, "read_crop", track_crop)
    monkeypatch.setattr(crops, "BATCHES_AHEAD", 1)
    monkeypatch.setattr(crops, "READ_AHEAD", 2)
    measured = {"A": Measurements.empty(24, 2)}
    batches = list_remaining_batches(measured.values(), 2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    gc.freeze()  # speeds up each collection
    for _ in run_pass(
        {"A": ModelEntry(networks["A"])}, measured, repeat_samples(dataset, 4),
        make_conditions(flip=False, workers=1), batches, lambda _: None,
    ):  # fmt: skip
        gc.collect()
        most = max(most, sum(each() is not None for each in pixels))
    gc.unfreeze()

    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)
    assert measured["A"].done.all()
    assert most <= 2 + 2 + 1


@pytest.fixture
def run_on_fake_gpu(tiny: Architecture, dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> Any:
    """An optimized model on a fake GPU, and a function that runs a pass on it."""
    device = fake_gpu.FakeGpu()
    network = build_network(tiny, seeded_state(tiny, 1), torch.device("cpu"))
    optimized = OptimizedConvNeXtPose(network, device=torch.device("meta"))

    event = SimpleNamespace(synchronize=lambda: device.wait("event"))
    monkeypatch.setattr(predictions, "record_event", lambda _: event)

    def run(entries: dict[str, ModelEntry], devices: int = 1) -> Iterator[fake_gpu.FakeGpu]:
        repeated = repeat_samples(dataset, 3)
        measured = {name: Measurements.empty(len(repeated.samples), 2) for name in entries}
        batches = list_remaining_batches(measured.values(), 2)
        meta = make_conditions(workers=1, devices=(torch.device("meta"),) * devices)
        with fake_gpu.ListMode(device), device:
            for _ in run_pass(entries, measured, repeated, meta, batches, lambda _: None):
                yield device
        assert all(each.done.all() for each in measured.values())
        assert all(each.failure is None for each in measured.values())

    return optimized, run


def test_run_pass_host_waits_only_for_predictions(run_on_fake_gpu: Any) -> None:
    optimized, run = run_on_fake_gpu
    waits = []
    for device in run({"A": ModelEntry(optimized), "B": ModelEntry(optimized)}):
        waits.append(device.waits.copy())
        device.waits.clear()

    assert waits[3:-2] == [["event"] * 2] * 4


def test_run_pass_queues_then_waits(run_on_fake_gpu: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    optimized, run = run_on_fake_gpu
    calls: list[str] = []

    class Recording:
        architecture = optimized.architecture

        def __init__(self, name: str) -> None:
            self.name = name

        def __call__(self, crops: Any) -> Any:
            calls.append(self.name)
            return optimized(crops)

    monkeypatch.setattr(fake_gpu.FakeGpu, "wait", lambda *_: calls.append("wait"))

    list(run({"A": ModelEntry(Recording("first"), replicas=(Recording("second"),))}, devices=2))

    started = ["first", "second"] * 5
    then = [call for name in started[2:9] for call in (name, "wait")]
    assert calls == [*started[:2], *then, "wait", "wait"]
