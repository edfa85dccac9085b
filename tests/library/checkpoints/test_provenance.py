"""The training in a checkpoint's counters, and its comparison with the recorded one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace

from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.checkpoints.provenance import epoch_told, provenance
from convnextpose_check.checks.archives import check_epoch, check_provenance
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.miniature.archives import snapshot_content, write_container
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.variants import Architecture, Variant, WholeFigure
from tests.support.archives import checkpoint_of, tiny_variant

Content = dict[str, Any]
Change = Callable[[Content], Any]

XS_COUNT = 1_346_328
"""Of every counter of the published XS."""


@pytest.fixture
def xs(tiny: Architecture) -> Variant:
    return tiny_variant(tiny, "XS")


def loaded(variant: Variant, tmp_path: Path, change: Change = lambda _: None) -> Checkpoint:
    """The variant's archive, its content changed before it is written."""
    content = snapshot_content(variant, seeded_state(variant.architecture, seed=1))
    change(content)
    path = tmp_path / variant.checkpoint.file_name
    write_container(content, "archive", path)
    return load_checkpoint(path)


def counting(count: int, steps: float | None = None, epoch: int | None = None) -> Change:
    """Other counters, and another epoch if one is given."""

    def change(content: Content) -> None:
        for key in content["network"]:
            if key.endswith("num_batches_tracked"):
                content["network"][key] = torch.tensor(count)
        for each in content["optimizer"]["state"].values():
            each["step"] = torch.tensor(float(count if steps is None else steps))
        content["epoch"] = content["epoch"] if epoch is None else epoch

    return change


def one_batchnorm_off(content: Content) -> None:
    key = next(key for key in content["network"] if key.endswith("num_batches_tracked"))
    content["network"][key] += 5


def set_step(value: Callable[[], Any]) -> Change:
    return lambda content: content["optimizer"]["state"][3].update(step=value())


@pytest.mark.parametrize(
    "write",
    [lambda step: torch.tensor(float(step)), torch.tensor, float, int],
    ids=["float32", "int64", "float", "int"],
)
def test_steps_of_every_torch_version_are_read(
    xs: Variant, tmp_path: Path, write: Callable[[int], Any]
) -> None:
    def change(content: Content) -> None:
        for each in content["optimizer"]["state"].values():
            each["step"] = write(XS_COUNT)

    checkpoint = loaded(xs, tmp_path, change)

    assert set(checkpoint.steps) == {XS_COUNT}
    assert len(checkpoint.steps) == 70 == len(checkpoint.network) - 3 * 12
    record = check_provenance(xs, checkpoint)
    assert record.story == (
        "69 x 19,512 iterations: five subjects with the authors' loaders, so protocol 2"
    )
    assert (record.iterations, record.counted_anything) == (19_512, True)


OTHER_TRAININGS: dict[str, tuple[Change, str, str]] = {
    "six": (counting(69 * 23_487), "69 x 23,487", "six subjects with the authors' loaders"),
    "six-at-most": (counting(69 * 23_604), "69 x 23,604", "six subjects"),
    "more-than-six": (counting(69 * 23_605), "69 x 23,605", "trained otherwise"),
    "own": (counting(69 * 5_000), "69 x 5,000", "otherwise, 5,000 iterations of an epoch"),
    "tuned": (counting(XS_COUNT + 3 * 5_000, epoch=71), "72 x 18,907.3", "trained further"),
    "epoch-kept": (counting(72 * 19_512), "69 x 20,360.3", "72 epochs of five subjects"),
    "epoch": (counting(XS_COUNT, epoch=69), "70 x 19,233.3", "69 epochs of five subjects"),
    "reset": (
        counting(XS_COUNT + 5_000, steps=5_000),
        "5,000 steps, 1,351,328 batches",
        "trained further with a new optimizer",
    ),
    "renormed": (counting(80, steps=XS_COUNT), "1,346,328 steps, 80 batches", "mixed"),
    "step": (
        set_step(lambda: torch.tensor(XS_COUNT + 1)),
        "69 of 1,346,328 and 1 of 1,346,329",
        "the optimizer's steps differ",
    ),
    "nan": (set_step(lambda: torch.tensor(torch.nan)), "69 of 1,346,328 and 1 of nan", "differ"),
    "batches": (
        one_batchnorm_off,
        "11 of 1,346,328 and 1 of 1,346,333",
        "BatchNorm's counters differ",
    ),
    "missing": (
        lambda content: content["optimizer"]["state"].pop(3),
        "steps of 69 of 70 parameters",
        "the optimizer has",
    ),
    "negative": (counting(-69), "69 x -1.0", "lengths"),
    "untrained": (counting(0), "0", "not trained"),
}


@pytest.mark.parametrize(
    ("change", "counted", "fragment"), OTHER_TRAININGS.values(), ids=OTHER_TRAININGS
)
def test_other_training_is_described_and_fails_if_one_is_recorded(
    xs: Variant, tmp_path: Path, change: Change, counted: str, fragment: str
) -> None:
    checkpoint = loaded(xs, tmp_path, change)
    with pytest.raises(CheckFailedError) as caught:
        check_provenance(xs, checkpoint)
    assert caught.value.code == "wrong-training"
    assert caught.value.obtained == counted
    assert caught.value.expected == f"{checkpoint.epoch + 1} x 19,512"
    assert fragment in caught.value.problem

    claimed = WholeFigure(19_512, "notes", information_only="unread")
    for iterations in (None, claimed):
        facts = replace(xs.checkpoint, iterations=iterations)
        record = check_provenance(replace(xs, checkpoint=facts), checkpoint)
        assert fragment in record.story
        assert record.contradiction is (record.iterations is None)
        assert record.counted_anything


@pytest.mark.parametrize(
    "optimizer",
    [None, {"state": {}}, {"state": [1]}, {"state": {0: 1}}, {"state": {0: {"step": "many"}}}],
    ids=["null", "empty", "list", "number", "text"],
)
def test_missing_optimizer_is_unknown_and_not_a_failure(
    xs: Variant, tmp_path: Path, optimizer: Any
) -> None:
    checkpoint = loaded(xs, tmp_path, lambda content: content.update(optimizer=optimizer))
    story = check_provenance(xs, checkpoint).story
    assert story.startswith("69 x 19,512 iterations: five subjects")
    assert story.endswith("; the optimizer is not in the file, so its steps are unknown")


def test_missing_counters_are_unknown(xs: Variant) -> None:
    record = check_provenance(xs, checkpoint_of({"module.w": torch.ones(2)}))
    assert record.story == "unknown: the file has no counters"
    assert not record.counted_anything


@pytest.mark.parametrize(("name", "epoch"), [("M", 69), ("S", 67), ("S", 60)])
def test_unverified_epoch_never_fails(
    tiny: Architecture, tmp_path: Path, name: str, epoch: int
) -> None:
    variant = tiny_variant(tiny, name)
    checkpoint = loaded(variant, tmp_path, counting((epoch + 1) * 19_512, epoch=epoch))

    assert check_epoch(variant, checkpoint) == epoch
    assert check_provenance(variant, checkpoint).iterations == 19_512
    text = epoch_told(variant.checkpoint.known_epoch, epoch)
    assert text.startswith(f"epoch {epoch} (")
    assert "claimed by " in text


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [(WholeFigure(83, "a folder"), 83), (83, 83), (WholeFigure((67, 83), "notes"), "67 or 83")],
    ids=["figure", "plain", "several"],
)
def test_verified_epoch_decides(xs: Variant, epoch: Any, expected: Any) -> None:
    variant = replace(xs, checkpoint=replace(xs.checkpoint, epoch=epoch))
    assert check_epoch(variant, checkpoint_of({}, epoch=83)) == 83
    assert epoch_told(variant.checkpoint.known_epoch, 83) == "epoch 83"
    with pytest.raises(CheckFailedError, match=f"has epoch 5: expected {expected} ") as caught:
        check_epoch(variant, checkpoint_of({}, epoch=5))
    assert caught.value.code == "wrong-epoch"
    assert (caught.value.obtained, caught.value.expected) == (5, expected)
    assert epoch_told(variant.checkpoint.known_epoch, 5) == f"epoch 5 (expected {expected})"


def test_own_model_without_facts_is_described(xs: Variant, tmp_path: Path) -> None:
    own = replace(xs, checkpoint=replace(xs.checkpoint, epoch=None, iterations=None))
    checkpoint = loaded(xs, tmp_path, counting(40, epoch=3))

    assert check_epoch(own, checkpoint) == 3
    assert epoch_told(None, 3) == "epoch 3"
    assert provenance(checkpoint).story == (
        "4 x 10 iterations: trained otherwise, 10 iterations of an epoch"
    )
