"""The checks of a network's answers and of what was measured: each fails, and says by how much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from convnextpose_check.checks.dataset import check_dataset_is_complete
from convnextpose_check.checks.error import (
    check_evaluation_is_complete,
    check_images_are_distinct,
    check_images_are_undamaged,
)
from convnextpose_check.checks.network import (
    AGREEMENT_CELLS,
    AGREEMENT_MM,
    check_agrees,
    check_flip_is_symmetric,
)
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.evaluation.measurements import Evaluation
from convnextpose_check.human36m.samples import Dataset, Exclusion, load_dataset
from convnextpose_check.variants import Architecture
from tests.support.datasets import FACTS, Handmade
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import torch
    from torch import Tensor
else:
    torch = Deferred("torch")


class Pointing:
    """Answers with the column of the brightest pixel of the middle row, for all joints alike.

    ``columns`` are added to x of the second crop's joints, ``bins`` to their depth: of the fourth,
    or from that one on.
    """

    def __init__(
        self,
        architecture: Architecture,
        columns: float = 0,
        bins: float = 0,
        joints: slice = slice(4, 5),
    ) -> None:
        self.architecture = architecture
        self.columns, self.bins, self.joints = columns, bins, joints

    def __call__(self, crops: Tensor) -> Tensor:
        side = self.architecture.heatmap_side
        x = crops[:, 0, 128].argmax(dim=1) // (256 // side)
        cells_xyz = torch.full((len(crops), 18, 3), 3.0)
        cells_xyz[:, :, 0] = x[:, None].float()
        cells_xyz[1, self.joints] += torch.tensor([self.columns, 0.0, self.bins])
        return cells_xyz


@pytest.fixture
def crops() -> Tensor:
    """Two crops with a bright column each, at a quarter and near the right edge."""
    pixels = torch.zeros(2, 3, 256, 256)
    pixels[0, :, :, 64] = pixels[1, :, :, 240] = 1.0
    return pixels


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return load_dataset(Handmade().write(tmp_path / "set"), FACTS)


def test_flip_test_of_a_network_that_sees_columns_is_symmetric(
    tiny: Architecture, crops: Tensor
) -> None:
    assert check_flip_is_symmetric(Pointing(tiny), crops, "T") == 0.0


def test_flip_test_that_is_not_symmetric_is_told_by_how_much(
    tiny: Architecture, crops: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One column too few, as where the mirrored columns are counted from 1."""

    def one_off(network: Pointing, shown: Tensor, *, flip: bool) -> Tensor:
        assert flip
        return network(shown) + 1

    monkeypatch.setattr("convnextpose_check.evaluation.predict.predict", one_off)
    with pytest.raises(
        CheckFailedError, match=r"\[asymmetric\].*of T to .* 2\.0000 cells"
    ) as caught:
        check_flip_is_symmetric(Pointing(tiny), crops, "T")
    assert (caught.value.obtained, caught.value.expected) == ("2.000 cells", "0.01 cells")


@pytest.mark.parametrize(("share", "passes"), [(0.98, True), (1.02, False)])
def test_asymmetry_is_let_through_up_to_the_agreed_cells(
    tiny: Architecture, crops: Tensor, monkeypatch: pytest.MonkeyPatch, share: float, passes: bool
) -> None:
    def a_little_off(network: Pointing, shown: Tensor, *, flip: bool) -> Tensor:
        assert flip
        return network(shown) + share * AGREEMENT_CELLS / 2

    monkeypatch.setattr("convnextpose_check.evaluation.predict.predict", a_little_off)
    if passes:
        obtained = check_flip_is_symmetric(Pointing(tiny), crops, "T")
        assert obtained == pytest.approx(share * AGREEMENT_CELLS, rel=1e-3)
    else:
        with pytest.raises(CheckFailedError):
            check_flip_is_symmetric(Pointing(tiny), crops, "T")


def test_asymmetry_that_is_no_number_does_not_pass(tiny: Architecture, crops: Tensor) -> None:
    with pytest.raises(CheckFailedError):
        check_flip_is_symmetric(Pointing(tiny, columns=np.nan), crops, "T")


def test_agreement_is_measured_in_cells_and_in_millimetres(
    tiny: Architecture, crops: Tensor, dataset: Dataset
) -> None:
    """A bin of 2000 / 7 mm, times 0.007 of it, in one of 2 x 17 joints: 0.06 mm at most."""
    plain, samples = Pointing(tiny), dataset.samples[:2]

    assert check_agrees(plain, plain, crops, samples, "T") == (0.0, 0.0)
    cells, moved_mm = check_agrees(Pointing(tiny, bins=0.007), plain, crops, samples, "T")
    back, moved_back_mm = check_agrees(Pointing(tiny, bins=-0.007), plain, crops, samples, "T")

    assert cells == pytest.approx(0.007, rel=1e-3)
    assert back == pytest.approx(0.007, rel=1e-3)
    assert 0.01 < abs(moved_mm) <= AGREEMENT_MM
    assert moved_back_mm == pytest.approx(-moved_mm, rel=0.05)


def test_disagreement_in_cells_is_told_in_cells(
    tiny: Architecture, crops: Tensor, dataset: Dataset
) -> None:
    other = Pointing(tiny, columns=0.5)
    with pytest.raises(
        CheckFailedError, match=r"T differs .* by up to 0\.5000 cells, .* on 2 samples by [+-]\d"
    ) as caught:
        check_agrees(other, Pointing(tiny), crops, dataset.samples[:2], "T")
    assert caught.value.code == "disagreement"
    assert (caught.value.obtained, caught.value.expected) == ("0.500 cells", "0.01 cells")


@pytest.mark.parametrize("sign", [1, -1])
def test_disagreement_in_millimetres_alone_is_told_in_them(
    tiny: Architecture, crops: Tensor, dataset: Dataset, sign: int
) -> None:
    """Fourteen joints that move the same way, by less than the agreed cells."""
    plain, samples = Pointing(tiny), dataset.samples[:2]

    def moved(bins: float) -> Pointing:
        return Pointing(tiny, bins=sign * bins, joints=slice(4, 18))

    _, moved_mm = check_agrees(moved(0.0068), plain, crops, samples, "T")
    assert 0.02 < abs(moved_mm) < AGREEMENT_MM
    with pytest.raises(CheckFailedError, match=r"and its error on 2 samples by [+-]0\.") as caught:
        check_agrees(moved(0.0095), plain, crops, samples, "T")
    assert caught.value.code == "disagreement"
    obtained = str(caught.value.obtained)
    assert obtained[0] in "+-"
    assert obtained.endswith(" mm")
    assert AGREEMENT_MM < abs(float(obtained.removesuffix(" mm"))) < 10 * AGREEMENT_MM
    assert caught.value.expected == "0.05 mm"


def evaluation(**changes: object) -> Evaluation:
    whole = Evaluation(
        protocol=2,
        errors_mm=np.zeros((2, 17)),
        cells_xyz=np.zeros((2, 18, 3), np.float32),
        image_ids=(1, 2),
        file_names=("a.jpg", "b.jpg"),
        actions=("Posing",) * 2,
        unreadable=(),
        complete=True,
        images_sha256="",
        seconds=1.0,
        batch_size=4,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_images_that_are_copies_are_counted_and_the_first_named() -> None:
    assert check_images_are_distinct(evaluation()) == 2
    alike = tuple((f"{n}.jpg", "a.jpg") for n in range(5))
    with pytest.raises(
        CheckFailedError, match=r"5 of the images .*\(0\.jpg and a\.jpg, "
    ) as caught:
        check_images_are_distinct(evaluation(alike=alike))
    assert (caught.value.code, caught.value.obtained, caught.value.expected) == ("same-image", 5, 0)
    assert "3.jpg and a.jpg)" in caught.value.problem


def test_check_images_are_distinct_repeated_frame_of_one_sequence_passes() -> None:
    first, later, other = (
        f"s_{sequence}_subact_01_ca_01_{frame:06d}.jpg"
        for sequence, frame in (("09_act_02", 1), ("09_act_02", 65), ("11_act_02", 1))
    )
    repeated, copied = evaluation(alike=((later, first),)), evaluation(alike=((other, first),))

    assert check_images_are_distinct(repeated) == 2
    assert (repeated.repeated, copied.repeated) == (((later, first),), ())
    with pytest.raises(CheckFailedError, match=first):
        check_images_are_distinct(copied)


def test_check_images_are_undamaged_counts_and_names_the_first() -> None:
    assert check_images_are_undamaged(evaluation()) == 2
    damaged = tuple(Exclusion(n, f"{n}.jpg", "premature end") for n in range(5))
    with pytest.raises(CheckFailedError) as caught:
        check_images_are_undamaged(evaluation(damaged=damaged))
    assert (caught.value.code, caught.value.obtained) == ("damaged-image", 5)
    assert "5 images are damaged" in caught.value.problem
    assert "(0.jpg: premature end, 1.jpg" in caught.value.problem
    assert "4.jpg" not in caught.value.problem


def test_unfinished_evaluation_counts_what_cannot_be_used_and_names_the_first(
    dataset: Dataset,
) -> None:
    unreadable = tuple(Exclusion(n, f"{n}.jpg", "it is no image") for n in range(5))
    with pytest.raises(CheckFailedError) as caught:
        check_evaluation_is_complete(evaluation(complete=False, unreadable=unreadable), dataset)
    error = caught.value
    assert (error.code, error.obtained, error.expected) == ("incomplete-evaluation", 2, 6)
    assert "5 images cannot be used (0.jpg: it is no image, 1.jpg: " in error.problem
    assert error.problem.endswith("3.jpg: it is no image)")

    with pytest.raises(CheckFailedError) as caught:
        check_evaluation_is_complete(evaluation(complete=False), dataset)
    assert caught.value.problem == "2 samples were measured: expected 6"


def test_incomplete_set_is_told_by_action_and_by_reason(dataset: Dataset) -> None:
    """Of Directions one of three is there, and one image was excluded."""
    excluded = (Exclusion(7, "c.jpg", "it has no annotation"),)
    short = replace(dataset, samples=dataset.samples[2:], excluded=excluded)
    with pytest.raises(CheckFailedError) as caught:
        check_dataset_is_complete(short)
    error = caught.value
    assert (error.code, error.obtained, error.expected) == ("incomplete-data", 4, 6)
    assert error.problem == (
        f"4 samples of protocol 2 below {dataset.layout.root}: expected 6 (Directions 1 of 3);"
        " 1 excluded because it has no annotation (1, the first c.jpg)"
    )

    with pytest.raises(CheckFailedError) as caught:
        check_dataset_is_complete(replace(dataset, limited=True))
    assert caught.value.problem.endswith(": expected 6")


def test_only_the_first_four_short_actions_are_named(dataset: Dataset) -> None:
    wanted = dict.fromkeys(dataset.facts.per_action, 9)
    facts = type(dataset.facts)(dataset.facts.subjects, 135, wanted)
    with pytest.raises(CheckFailedError) as caught:
        check_dataset_is_complete(replace(dataset, facts=facts))
    assert "Eating 0 of 9, Greeting 0 of 9, ...)" in caught.value.problem
    few = {a: 9 if i < 4 else n for i, (a, n) in enumerate(dataset.facts.per_action.items())}
    with pytest.raises(CheckFailedError) as caught:
        check_dataset_is_complete(
            replace(dataset, facts=type(dataset.facts)(dataset.facts.subjects, 38, few))
        )
    assert "Greeting 0 of 9)" in caught.value.problem
