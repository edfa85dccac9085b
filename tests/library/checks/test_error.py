"""Checks of predictions, evaluations and data sets fail with the difference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from convnextpose_check.checks.error import (
    check_evaluation_is_complete,
    check_images_are_distinct,
)
from convnextpose_check.checks.network import (
    AGREEMENT_CELLS,
    AGREEMENT_MM,
    check_flip_is_symmetric,
    check_networks_agree,
)
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.evaluation.measurements import find_copies
from convnextpose_check.human36m.samples import Dataset, Exclusion, load_dataset
from convnextpose_check.variants import Architecture
from tests.support.datasets import FACTS, HandmadeDataset
from tests.support.runs import make_evaluation


@dataclass
class BrightestColumn:
    """Predicts the column of the brightest pixel in the middle row, for all joints.

    ``columns`` is added to x and ``bins`` to the depth of ``joints`` joints in the second crop.
    """

    architecture: Architecture
    columns: float = 0
    bins: float = 0
    joints: int = 1

    def __call__(self, crops: Tensor) -> Tensor:
        side = self.architecture.heatmap_side
        x = crops[:, 0, 128].argmax(dim=1) // (256 // side)
        cells_xyz = torch.full((len(crops), 18, 3), 3.0)
        cells_xyz[:, :, 0] = x[:, None].float()
        cells_xyz[1, 4 : 4 + self.joints] += torch.tensor([self.columns, 0.0, self.bins])
        return cells_xyz


@pytest.fixture
def crops() -> Tensor:
    """Two crops with one bright column each, at 64 and 240 of 256."""
    pixels = torch.zeros(2, 3, 256, 256)
    pixels[0, :, :, 64] = pixels[1, :, :, 240] = 1.0
    return pixels


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return load_dataset(HandmadeDataset().write(tmp_path / "set"), FACTS)


@pytest.mark.parametrize(
    ("offset", "obtained"),
    [
        (0.0, ""),
        (0.98 * AGREEMENT_CELLS / 2, ""),
        (1.02 * AGREEMENT_CELLS / 2, "0.010 cells"),
        (np.nan, "nan cells"),
    ],
)
def test_check_flip_is_symmetric_within_tolerance_passes(
    offset: float, obtained: str, tiny: Architecture, crops: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The offset simulates mirrored columns that are counted from 1."""

    def predict(network: BrightestColumn, shown: Tensor, *, flip: bool) -> Tensor:
        assert flip
        return network(shown) + offset

    if offset:
        monkeypatch.setattr("convnextpose_check.evaluation.predict.predict", predict)
    if not obtained:
        cells = check_flip_is_symmetric(BrightestColumn(tiny), crops, "T")
        assert cells == pytest.approx(2 * offset, rel=1e-3)
        return
    with pytest.raises(CheckFailedError, match=r"\[disagreement\].* T .* cells") as caught:
        check_flip_is_symmetric(BrightestColumn(tiny), crops, "T")
    assert (caught.value.obtained, caught.value.expected) == (obtained, "0.01 cells")


@pytest.mark.parametrize("columns", [0.5, 1.02 * AGREEMENT_CELLS, np.nan])
def test_check_networks_agree_difference_in_cells_raises(
    columns: float, tiny: Architecture, crops: Tensor, dataset: Dataset
) -> None:
    other = BrightestColumn(tiny, columns=columns)
    problem = rf"^\[disagreement\] T differs .* up to {columns:.4f} cells, .* on 2 samples by "
    with pytest.raises(CheckFailedError, match=problem) as caught:
        check_networks_agree(other, BrightestColumn(tiny), crops, dataset.samples[:2], "T")
    obtained = f"{columns:.3f} cells"
    assert (caught.value.obtained, caught.value.expected) == (obtained, "0.01 cells")


@pytest.mark.parametrize("sign", [1, -1])
def test_check_networks_agree_difference_in_millimeters_raises(
    tiny: Architecture, crops: Tensor, dataset: Dataset, sign: int
) -> None:
    """Fourteen joints move in one direction, by less than the tolerance in cells."""
    reference, samples = BrightestColumn(tiny), dataset.samples[:2]

    def make_shifted(bins: float) -> BrightestColumn:
        return BrightestColumn(tiny, bins=sign * bins, joints=14)

    assert check_networks_agree(reference, reference, crops, samples, "T") == (0.0, 0.0)
    cells, effect_mm = check_networks_agree(make_shifted(0.0068), reference, crops, samples, "T")
    assert cells == pytest.approx(0.0068, rel=1e-3)
    assert 0.02 < abs(effect_mm) < AGREEMENT_MM
    with pytest.raises(CheckFailedError, match=r"and its error on 2 samples by [+-]0\.") as caught:
        check_networks_agree(make_shifted(0.0095), reference, crops, samples, "T")
    obtained = str(caught.value.obtained)
    assert obtained[0] in "+-"
    assert AGREEMENT_MM < abs(float(obtained.removesuffix(" mm"))) < 10 * AGREEMENT_MM
    assert caught.value.expected == "0.05 mm"


FIVE = tuple(Exclusion(n, f"{n}.jpg", "premature end") for n in range(5))


def test_check_images_are_distinct_repeated_frame_of_one_sequence_passes() -> None:
    first, later, other = (
        f"s_{sequence}_subact_01_ca_01_{frame:06d}.jpg"
        for sequence, frame in (("09_act_02", 1), ("09_act_02", 65), ("11_act_02", 1))
    )

    misplaced, repeated = find_copies([first, later, other], np.zeros((3, 32), np.uint8))

    assert (misplaced, repeated) == (((other, first),), ((later, first),))
    evaluation = make_evaluation(count=2, same_sequence_copies=repeated)
    assert check_images_are_distinct(evaluation) == 2
    with pytest.raises(CheckFailedError, match=first):
        check_images_are_distinct(make_evaluation(count=2, cross_sequence_copies=misplaced))


def test_check_evaluation_is_complete_unreadable_images_raise(dataset: Dataset) -> None:
    assert check_evaluation_is_complete(make_evaluation(count=2), dataset) == 2
    surplus = make_evaluation(count=7, complete=False, surplus=1)
    assert check_evaluation_is_complete(surplus, dataset) == 7
    with pytest.raises(CheckFailedError) as caught:
        check_evaluation_is_complete(
            make_evaluation(count=2, complete=False, unreadable=FIVE), dataset
        )
    assert caught.value.problem.endswith("3.jpg: premature end)")
    with pytest.raises(CheckFailedError) as caught:
        check_evaluation_is_complete(make_evaluation(count=2, complete=False), dataset)
    assert caught.value.problem == "2 samples were measured: expected 6"
