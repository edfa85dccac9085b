"""Training records: optimizer steps and BatchNorm counters of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from msgspec.structs import replace

from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.checkpoints.training_record import format_epoch, read_training_record
from convnextpose_check.checks.archives import check_epoch, check_training_record
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.synthetic.archives import snapshot_content
from convnextpose_check.synthetic.weights import seeded_state
from convnextpose_check.variants import Architecture, ReportedCount, Variant
from tests.support.archives import make_checkpoint, save_to_bytes, tiny_variant

XS_COUNT = 1_346_328
"""The value of every counter of the published XS."""


@pytest.fixture
def xs(tiny: Architecture) -> Variant:
    return tiny_variant(tiny, "XS")


def make_counted(
    batches: list[float], steps: list[float] | None = None, epoch: int = 68
) -> Checkpoint:
    """A checkpoint with three parameters and one counter for each of ``batches``."""
    network = {f"module.{name}": torch.ones(1) for name in ("a.weight", "b.weight", "b.bias")}
    for index, count in enumerate(batches):
        network[f"module.n{index}.num_batches_tracked"] = torch.tensor(count)
    return make_checkpoint(network, epoch, steps=tuple(steps or batches[:1] * 3))


@pytest.mark.parametrize(
    "write",
    [lambda step: torch.tensor(float(step)), torch.tensor, float, int],
    ids=["float32", "int64", "float", "int"],
)
def test_load_reads_any_step_type(xs: Variant, tmp_path: Path, write: Callable[[int], Any]) -> None:
    content = snapshot_content(xs, seeded_state(xs.architecture, seed=1))
    for each in content["optimizer"]["state"].values():
        each["step"] = write(XS_COUNT)
    path = tmp_path / "a.pth"
    path.write_bytes(save_to_bytes(content))

    checkpoint = load_checkpoint(path)

    assert set(checkpoint.steps) == {XS_COUNT}
    assert len(checkpoint.steps) == 70 == len(checkpoint.network) - 3 * 12
    record = check_training_record(xs, checkpoint)
    assert record.description == (
        "69 x 19,512 iterations: five subjects with the authors' data loaders (protocol 2)"
    )
    assert (record.iterations, record.is_recorded) == (19_512, True)


@pytest.mark.parametrize(
    "optimizer",
    [None, {"state": {}}, {"state": [1]}, {"state": {0: 1}}, {"state": {0: {"step": "many"}}}],
    ids=["null", "empty", "list", "number", "text"],
)
def test_training_record_no_optimizer_passes(xs: Variant, tmp_path: Path, optimizer: Any) -> None:
    content = snapshot_content(xs, seeded_state(xs.architecture, seed=1))
    path = tmp_path / "a.pth"
    path.write_bytes(save_to_bytes(content | {"optimizer": optimizer}))
    checkpoint = load_checkpoint(path)
    description = check_training_record(xs, checkpoint).description
    assert description.startswith("69 x 19,512 iterations: five subjects")
    assert checkpoint.not_recorded == ("optimizer steps",)


EQUAL, SINGLE = "equal epochs", "not from a single training"
OTHER_TRAININGS: dict[str, tuple[Checkpoint, str, str]] = {
    "own": (make_counted([69 * 5_000] * 2), "69 x 5,000", "another training set or batch size"),
    "tuned": (make_counted([XS_COUNT + 15_000] * 2, epoch=71), "72 x 18,907.3", EQUAL),
    "epoch": (make_counted([XS_COUNT] * 2, epoch=69), "70 x 19,233.3", EQUAL),
    "reset": (
        make_counted([XS_COUNT + 5_000] * 2, [5_000] * 3),
        "steps 5,000 (3 x), batches 1,351,328 (2 x)",
        SINGLE,
    ),
    "step": (
        make_counted([XS_COUNT] * 2, [XS_COUNT, XS_COUNT, XS_COUNT + 1]),
        "steps 1,346,328 (2 x), 1,346,329 (1 x), batches 1,346,328 (2 x)",
        SINGLE,
    ),
    "nan": (
        make_counted([XS_COUNT] * 2, [XS_COUNT, XS_COUNT, torch.nan]),
        "steps 1,346,328 (2 x), nan (1 x), batches 1,346,328 (2 x)",
        SINGLE,
    ),
    "batches": (
        make_counted([5, 5, 5, 1, 2, 3, 4], [5] * 3),
        "steps 5 (3 x), batches 5 (3 x), 1 (1 x), 2 (1 x), ...",
        SINGLE,
    ),
    "negative": (make_counted([-69, -69]), "69 x -1.0", EQUAL),
    "untrained": (make_counted([0, 0]), "69 x 0.0", EQUAL),
}


@pytest.mark.parametrize(
    ("checkpoint", "summary", "fragment"), OTHER_TRAININGS.values(), ids=OTHER_TRAININGS
)
def test_other_training_is_described_and_fails_if_one_is_recorded(
    xs: Variant, checkpoint: Checkpoint, summary: str, fragment: str
) -> None:
    with pytest.raises(CheckFailedError, match=r"^\[wrong-training\] ") as caught:
        check_training_record(xs, checkpoint)
    assert caught.value.obtained == summary
    assert caught.value.expected == f"{(checkpoint.epoch or 0) + 1} x 19,512"
    assert fragment in caught.value.problem

    unverified = ReportedCount(19_512, "notes", information_only="unread")
    for iterations in (None, unverified):
        facts = replace(xs.checkpoint, iterations=iterations)
        record = check_training_record(replace(xs, checkpoint=facts), checkpoint)
        assert fragment in record.description
        assert record.is_contradictory is (record.iterations is None)
        assert record.is_recorded


def test_training_record_without_facts_or_counters_is_described(xs: Variant) -> None:
    own = replace(xs, checkpoint=replace(xs.checkpoint, epoch=None, iterations=None))
    checkpoint = make_counted([40, 40], epoch=3)
    assert check_epoch(own, checkpoint) == 3
    assert format_epoch(None, 3) == "epoch 3"
    assert read_training_record(checkpoint).description.endswith(
        "4 x 10 iterations: another training set or batch size"
    )
    record = check_training_record(xs, make_checkpoint({"module.w": torch.ones(2)}))
    assert record.description == "unknown: the file has no counters"
    assert not record.is_recorded


@pytest.mark.parametrize(("name", "epoch"), [("M", 69), ("S", 67), ("S", 60)])
def test_check_epoch_unverified_epoch_passes(tiny: Architecture, name: str, epoch: int) -> None:
    variant = tiny_variant(tiny, name)

    assert check_epoch(variant, make_checkpoint({}, epoch)) == epoch
    text = format_epoch(variant.checkpoint.epoch, epoch)
    assert text.startswith(f"epoch {epoch} (")
    assert "unverified: " in text


def test_check_epoch_none_of_two_epochs_raises_wrong_epoch(xs: Variant) -> None:
    known, expected = ReportedCount((67, 83), "a folder"), "67 or 83"
    variant = replace(xs, checkpoint=replace(xs.checkpoint, epoch=known))
    assert check_epoch(variant, make_checkpoint({}, epoch=83)) == 83
    assert format_epoch(known, 83) == "epoch 83"
    with pytest.raises(CheckFailedError, match=f"has epoch 5: expected {expected} ") as caught:
        check_epoch(variant, make_checkpoint({}, epoch=5))
    assert caught.value.code == "wrong-epoch"
    assert (caught.value.obtained, caught.value.expected) == (5, expected)
    assert format_epoch(known, 5) == f"epoch 5 (expected {expected})"
