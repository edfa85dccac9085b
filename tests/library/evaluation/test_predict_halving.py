"""Where the device's memory is too small for a batch, the batch is halved and the run goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.precision import use_exact_float32
from convnextpose_check.evaluation.predict import Predictor
from convnextpose_check.variants import Architecture
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import torch
else:
    torch = Deferred("torch")


class SmallMemory:
    """Answers each crop with its first pixel, for at most ``room`` crops at once."""

    def __init__(self, architecture: Architecture, room: int) -> None:
        self.architecture = architecture
        self.room = room
        self.seen: list[int] = []

    def __call__(self, crops: torch.Tensor) -> torch.Tensor:
        if len(crops) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self.seen.append(len(crops))
        return crops[:, 0, 0, 0].view(-1, 1, 1).expand(-1, 18, 3).clone()


@pytest.mark.parametrize(("room", "sizes"), [(16, [8]), (5, [4, 4]), (1, [1] * 8)])
def test_batch_is_halved_until_it_fits_and_the_order_stays(
    tiny: Architecture, room: int, sizes: list[int]
) -> None:
    notes: list[str] = []
    network = SmallMemory(tiny, room)
    predictor = Predictor(network, flip=False, batch_size=8, on_note=notes.append)
    crops = torch.arange(8.0).view(8, 1, 1, 1).expand(8, 3, 4, 4)

    cells_xyz = predictor(crops)

    assert network.seen == sizes
    assert cells_xyz[:, 0, 0].tolist() == list(range(8))
    assert predictor.batch_size == sizes[0]
    assert len(notes) == {16: 0, 5: 1, 1: 3}[room]
    assert all("out of memory" in note for note in notes)


def test_smaller_size_is_kept_for_the_next_batch(tiny: Architecture) -> None:
    network = SmallMemory(tiny, room=4)
    predictor = Predictor(network, flip=False, batch_size=8, on_note=lambda _: None)
    crops = torch.zeros(8, 3, 4, 4)

    predictor(crops)
    predictor(crops)

    assert network.seen == [4, 4, 4, 4]


def test_one_image_too_many_is_one_sentence(tiny: Architecture) -> None:
    predictor = Predictor(SmallMemory(tiny, 0), flip=False, batch_size=2, on_note=lambda _: None)

    with pytest.raises(ConvNeXtPoseCheckError, match=r"single image.*--device cpu") as caught:
        predictor(torch.zeros(2, 3, 4, 4))

    assert caught.value.code == "out-of-memory"
    assert "allocate" not in str(caught.value)


def test_device_that_fails_while_memory_is_freed_is_named(
    tiny: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("the launch has timed out")

    monkeypatch.setattr("torch.cuda.empty_cache", fail)
    predictor = Predictor(SmallMemory(tiny, 1), flip=False, batch_size=2, on_note=lambda _: None)

    with pytest.raises(ConvNeXtPoseCheckError, match=r"\[device-failed\] cpu .*timed out"):
        predictor(torch.zeros(2, 3, 4, 4))


@pytest.fixture
def tf32() -> Iterator[None]:
    """TF32 as other code may switch it on."""
    torch.backends.cuda.matmul.allow_tf32 = True
    yield
    use_exact_float32()


@pytest.mark.usefixtures("tf32")
def test_predictor_switches_tf32_off_before_each_batch(tiny: Architecture) -> None:
    asked: list[bool] = []

    class Asked(SmallMemory):
        def __call__(self, crops: torch.Tensor) -> torch.Tensor:
            asked.append(torch.backends.cuda.matmul.allow_tf32)
            return super().__call__(crops)

    predictor = Predictor(Asked(tiny, 8), False, 8, lambda _: None)
    predictor(torch.zeros(2, 3, 4, 4))

    assert asked == [False]
