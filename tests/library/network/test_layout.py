"""State dicts are identified and loaded strictly, and their weights checked."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from convnextpose_check.checks import archives
from convnextpose_check.checks.archives import (
    check_batchnorm_variances,
    check_holds_variant,
    check_key_map_round_trip,
    check_weights_are_finite,
)
from convnextpose_check.errors import CheckFailedError
from convnextpose_check.network.keymap import add_prefix, to_legacy
from convnextpose_check.network.layout import (
    build_meta_network,
    build_network,
    find_layout_difference,
    identify_variants,
    normalize_keys,
)
from convnextpose_check.synthetic.weights import seeded_state
from convnextpose_check.variants import Architecture, Catalogue, read_catalogue
from tests.support.archives import make_checkpoint, tiny_variant

State = dict[str, torch.Tensor]

PUBLISHED = read_catalogue()
LAST = "head.final_layer.bias"
COUNTER = "backbone.norm.num_batches_tracked"
VARIANCE = "backbone.norm.running_var"


@pytest.fixture
def state(tiny: Architecture) -> State:
    return seeded_state(tiny, seed=3)


@cache
def _make_published_state(name: str) -> State:
    """Shapes only, with the key names of the published file."""
    variant = PUBLISHED[name]
    state = add_prefix(build_meta_network(variant.architecture).state_dict())
    return to_legacy(state) if variant.checkpoint.head_keys == "legacy" else state


def _catch_failure(check: Callable[..., Any], *arguments: Any) -> CheckFailedError:
    with pytest.raises(CheckFailedError) as caught:
        check(*arguments)
    return caught.value


@pytest.mark.parametrize("variant", PUBLISHED.variants, ids=lambda variant: variant.name)
def test_check_holds_variant_other_variant_raises_wrong_variant(variant: Any) -> None:
    assert identify_variants(normalize_keys(_make_published_state(variant.name)), PUBLISHED) == (
        variant.name,
    )
    path = Path("/data") / variant.checkpoint.file_name
    for other in PUBLISHED.variants:
        checkpoint = make_checkpoint(_make_published_state(other.name), path=path)
        if other == variant:
            assert check_holds_variant(variant, checkpoint, PUBLISHED) == variant.name
            assert check_key_map_round_trip(checkpoint) == variant.checkpoint.head_keys
            continue
        error = _catch_failure(check_holds_variant, variant, checkpoint, PUBLISHED)
        assert error.code == "wrong-variant"
        assert f"{path} contains variant {other.name}: expected {variant.name}." in str(error)
        assert variant.checkpoint.file_name in error.remedy
        assert (error.obtained, error.expected) == (other.name, variant.name)


SPOIL: dict[str, Callable[[State], Any]] = {
    f"1 of 106 keys are missing, the first is '{LAST}'": lambda s: s.pop(LAST),
    "1 keys are unexpected, the first is 'head.a'": lambda s: s.update({"head.a": s[LAST]}),
    f"'{COUNTER}' is torch.float32: expected torch.int64": lambda s: s.update(
        {COUNTER: s[COUNTER].float()}
    ),
    f"'{LAST}' has shape (125,): expected (126,)": lambda s: s.update({LAST: s[LAST][1:]}),
}


@pytest.mark.parametrize(("difference", "spoil"), SPOIL.items())
def test_find_layout_difference_names_first_difference(
    difference: str, spoil: Callable[[State], Any], state: State, tiny: Architecture
) -> None:
    assert find_layout_difference(state, tiny) is None
    spoil(state)
    assert find_layout_difference(state, tiny) == difference
    variant = tiny_variant(tiny, "L")
    catalogue = Catalogue("one", (variant,))
    assert identify_variants(state, catalogue) == ()
    error = _catch_failure(check_holds_variant, variant, make_checkpoint(state), catalogue)
    assert error.code == "wrong-layout"
    assert difference in error.problem
    assert (error.obtained, error.expected) == (difference, "L")
    if "torch." not in difference:
        with pytest.raises(RuntimeError, match="Error"):
            build_network(tiny, state, torch.device("cpu"))


def test_check_weights_are_finite_one_infinity_raises(state: State) -> None:
    count = sum(tensor.numel() for tensor in state.values())
    assert check_weights_are_finite(state, "L.tar") == count
    state[LAST][5] = -torch.inf
    error = _catch_failure(check_weights_are_finite, state, "L.tar")
    assert error.code == "bad-weights"
    assert error.problem.startswith(f"1 of 126 values in '{LAST}' of L.tar")
    assert (error.obtained, error.expected) == (1, 0)


@pytest.mark.parametrize("number", [-1e-6, 1.01e12, float("nan")])
def test_check_batchnorm_variances_implausible_raises(number: float, state: State) -> None:
    state[VARIANCE][:] = 1.0  # equal variances are valid
    assert check_batchnorm_variances(state, "L.tar")[1] >= 1.0
    state[VARIANCE][:2] = torch.tensor([0.0, 1e11])
    assert check_batchnorm_variances(state, "L.tar") == (0.0, float(torch.tensor(1e11)))
    state[VARIANCE][1] = number
    error = _catch_failure(check_batchnorm_variances, state, "L.tar")
    assert error.code == "bad-weights"
    assert f"'{VARIANCE}' of L.tar" in error.problem
    bare = {key: tensor for key, tensor in state.items() if not key.endswith(".running_var")}
    assert _catch_failure(check_batchnorm_variances, bare, "L.tar").code == "bad-weights"


@pytest.mark.parametrize(
    "broken",
    [
        lambda state: state,
        lambda state: dict(reversed(to_legacy(state).items())),
        lambda state: {key: value.clone() for key, value in to_legacy(state).items()},
        lambda state: dict(list(to_legacy(state).items())[:-1]),
        lambda state: dict(zip(to_legacy(state), reversed(state.values()), strict=True)),
    ],
    ids=["nothing_renamed", "other_order", "other_tensors", "one_lost", "values_swapped"],
)
def test_check_key_map_round_trip_broken_map_raises(
    broken: Callable[[State], State], state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "to_legacy", broken)
    error = _catch_failure(check_key_map_round_trip, make_checkpoint(state))
    assert error.code == "round-trip"
    assert str(error.obtained).endswith(" unchanged keys")
    assert error.expected == len(state)
