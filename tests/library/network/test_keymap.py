from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.network.cost import skeleton_network
from convnextpose_check.network.keymap import (
    key_style,
    to_legacy,
    to_modern,
    with_prefix,
    without_prefix,
)
from convnextpose_check.network.layout import expected_layout
from convnextpose_check.variants import Architecture, read_catalogue
from convnextpose_check.wording import printable
from tests.support.properties import given, settings, st

CATALOGUE = read_catalogue()
CONVOLUTION = ("weight", "bias")
NORM = (*CONVOLUTION, "running_mean", "running_var", "num_batches_tracked")


def _keys(blocks: tuple[int, ...]) -> Iterator[str]:
    """The names of a network's state in their order, without building one."""
    parts = [
        ("backbone.downsample_layers.0.0", CONVOLUTION),
        ("backbone.downsample_layers.0.1", NORM),
    ]
    for stage in range(1, 4):
        layer = f"backbone.downsample_layers.{stage}"
        parts += [(f"{layer}.0", NORM), (f"{layer}.1", CONVOLUTION)]
    for stage, depth in enumerate(blocks):
        for block in range(depth):
            inner = f"backbone.stages.{stage}.{block}"
            parts += [(f"{inner}.dwconv", CONVOLUTION), (f"{inner}.norm", NORM)]
            parts += [(f"{inner}.pwconv1", CONVOLUTION), (f"{inner}.pwconv2", CONVOLUTION)]
    parts.append(("backbone.norm", NORM))
    for number in (1, 2, 3):
        layer = f"head.deconv_layers_{number}"
        parts += [(f"{layer}.dwconv", CONVOLUTION), (f"{layer}.norm", NORM)]
        parts.append((f"{layer}.pwconv", CONVOLUTION))
    parts.append(("head.final_layer", CONVOLUTION))
    return (f"{part}.{name}" for part, names in parts for name in names)


KEYS = tuple(_keys(CATALOGUE["L"].architecture.blocks))
HEAD_KEYS = tuple(key for key in KEYS if "deconv_layers" in key)
LEGACY = to_legacy(dict.fromkeys(KEYS, 0))
RENAMES = {
    "head.deconv_layers_1.0.weight": "head.deconv_layers_1.dwconv.weight",
    "head.deconv_layers_2.1.running_var": "head.deconv_layers_2.norm.running_var",
    "head.deconv_layers_3.2.bias": "head.deconv_layers_3.pwconv.bias",
    "module.head.deconv_layers_1.1.num_batches_tracked": (
        "module.head.deconv_layers_1.norm.num_batches_tracked"
    ),
}
ALIKE = (
    "backbone.downsample_layers.0.0.weight",
    "module.backbone.downsample_layers.0.0.weight",
    "backbone.downsample_layers.1.1.bias",
    "backbone.stages.2.0.dwconv.weight",
    "backbone.stages.0.1.norm.running_mean",
    "head.final_layer.weight",
    "decoy.head.deconv_layers_1.0.weight",
)
Mapper = Callable[[Mapping[str, Any]], dict[str, Any]]


def _error(function: Mapper | Callable[[Any], Any], keys: Any) -> ConvNeXtPoseCheckError:
    with pytest.raises(ConvNeXtPoseCheckError) as caught:
        function(dict.fromkeys(keys, 0))
    return caught.value


def test_the_keys_above_are_the_networks() -> None:
    assert tuple(expected_layout(CATALOGUE["L"].architecture)) == KEYS


@pytest.mark.parametrize(("legacy", "modern"), RENAMES.items())
def test_head_keys_are_renamed_exactly(legacy: str, modern: str) -> None:
    assert to_modern({legacy: 1}) == {modern: 1}
    assert to_legacy({modern: 1}) == {legacy: 1}


@pytest.mark.parametrize("key", ALIKE)
def test_every_other_key_stays(key: str) -> None:
    assert next(iter(to_modern({key: 0} | dict.fromkeys(LEGACY, 0)))) == key
    assert next(iter(to_legacy({key: 0} | dict.fromkeys(KEYS, 0)))) == key


@pytest.mark.parametrize("variant", CATALOGUE.variants, ids=lambda variant: variant.name)
@pytest.mark.parametrize("prefixed", [False, True], ids=["bare", "module"])
def test_there_and_back_gives_the_same_names_order_and_tensors(
    variant: Any, prefixed: bool
) -> None:
    state: Mapping[str, Any] = skeleton_network(variant.architecture).state_dict()
    state = with_prefix(state) if prefixed else state
    legacy = to_legacy(state)
    returned = to_modern(legacy)
    assert len(legacy) == len(state)
    assert list(returned) == list(state)
    assert all(returned[key] is state[key] for key in state)
    assert all(map(operator.is_, legacy.values(), state.values()))
    assert key_style(legacy) == "legacy"
    assert key_style(returned) == "modern"


def test_only_head_keys_differ_between_the_styles() -> None:
    changed = {old for old, new in zip(KEYS, LEGACY, strict=True) if old != new}
    assert changed == set(HEAD_KEYS)
    assert len(changed) == 3 * 9


@pytest.mark.parametrize(("mapper", "keys"), [(to_modern, KEYS), (to_legacy, LEGACY)])
def test_a_state_already_in_the_style_stays_as_it_is(mapper: Mapper, keys: Any) -> None:
    state = {key: object() for key in keys}
    assert list(mapper(state).items()) == list(state.items())


@pytest.mark.parametrize("mapper", [to_modern, to_legacy])
@settings(max_examples=50, deadline=None, database=None, derandomize=True)
@given(chosen=st.sets(st.sampled_from(HEAD_KEYS), min_size=1, max_size=len(HEAD_KEYS) - 1))
def test_a_half_mapped_state_is_refused_with_both_keys(mapper: Mapper, chosen: set[str]) -> None:
    renamed = dict(zip(KEYS, LEGACY, strict=True))
    keys = [renamed[key] if key in chosen else key for key in KEYS]
    error = _error(mapper, keys)
    assert error.code == "half-mapped"
    named = set(re.findall(r"'([^']+)'", error.problem))
    assert len(named) == 2
    assert named <= set(keys)


@pytest.mark.parametrize(
    "key",
    [
        "head.deconv_layers_4.0.weight",
        "head.deconv_layers_0.dwconv.weight",
        "head.deconv_layers_1.3.weight",
        "head.deconv_layers_1.00.weight",
        "head.deconv_layers_1.act.weight",
        "head.deconv_layers_1.0",
        "head.deconv_layers_1.0.weight.extra",
        "head.deconv_layers_1.0.weight\n",
        "module.head.deconv_layers_12.0.weight",
        "head.deconv_layers_",
    ],
)
@pytest.mark.parametrize("function", [to_modern, to_legacy, key_style])
def test_an_unknown_head_key_is_refused_by_name(function: Any, key: str) -> None:
    error = _error(function, [*KEYS, key])
    assert error.code == "unknown-head-key"
    assert f"'{printable(key)}'" in error.problem


@pytest.mark.parametrize("mapper", [to_modern, to_legacy])
def test_two_keys_that_become_one_are_refused_by_name(mapper: Mapper) -> None:
    pair = ["head.deconv_layers_1.0.weight", "head.deconv_layers_1.dwconv.weight"]
    error = _error(mapper, pair)
    assert error.code == "collision"
    assert any(key in error.problem for key in pair)


@pytest.mark.parametrize("function", [to_modern, to_legacy, key_style])
@pytest.mark.parametrize("keys", [(), ("backbone.norm.weight", "head.final_layer.bias")])
def test_a_state_without_a_head_is_refused(function: Any, keys: Any) -> None:
    error = _error(function, keys)
    assert error.code == "no-head"
    assert "head.deconv_layers_" in error.problem


def test_the_prefix_goes_and_comes_back(tiny: Architecture) -> None:
    state = {key: object() for key in expected_layout(tiny)}
    prefixed = with_prefix(state)
    assert all(key.startswith("module.") for key in prefixed)
    assert list(without_prefix(prefixed).items()) == list(state.items())
    assert with_prefix(prefixed) == prefixed
    assert without_prefix(state) == state


@settings(max_examples=50, deadline=None, database=None, derandomize=True)
@given(bare=st.sets(st.sampled_from(KEYS), min_size=1, max_size=len(KEYS) - 1))
def test_a_mixed_prefix_is_refused_by_name(bare: set[str]) -> None:
    keys = [key if key in bare else f"module.{key}" for key in KEYS]
    error = _error(without_prefix, keys)
    assert error.code == "half-mapped"
    assert any(f"'{key}'" in error.problem for key in bare)
