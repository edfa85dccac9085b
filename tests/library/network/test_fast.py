"""The fast network answers like the plain one, and each of its rearrangements would be missed."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from convnextpose_check.checkpoints.find import CheckpointFiles
from convnextpose_check.evaluation.predict import predict
from convnextpose_check.human36m.crops import read_crops, to_input
from convnextpose_check.human36m.samples import Dataset, load_dataset
from convnextpose_check.miniature.build import Miniature
from convnextpose_check.miniature.record import read_record
from convnextpose_check.network import Network
from convnextpose_check.network.layout import build_network, modern_state
from convnextpose_check.variants import Architecture, Catalogue
from tests.support.deferred import Deferred
from tests.support.trials import evaluation_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import Tensor

    from convnextpose_check.network import fast as fast_network
    from convnextpose_check.network.plain import ConvNeXtPose
else:
    torch = Deferred("torch")
    fast_network = Deferred("convnextpose_check.network.fast")

CELLS = 3e-3
"""The plain network in float32 is itself up to 1e-3 from float64; the fast one is nearer to it."""

MILLIMETRES = 5e-3
"""Of the few samples here; M moves by 1.3e-3."""

EACH = ["XS", "M", *(pytest.param(name, marks=pytest.mark.slow) for name in ("S", "L"))]
"""Of the two, one ends without upsampling and one with it, as S and L do."""


@pytest.fixture(scope="module")
def plain(miniature: Miniature, catalogue: Catalogue) -> Callable[[str], ConvNeXtPose]:
    """The miniature's networks by name."""
    files = CheckpointFiles([miniature.checkpoints], catalogue)

    @cache
    def load(name: str) -> ConvNeXtPose:
        state = modern_state(files.load(name).network)
        return build_network(catalogue[name].architecture, state, torch.device("cpu"))

    return load


@pytest.fixture(scope="module")
def dataset(miniature: Miniature, fixtures: Path) -> Dataset:
    return load_dataset(miniature.dataset, read_record(fixtures).dataset, limit=8)


@pytest.fixture(scope="module")
def crops(dataset: Dataset) -> Tensor:
    pixels = [crop.pixels_rgb for crop in read_crops(dataset.samples[:3], 2)]
    return to_input(torch.from_numpy(np.stack([p for p in pixels if p is not None])))


def farthest(network: Network, other: Network, crops: Tensor) -> float:
    """The largest difference of any joint's position, in cells."""
    both = [predict(one, crops, flip=True) for one in (network, other)]
    assert both[0].shape == both[1].shape
    assert both[0].dtype == both[1].dtype == torch.float32
    return float((both[0] - both[1]).abs().max())


@pytest.mark.parametrize("name", EACH)
def test_positions_are_those_of_the_plain_network(
    name: str, plain: Callable[[str], ConvNeXtPose], crops: Tensor
) -> None:
    fast = fast_network.FastConvNeXtPose(plain(name))

    assert farthest(fast, plain(name), crops) < CELLS


@pytest.mark.parametrize(
    "name", ["XS", *(pytest.param(name, marks=pytest.mark.slow) for name in ("S", "M", "L"))]
)
def test_error_is_that_of_the_plain_network(
    name: str, plain: Callable[[str], ConvNeXtPose], dataset: Dataset
) -> None:
    fast = fast_network.FastConvNeXtPose(plain(name))

    assert_same_error(plain(name), fast, dataset)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["XS", "S", "M", "L"])
@pytest.mark.parametrize("protocol", [1, 2])
def test_error_over_the_whole_miniature_is_that_of_the_plain_network(
    name: str,
    protocol: Any,
    plain: Callable[[str], ConvNeXtPose],
    miniature: Miniature,
    fixtures: Path,
) -> None:
    fast = fast_network.FastConvNeXtPose(plain(name))
    facts = read_record(fixtures).dataset

    assert_same_error(plain(name), fast, load_dataset(miniature.dataset, facts, protocol))


def assert_same_error(plain: Network, fast: Network, dataset: Dataset) -> None:
    cpu = torch.device("cpu")
    expected, obtained = (
        evaluation_of(network, dataset, cpu, flip=True, batch_size=4, workers=2)
        for network in (plain, fast)
    )
    assert abs(expected.error_mm - obtained.error_mm) < MILLIMETRES
    # Aligning a pose of seeded weights, which is none, can move a single joint the most.
    np.testing.assert_allclose(obtained.errors_mm, expected.errors_mm, atol=50 * MILLIMETRES)
    np.testing.assert_allclose(obtained.cells_xyz, expected.cells_xyz, atol=CELLS)


def test_plain_network_is_left_as_it_is(plain: Callable[[str], ConvNeXtPose]) -> None:
    network = plain("XS")
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}

    fast_network.FastConvNeXtPose(network)

    assert all(torch.equal(tensor, before[key]) for key, tensor in network.state_dict().items())


def test_answer_for_an_image_does_not_depend_on_what_was_asked_before(
    plain: Callable[[str], ConvNeXtPose], crops: Tensor
) -> None:
    """Blocks add in place: that must not reach the crops or the weights."""
    fast, given = fast_network.FastConvNeXtPose(plain("XS")), crops.clone()
    first = predict(fast, crops, flip=True)

    again = predict(fast, crops, flip=True)

    assert torch.equal(first, again)
    assert torch.equal(crops, given)


def without_eps(norm: Any) -> Any:
    scale = norm.weight / norm.running_var.clamp(min=1e-12).sqrt() * 1.001
    return scale, norm.bias - norm.running_mean * scale


def without_shift(norm: Any) -> Any:
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    return scale, torch.zeros_like(scale)


def without_mean(norm: Any) -> Any:
    return norm.weight / (norm.running_var + norm.eps).sqrt(), norm.bias


def not_aligned(side: int) -> Any:
    rows = torch.eye(side)[None]
    return torch.nn.functional.interpolate(rows, scale_factor=2, mode="linear")[0].T


def unweighted(heatmaps: Any, _: Any) -> Any:
    """The peak in place of the expected position."""
    x = heatmaps.amax(dim=(2, 3)).argmax(2)
    y = heatmaps.amax(dim=(2, 4)).argmax(2)
    return torch.stack([x, y, heatmaps.amax(dim=(3, 4)).argmax(2)], dim=2).float()


def not_upsampled(heatmaps: Any, _: Any) -> Any:
    from convnextpose_check.network.plain import soft_argmax

    return soft_argmax(heatmaps)


def only_after(norm: Any, convolution: Any) -> Any:
    """A BatchNorm before a convolution, forgotten."""
    assert norm is not None
    return convolution


BROKEN: dict[str, tuple[str, str, Any]] = {
    "scale": ("XS", "scale_and_shift", without_eps),
    "shift": ("XS", "scale_and_shift", without_shift),
    "mean": ("XS", "scale_and_shift", without_mean),
    "norm-before": ("XS", "norm_before", only_after),
    "corners": ("M", "upsampling_matrix", not_aligned),
    "upsampling": ("M", "soft_argmax", not_upsampled),
    "peak": ("XS", "soft_argmax", unweighted),
}


@pytest.mark.parametrize(("name", "part", "wrong"), BROKEN.values(), ids=BROKEN)
def test_each_rearrangement_done_wrong_is_noticed(
    name: str,
    part: str,
    wrong: Any,
    plain: Callable[[str], ConvNeXtPose],
    crops: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(f"convnextpose_check.network.fast.{part}", wrong)
    fast = fast_network.FastConvNeXtPose(plain(name))

    assert farthest(fast, plain(name), crops[:1]) > CELLS


def test_padded_convolution_is_never_merged_with_the_norm_before_it(tiny: Architecture) -> None:
    """The padding would be of what the norm makes into 0, and the border would be wrong."""
    from convnextpose_check.network.plain import ConvNeXtPose

    network = ConvNeXtPose(tiny)
    padded = network.head.deconv_layers_1.dwconv

    with pytest.raises(ValueError, match="padding"):
        fast_network.norm_before(network.backbone.norm, padded)


def test_volume_far_from_zero_neither_overflows_nor_vanishes() -> None:
    heatmaps = torch.full((1, 2, 4, 3, 3), -1e4)
    heatmaps[0, 0, 1, 2, 0] = 1e4

    cells_xyz = fast_network.soft_argmax(heatmaps, None)

    assert cells_xyz[0, 0].tolist() == [0.0, 2.0, 1.0]
    assert cells_xyz[0, 1].tolist() == [1.0, 1.0, 1.5]


@pytest.mark.parametrize("volume_numbers", [1, 2**30])
def test_size_of_the_pieces_does_not_matter(
    volume_numbers: int,
    plain: Callable[[str], ConvNeXtPose],
    crops: Tensor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fast = fast_network.FastConvNeXtPose(plain("XS"))
    expected = predict(fast, crops, flip=False)
    for name in ("VOLUME_NUMBERS", "WIDE_NUMBERS"):
        monkeypatch.setattr(f"convnextpose_check.network.fast.{name}", volume_numbers)

    torch.testing.assert_close(predict(fast, crops, flip=False), expected, atol=CELLS, rtol=0)
