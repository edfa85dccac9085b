"""Several networks in one pass: each image is read once, and none of them notices the others."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.evaluate import evaluate
from convnextpose_check.evaluation.measurements import Evaluation, Measurements
from convnextpose_check.evaluation.one_pass import Entry, run_pass
from convnextpose_check.evaluation.plan import remaining_batches, shuffled
from convnextpose_check.human36m import crops
from convnextpose_check.human36m.crops import Crop, read_crop
from convnextpose_check.human36m.samples import Dataset, Sample
from convnextpose_check.interrupts import Interrupted
from convnextpose_check.progress import Advance, Screen
from tests.support.deferred import Deferred
from tests.support.passes import Failing, answers, conditions, evaluated

if TYPE_CHECKING:
    import torch

    from convnextpose_check.network import fast as fast_network
else:
    torch = Deferred("torch")
    fast_network = Deferred("convnextpose_check.network.fast")


def test_every_image_is_read_once_for_all_variants(
    networks: dict[str, Any], dataset: Dataset, tmp_path: Path, reads: Counter[str]
) -> None:
    outcomes = evaluated(networks, dataset, tmp_path)

    assert list(outcomes) == list(networks)
    assert reads == {sample.path.name: 1 for sample in dataset.samples}


def test_answers_do_not_depend_on_which_variants_run(
    networks: dict[str, Any], dataset: Dataset, tmp_path: Path
) -> None:
    together = answers(evaluated(networks, dataset, tmp_path / "all"))
    backwards = dict(reversed(networks.items()))

    for name, network in networks.items():
        assert answers(evaluated({name: network}, dataset, tmp_path / name)) == {
            name: together[name]
        }
    assert answers(evaluated(backwards, dataset, tmp_path / "back")) == together
    assert len(set(together.values())) == 3


@pytest.mark.parametrize("code", ["not-finite", "out-of-memory"])
def test_variant_that_fails_in_the_middle_fails_alone(
    networks: dict[str, Any], dataset: Dataset, tmp_path: Path, code: str, reads: Counter[str]
) -> None:
    good = answers(evaluated(networks, dataset, tmp_path / "good"))
    error = torch.OutOfMemoryError() if code == "out-of-memory" else None

    outcomes = evaluated(
        {**networks, "B": Failing(networks["B"], 1, error)}, dataset, tmp_path / "bad"
    )

    failed = outcomes.pop("B")
    assert isinstance(failed, ConvNeXtPoseCheckError)
    assert failed.code == code
    assert answers(outcomes) == {name: good[name] for name in ("A", "C")}
    assert set(reads.values()) == {2}


def test_progress_shows_running_mean_error_of_each_variant(
    networks: dict[str, Any], dataset: Dataset
) -> None:
    notes: list[str] = []

    class Noting(Screen):
        @contextmanager
        def bar(self, title: str, images: int) -> Iterator[Advance]:  # noqa: ARG002
            yield lambda _count, note="": notes.append(note)

    entries = {n: Entry(networks[n]) for n in ("A", "B")}

    outcomes = evaluate(entries, dataset, conditions(), screen=Noting())

    assert len(notes) == 3
    means = [f"{n} {o.error_mm:.1f}" for n, o in outcomes.items() if isinstance(o, Evaluation)]
    assert notes[-1] == f"{', '.join(means)} mm"
    assert len(set(notes)) == 3


class Cut(BaseException):
    """The run is cut short."""


def test_what_was_begun_is_gone_on_with_to_the_same_bits(
    networks: dict[str, Any],
    dataset: Dataset,
    tmp_path: Path,
    reads: Counter[str],
) -> None:
    whole = answers(evaluated(networks, dataset, tmp_path / "whole"))
    reads.clear()
    with pytest.raises(Cut):
        evaluated({**networks, "C": Failing(networks["C"], 2, Cut())}, dataset, tmp_path)
    lacking = shuffled(6)[4:]
    for name in networks:
        done = np.load(tmp_path / f"{name}.npz")["done"]
        assert np.flatnonzero(~done).tolist() == sorted(lacking)
    reads.clear()
    said: list[str] = []

    outcomes = evaluated(networks, dataset, tmp_path, resume=True, said=said)

    assert answers(outcomes) == whole
    assert reads == {dataset.samples[place].path.name: 1 for place in lacking}
    assert said == [f"{name}: going on after 4 of 6 images" for name in networks]


def test_what_was_measured_is_kept_now_and_then_while_the_pass_goes_on(
    networks: dict[str, Any],
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run may also end without a word."""
    monkeypatch.setattr("convnextpose_check.evaluation.one_pass.PAUSE_SECONDS", 0.0)
    seen: list[int] = []

    class Looking(Failing):
        def __call__(self, images: Any) -> Any:
            kept = tmp_path / "A.npz"
            seen.append(int(np.load(kept)["done"].sum()) if kept.exists() else 0)
            return self.network(images)

    evaluated({"A": Looking(networks["A"], 0)}, dataset, tmp_path)

    assert seen == [0, 2, 4]


@pytest.mark.parametrize("resume", [True, False])
def test_interrupted_run_keeps_what_it_measured_and_says_how_much(
    networks: dict[str, Any], dataset: Dataset, tmp_path: Path, resume: bool
) -> None:
    def cut(at: int) -> str:
        with pytest.raises(Interrupted) as caught:
            evaluated(
                {"A": networks["A"], "B": Failing(networks["B"], at, KeyboardInterrupt())},
                dataset, tmp_path, resume=resume,
            )  # fmt: skip
        assert caught.value.__suppress_context__
        assert caught.value.is_resumable == (not str(caught.value).startswith("none"))
        return str(caught.value)

    assert cut(0) == "none of 6 images is kept"
    assert cut(2) == "4 of 6 images are kept"
    # What stands already is not thrown away for less.
    assert cut(0 if resume else 1) == "4 of 6 images are kept"


def test_variants_that_were_begun_differently_are_counted_one_by_one(
    networks: dict[str, Any], dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        evaluated({"A": Failing(networks["A"], 2, KeyboardInterrupt())}, dataset, tmp_path)
    pair = {"A": networks["A"], "B": Failing(networks["B"], 1, KeyboardInterrupt())}

    with pytest.raises(Interrupted, match="of 6 images are kept: 4 of A, 2 of B"):
        evaluated(pair, dataset, tmp_path, resume=True)


def test_network_of_code_is_not_kept(
    networks: dict[str, Any], dataset: Dataset, tmp_path: Path
) -> None:
    network = Failing(networks["A"], 2, KeyboardInterrupt())
    entries = {"A": Entry(network)}

    with pytest.raises(Interrupted, match="none of 6 images is kept"):
        evaluate(entries, dataset, conditions(), resume=True)
    network.batches = 100
    evaluate(entries, dataset, conditions(), resume=True)

    assert not list(tmp_path.glob("*.npz"))


def test_sample_is_done_only_when_all_of_it_is_written() -> None:
    """An interruption may come between any two lines."""

    class Cropped:
        sha256 = "ab" * 32

        @property
        def problem(self) -> str:
            raise Cut

    measured = Measurements.empty(1, 1)
    with pytest.raises(Cut):
        measured.read(0, Cropped())  # type: ignore[arg-type]  # it stands for a crop

    assert not measured.done.any()


def test_finished_variants_are_not_asked_again(
    networks: dict[str, Any], dataset: Dataset, tmp_path: Path
) -> None:
    first = evaluated({"A": networks["A"]}, dataset, tmp_path)
    never = Failing(networks["A"], 0, Cut())

    outcomes = evaluated({**networks, "A": never}, dataset, tmp_path, resume=True)

    assert answers(outcomes)["A"] == answers(first)["A"]
    assert len(outcomes) == 3


@pytest.mark.parametrize("changes", [{"batch_size": 3}, {"resume": False}])
def test_begun_evaluation_of_other_batches_or_without_resume_is_begun_again(
    networks: dict[str, Any],
    dataset: Dataset,
    tmp_path: Path,
    reads: Counter[str],
    changes: dict[str, Any],
) -> None:
    with pytest.raises(Cut):
        evaluated({"A": Failing(networks["A"], 2, Cut())}, dataset, tmp_path)
    reads.clear()

    evaluated({"A": networks["A"]}, dataset, tmp_path, **({"resume": True} | changes))

    assert len(reads) == 6


class Counting:
    """Remembers how many images it was shown."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.architecture = network.architecture
        self.images: list[int] = []

    def __call__(self, images: Any) -> Any:
        self.images.append(len(images))
        return self.network(images)


@pytest.mark.parametrize(
    ("devices", "shown"),
    [(1, [[2, 2, 2]]), (2, [[2, 2], [2]]), (3, [[2], [2], [2]]), (4, [[2], [2], [2], []])],
)
def test_several_devices_are_dealt_the_batches_and_answer_to_the_same_bits(
    networks: dict[str, Any], dataset: Dataset, tmp_path: Path, devices: int, shown: list[Any]
) -> None:
    whole = answers(evaluated({"A": networks["A"]}, dataset, tmp_path))
    replicas = [Counting(copy.deepcopy(networks["A"])) for _ in range(devices)]
    entry = Entry(replicas[0], replicas=tuple(replicas[1:]))
    others = (torch.device("cpu"),) * (devices - 1)

    outcomes = evaluate({"A": entry}, dataset, conditions(flip=False, others=others))

    assert [each.images for each in replicas] == shown
    assert answers(evaluate({"A": entry}, dataset, conditions(others=others))) == whole
    assert not isinstance(outcomes["A"], ConvNeXtPoseCheckError)
    assert outcomes["A"].batch_size == 2


def test_one_of_several_devices_with_too_little_memory_takes_smaller_parts(
    networks: dict[str, Any], dataset: Dataset
) -> None:
    class Small(Counting):
        def __call__(self, images: Any) -> Any:
            if len(images) > 1:
                raise torch.OutOfMemoryError
            return super().__call__(images)

    small = Small(networks["A"])
    entry = Entry(networks["A"], replicas=(small,))
    found = conditions(flip=False, others=(torch.device("cpu"),))

    outcome = evaluate({"A": entry}, dataset, found)["A"]

    assert small.images == [1, 1]
    assert not isinstance(outcome, ConvNeXtPoseCheckError)
    assert outcome.batch_size == 1


def test_crops_are_forgotten_as_soon_as_they_were_seen(
    networks: dict[str, Any], dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pixels of 8,695 crops would take 1.7 GB."""
    import gc
    import weakref

    begun: list[weakref.ref[Any]] = []
    most = 0

    def watched(sample: Sample) -> Crop:
        crop = read_crop(sample)
        begun.append(weakref.ref(crop.pixels_rgb))
        return crop

    def count(_images: int) -> None:
        nonlocal most
        gc.collect()
        most = max(most, sum(pixels() is not None for pixels in begun))

    gc.freeze()  # what is there already need not be looked through for each batch
    monkeypatch.setattr(crops, "read_crop", watched)
    monkeypatch.setattr(crops, "BATCHES_AHEAD", 1)
    monkeypatch.setattr(crops, "READ_AHEAD", 2)
    many = Dataset(**{**vars(dataset), "samples": dataset.samples * 10})
    measured = Measurements.empty(60, 2)
    batches = remaining_batches([measured], 2)

    run_pass(
        {"A": Entry(networks["A"])}, {"A": measured}, many, conditions(flip=False, workers=1),
        batches, on_progress=count,
    )  # fmt: skip
    gc.unfreeze()

    assert measured.done.all()
    assert most <= 2 + 2 + 1
