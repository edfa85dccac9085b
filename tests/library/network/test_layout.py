from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from convnextpose_check.checkpoints.load import load_checkpoint
from convnextpose_check.checks import archives
from convnextpose_check.checks.archives import (
    check_batchnorm_variances,
    check_epoch,
    check_holds_variant,
    check_key_map_round_trip,
    check_weights_are_finite,
)
from convnextpose_check.errors import CheckFailedError, ConvNeXtPoseCheckError
from convnextpose_check.miniature.weights import seeded_state
from convnextpose_check.network.cost import skeleton_network
from convnextpose_check.network.keymap import to_legacy, with_prefix
from convnextpose_check.network.layout import (
    build_network,
    expected_layout,
    identify,
    layout_difference,
    modern_state,
)
from convnextpose_check.variants import (
    Architecture,
    Catalogue,
    Variant,
    WholeFigure,
    read_catalogue,
)
from tests.support.archives import checkpoint_of, content_of, saved, tiny_catalogue, tiny_variant
from tests.support.deferred import Deferred

if TYPE_CHECKING:
    import torch

    State = dict[str, torch.Tensor]
else:
    torch = Deferred("torch")

PUBLISHED = read_catalogue()
LAST = "head.final_layer.bias"
COUNTER = "backbone.norm.num_batches_tracked"
VARIANCE = "backbone.norm.running_var"

each_variant = pytest.mark.parametrize("variant", PUBLISHED.variants, ids=lambda v: v.name)


@pytest.fixture
def state(tiny: Architecture) -> State:
    return seeded_state(tiny, seed=3)


def _published_state(variant: Variant) -> State:
    """Shapes only, under the names that the published file has."""
    state = with_prefix(skeleton_network(variant.architecture).state_dict())
    return to_legacy(state) if variant.checkpoint.head_keys == "legacy" else state


def _failure(check: Callable[..., Any], *arguments: Any) -> CheckFailedError:
    with pytest.raises(CheckFailedError) as caught:
        check(*arguments)
    return caught.value


@each_variant
def test_each_variant_is_identified_from_its_shapes(variant: Variant) -> None:
    assert identify(modern_state(_published_state(variant)), PUBLISHED) == (variant.name,)


@each_variant
def test_a_file_that_holds_the_variant_passes(variant: Variant) -> None:
    checkpoint = checkpoint_of(_published_state(variant))
    assert check_holds_variant(variant, checkpoint, PUBLISHED) == variant.name


@each_variant
def test_a_file_that_holds_another_variant_is_reported_as_that(variant: Variant) -> None:
    for other in PUBLISHED.variants:
        if other != variant:
            path = Path("/data") / variant.checkpoint.file_name
            checkpoint = checkpoint_of(_published_state(other), path=path)
            error = _failure(check_holds_variant, variant, checkpoint, PUBLISHED)
            assert error.code == "wrong-variant"
            assert f"{path} is used as {variant.name} but holds {other.name}." in str(error)
            assert variant.checkpoint.file_name in error.remedy
            assert (error.obtained, error.expected) == (other.name, variant.name)


def test_a_whole_file_named_l_that_holds_m_is_reported_as_that(
    tiny: Architecture, tmp_path: Path
) -> None:
    catalogue = tiny_catalogue(tiny)
    path = tmp_path / "ConvNeXtPose_L.tar"
    path.write_bytes(saved(content_of(catalogue["M"].architecture, legacy=True)))
    error = _failure(check_holds_variant, catalogue["L"], load_checkpoint(path), catalogue)
    assert error.problem == f"{path} is used as L but holds M"


def test_variants_that_differ_in_upsampling_alone_are_both_named(tiny: Architecture) -> None:
    variants = (tiny_variant(tiny, "S"), tiny_variant(tiny, "M"), tiny_variant(tiny, "L", 8))
    catalogue = Catalogue("twins", variants)
    checkpoint = checkpoint_of(seeded_state(tiny, 1))
    assert identify(checkpoint.network, catalogue) == ("S", "M")
    error = _failure(check_holds_variant, catalogue["L"], checkpoint, catalogue)
    assert "holds S or M" in error.problem
    assert error.obtained == "S or M"


def _without_last(state: State) -> None:
    del state[LAST]


def _with_extra(state: State) -> None:
    state["head.extra.weight"] = torch.zeros(1)


def _with_half(state: State) -> None:
    state[LAST] = state[LAST].half()


def _with_float_counter(state: State) -> None:
    state[COUNTER] = state[COUNTER].float()


def _with_shorter(state: State) -> None:
    state[LAST] = state[LAST][1:]


def _with_row(state: State) -> None:
    state[LAST] = state[LAST][None]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (_without_last, f"1 of 106 keys are missing, the first is '{LAST}'"),
        (_with_extra, "1 keys are unexpected, the first is 'head.extra.weight'"),
        (_with_half, f"'{LAST}' is torch.float16: expected torch.float32"),
        (_with_float_counter, f"'{COUNTER}' is torch.float32: expected torch.int64"),
        (_with_shorter, f"'{LAST}' has shape (125,): expected (126,)"),
        (_with_row, f"'{LAST}' has shape (1, 126): expected (126,)"),
    ],
)
def test_the_first_offender_is_named(
    spoil: Callable[[State], None], told: str, state: State, tiny: Architecture
) -> None:
    assert layout_difference(state, tiny) is None
    spoil(state)
    assert layout_difference(state, tiny) == told
    variant = tiny_variant(tiny, "L")
    catalogue = Catalogue("one", (variant,))
    assert identify(state, catalogue) == ()
    error = _failure(check_holds_variant, variant, checkpoint_of(state), catalogue)
    assert error.code == "wrong-layout"
    assert told in error.problem
    assert (error.obtained, error.expected) == (told, "L")


@each_variant
def test_seventeen_joints_are_no_published_variant(variant: Variant) -> None:
    architecture = msgspec.structs.replace(variant.architecture, joints=17)
    state = skeleton_network(architecture).state_dict()
    assert identify(state, PUBLISHED) == ()
    difference = layout_difference(state, variant.architecture)
    assert difference is not None
    assert "head.final_layer.weight" in difference


def test_the_network_holds_the_weights_in_evaluation_mode(state: State, tiny: Architecture) -> None:
    network = build_network(tiny, state, torch.device("cpu"))
    assert not any(module.training for module in network.modules())
    loaded = network.state_dict()
    assert list(loaded) == list(state)
    assert all(loaded[key].equal(state[key]) for key in state)
    assert list(expected_layout(tiny)) == list(state)


@pytest.mark.parametrize("spoil", [_without_last, _with_extra, _with_shorter])
def test_the_network_is_loaded_strictly(
    spoil: Callable[[State], None], state: State, tiny: Architecture
) -> None:
    spoil(state)
    with pytest.raises(RuntimeError, match="Error"):
        build_network(tiny, state, torch.device("cpu"))


def test_the_epoch_is_held_against_the_published_one() -> None:
    checkpoint = checkpoint_of({}, epoch=83)
    assert check_epoch(PUBLISHED["L"], checkpoint) == 83
    error = _failure(check_epoch, PUBLISHED["XS"], checkpoint)
    assert error.problem.startswith("L.tar has epoch 83: expected 68 (")
    assert (error.code, error.obtained, error.expected) == ("count", 83, 68)


def test_epoch_may_be_one_of_several_known_ones() -> None:
    epoch = WholeFigure((67, 68), "two notes")
    xs = PUBLISHED["XS"]
    either = msgspec.structs.replace(
        xs, checkpoint=msgspec.structs.replace(xs.checkpoint, epoch=epoch)
    )
    assert check_epoch(either, checkpoint_of({}, epoch=67)) == 67
    error = _failure(check_epoch, either, checkpoint_of({}, epoch=69))
    assert (error.obtained, error.expected) == (69, "67 or 68")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_one_number_that_is_not_finite_is_found(number: float, state: State) -> None:
    count = sum(tensor.numel() for tensor in state.values())
    assert check_weights_are_finite(state, "L.tar") == count
    state[LAST][5] = number
    error = _failure(check_weights_are_finite, state, "L.tar")
    assert error.code == "not-finite"
    assert error.problem.startswith(f"1 of 126 numbers in '{LAST}' of L.tar")
    assert (error.obtained, error.expected) == (1, 0)


def test_batchnorm_variances_are_returned(state: State) -> None:
    state[VARIANCE][:] = 1.0  # all alike
    assert check_batchnorm_variances(state, "L.tar")[1] >= 1.0
    state[VARIANCE][:2] = torch.tensor([0.0, 1e11])
    low, high = check_batchnorm_variances(state, "L.tar")
    assert (low, high) == (0.0, float(torch.tensor(1e11)))


@pytest.mark.parametrize("number", [-1e-6, 1.01e12, float("nan")])
def test_a_variance_that_cannot_be_is_found(number: float, state: State) -> None:
    state[VARIANCE][1] = number
    error = _failure(check_batchnorm_variances, state, "L.tar")
    assert error.code == "implausible-variance"
    assert f"'{VARIANCE}' of L.tar" in error.problem


def test_a_network_without_batchnorm_is_found(state: State) -> None:
    bare = {key: tensor for key, tensor in state.items() if not key.endswith(".running_var")}
    assert _failure(check_batchnorm_variances, bare, "L.tar").code == "implausible-variance"


@each_variant
def test_the_key_map_round_trip_passes(variant: Variant) -> None:
    checkpoint = checkpoint_of(_published_state(variant))
    assert check_key_map_round_trip(checkpoint) == variant.checkpoint.head_keys


def _swapping(state: State) -> State:
    return dict(zip(state, reversed(state.values()), strict=True))


def _dropping(state: State) -> State:
    return dict(list(state.items())[:-1])


@pytest.mark.parametrize(
    "broken",
    [
        lambda state: state,
        lambda state: dict(reversed(to_legacy(state).items())),
        lambda state: {key: value.clone() for key, value in to_legacy(state).items()},
        lambda state: _dropping(to_legacy(state)),
        lambda state: _swapping(to_legacy(state)),
    ],
    ids=["nothing_renamed", "other_order", "other_tensors", "one_lost", "values_swapped"],
)
def test_a_broken_key_map_is_found(
    broken: Callable[[State], State], state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "to_legacy", broken)
    error = _failure(check_key_map_round_trip, checkpoint_of(state))
    assert error.code == "round-trip"
    assert str(error.obtained).endswith(" keys as before")
    assert error.expected == len(state)


def test_a_half_mapped_file_does_not_pass_the_round_trip(state: State) -> None:
    key = "head.deconv_layers_2.norm.bias"
    state["head.deconv_layers_2.1.bias"] = state.pop(key)
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        check_key_map_round_trip(checkpoint_of(state))
    assert caught.value.code == "half-mapped"
    assert "head.deconv_layers_2.1.bias" in caught.value.problem
