"""How a checkpoint was trained is told from its counters, and held against what is known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.checkpoints.provenance import epoch_told, provenance
from convnextpose_check.checks.archives import check_epoch, check_provenance
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.miniature.archives import snapshot_content, write_container
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.variants import Architecture, Variant, WholeFigure
from tests.support.archives import tiny_variant
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import torch
else:
    torch = Deferred("torch")

Content = dict[str, Any]
Change = Callable[[Content], None]

XS_COUNT = 1_346_328
"""Of every counter of the published XS."""


@pytest.fixture
def xs(tiny: Architecture) -> Variant:
    return tiny_variant(tiny, "XS")


def unchanged(_content: Content) -> None:
    """As the authors' script saves it."""


def loaded(variant: Variant, tmp_path: Path, change: Change = unchanged) -> Checkpoint:
    """The variant's archive, its content changed before it is written."""
    content = snapshot_content(variant, seeded_state(variant.architecture, seed=1))
    change(content)
    path = tmp_path / variant.checkpoint.file_name
    write_container(content, "archive", path)
    return load_checkpoint(path)


def set_counters(content: Content, batches: int, steps: float) -> None:
    """Let every BatchNorm and every step count so many."""
    for key in content["network"]:
        if key.endswith("num_batches_tracked"):
            content["network"][key] = torch.tensor(batches)
    for each in content["optimizer"]["state"].values():
        each["step"] = torch.tensor(float(steps))


def counting(count: int, steps: float | None = None, epoch: int | None = None) -> Change:
    """Other counters, and another epoch where one is given."""

    def change(content: Content) -> None:
        set_counters(content, count, count if steps is None else steps)
        content["epoch"] = content["epoch"] if epoch is None else epoch

    return change


def without_optimizer(content: Content) -> None:
    del content["optimizer"]


def one_step_off(content: Content) -> None:
    content["optimizer"]["state"][3]["step"] += 1


def one_batchnorm_off(content: Content) -> None:
    key = next(key for key in content["network"] if key.endswith("num_batches_tracked"))
    content["network"][key] += 5


def one_step_missing(content: Content) -> None:
    del content["optimizer"]["state"][3]


def one_step_nan(content: Content) -> None:
    content["optimizer"]["state"][3]["step"] = torch.tensor(float("nan"))


def as_tensor(number: float) -> Any:
    return torch.tensor(number)


@pytest.mark.parametrize("write", [as_tensor, float, int], ids=["float32", "float", "int"])
def test_every_torch_writes_steps_that_tell_five_subjects(
    xs: Variant, tmp_path: Path, write: Callable[[float], Any]
) -> None:
    """A tensor since torch 1.12, a number before."""

    def change(content: Content) -> None:
        for each in content["optimizer"]["state"].values():
            each["step"] = write(float(XS_COUNT))

    checkpoint = loaded(xs, tmp_path, change)

    assert set(checkpoint.steps) == {XS_COUNT}
    assert len(checkpoint.steps) == 70 == len(checkpoint.network) - 3 * 12
    told = check_provenance(xs, checkpoint)
    assert told.story == (
        "69 x 19,512 iterations: five subjects with the authors' loaders, so protocol 2"
    )
    assert told.iterations == 19_512


def test_steps_in_whole_numbers_are_read(xs: Variant, tmp_path: Path) -> None:
    def change(content: Content) -> None:
        for each in content["optimizer"]["state"].values():
            each["step"] = torch.tensor(XS_COUNT)

    assert check_provenance(xs, loaded(xs, tmp_path, change)).iterations == 19_512


@pytest.mark.parametrize(
    ("change", "counted", "told"),
    [
        pytest.param(
            counting(69 * 23_487), "69 x 23,487", "six subjects with the authors' loaders", id="six"
        ),
        pytest.param(
            counting(69 * 5_000), "69 x 5,000", "otherwise, 5,000 iterations of an epoch", id="own"
        ),
        pytest.param(
            counting(XS_COUNT + 3 * 5_000, epoch=71), "72 x 18,907.3", "trained further", id="tuned"
        ),
        pytest.param(
            counting(XS_COUNT + 3 * 19_512),
            "69 x 20,360.3",
            "72 epochs of five subjects",
            id="epoch-kept",
        ),
        pytest.param(
            counting(XS_COUNT, epoch=69), "70 x 19,233.3", "69 epochs of five subjects", id="epoch"
        ),
        pytest.param(
            counting(XS_COUNT + 5_000, steps=5_000),
            "5,000 steps, 1,351,328 batches",
            "trained further with a new optimizer",
            id="reset",
        ),
        pytest.param(
            counting(80, steps=XS_COUNT), "1,346,328 steps, 80 batches", "mixed", id="renormed"
        ),
        pytest.param(
            one_step_off,
            "69 of 1,346,328 and 1 of 1,346,329",
            "the optimizer's steps differ",
            id="step",
        ),
        pytest.param(
            one_batchnorm_off,
            "11 of 1,346,328 and 1 of 1,346,333",
            "BatchNorm's counters differ",
            id="batches",
        ),
        pytest.param(
            one_step_missing, "steps of 69 of 70 parameters", "the optimizer has", id="missing"
        ),
        pytest.param(one_step_nan, "69 of 1,346,328 and 1 of nan", "steps differ", id="nan"),
        pytest.param(counting(-69), "69 x -1.0", "lengths", id="negative"),
    ],
)
def test_other_trainings_are_told_and_fail_where_one_is_known(
    xs: Variant, tmp_path: Path, change: Change, counted: str, told: str
) -> None:
    checkpoint = loaded(xs, tmp_path, change)
    with pytest.raises(CheckFailedError) as caught:
        check_provenance(xs, checkpoint)

    assert caught.value.code == "other-training"
    assert caught.value.obtained == counted
    assert caught.value.expected == f"{checkpoint.epoch + 1} x 19,512"
    assert told in caught.value.problem
    assert "1,346,328 = 69 x 19,512" not in caught.value.obtained

    unknown = replace(xs, checkpoint=replace(xs.checkpoint, iterations=None))
    assert told in check_provenance(unknown, checkpoint).story


def test_figure_that_is_information_decides_nothing(xs: Variant, tmp_path: Path) -> None:
    figure = WholeFigure(19_512, "somebody", information_only="claimed")
    claimed = replace(xs, checkpoint=replace(xs.checkpoint, iterations=figure))

    assert check_provenance(claimed, loaded(xs, tmp_path, one_step_off)).contradiction


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(without_optimizer, id="none"),
        pytest.param(lambda content: content.update(optimizer=None), id="null"),
        pytest.param(lambda content: content.update(optimizer={"state": {}}), id="empty"),
        pytest.param(lambda content: content.update(optimizer={"state": [1]}), id="list"),
        pytest.param(lambda content: content.update(optimizer={"state": {0: 1}}), id="number"),
        pytest.param(
            lambda content: content.update(optimizer={"state": {0: {"step": "many"}}}), id="text"
        ),
        pytest.param(
            lambda content: content.update(optimizer={"state": {0: {"step": torch.ones(2)}}}),
            id="two-numbers",
        ),
    ],
)
def test_optimizer_that_was_taken_out_is_unknown_and_no_failure(
    xs: Variant, tmp_path: Path, change: Change
) -> None:
    told = check_provenance(xs, loaded(xs, tmp_path, change))

    assert told.story.startswith("69 x 19,512 iterations: five subjects")
    assert told.story.endswith("; the optimizer is not in the file, so its steps are unknown")


def test_counters_that_are_not_there_are_unknown(xs: Variant) -> None:
    bare = Checkpoint(Path("XS.tar"), "zip", "0" * 64, 68, {"module.w": torch.ones(2)})

    assert check_provenance(xs, bare).story == "unknown: the file has no counters"


@pytest.mark.parametrize(("name", "epoch"), [("M", 69), ("M", 70), ("S", 67), ("S", 68), ("S", 60)])
def test_epoch_that_nobody_knows_raises_no_alarm(
    tiny: Architecture, tmp_path: Path, name: str, epoch: int
) -> None:
    variant = tiny_variant(tiny, name)
    checkpoint = loaded(variant, tmp_path, counting((epoch + 1) * 19_512, epoch=epoch))

    assert check_epoch(variant, checkpoint) == epoch
    assert check_provenance(variant, checkpoint).iterations == 19_512
    told = epoch_told(variant.checkpoint.known_epoch, epoch)
    assert told.startswith(f"epoch {epoch} (")
    assert "claimed by " in told
    assert "github EstebanCabreraArbizu/ConvNeXtPose" in told


@pytest.mark.parametrize(("name", "known"), [("XS", 68), ("L", 83)])
def test_epoch_that_is_known_decides(
    tiny: Architecture, tmp_path: Path, name: str, known: int
) -> None:
    variant = tiny_variant(tiny, name)
    assert check_epoch(variant, loaded(variant, tmp_path)) == known
    with pytest.raises(CheckFailedError, match=f"has epoch 5: expected {known} ") as caught:
        check_epoch(variant, loaded(variant, tmp_path, counting(6 * 19_512, epoch=5)))

    assert (caught.value.obtained, caught.value.expected) == (5, known)


def test_epoch_of_a_model_without_figures_is_shown(xs: Variant, tmp_path: Path) -> None:
    own = replace(xs, checkpoint=replace(xs.checkpoint, epoch=None, iterations=None))
    checkpoint = loaded(xs, tmp_path, counting(40, epoch=3))

    assert check_epoch(own, checkpoint) == 3
    assert epoch_told(None, 3) == "epoch 3"
    assert provenance(checkpoint).story == (
        "4 x 10 iterations: trained otherwise, 10 iterations of an epoch"
    )
