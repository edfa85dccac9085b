"""Legacy and modern keys, with and without DataParallel's prefix."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.network.keymap import (
    add_prefix,
    detect_key_style,
    find_prefix,
    strip_prefix,
    to_legacy,
    to_modern,
)
from convnextpose_check.network.layout import expected_layout
from convnextpose_check.variants import Architecture

PARTS = {"dwconv": "0", "norm": "1", "pwconv": "2"}
Mapper = Callable[[Mapping[str, Any]], dict[str, Any]]


def _make_legacy_key(key: str) -> str:
    """The legacy key, computed independently of the module under test."""
    layer, _, rest = key.partition("head.deconv_layers_")
    if not rest:
        return key
    number, part, name = rest.split(".")
    return f"{layer}head.deconv_layers_{number}.{PARTS[part]}.{name}"


@pytest.fixture(scope="module")
def keys(tiny: Architecture) -> list[str]:
    return list(expected_layout(tiny))


@pytest.mark.parametrize("prefixed", [False, True], ids=["bare", "module"])
def test_to_legacy_and_back_preserves_order_and_tensors(keys: list[str], prefixed: bool) -> None:
    state: Mapping[str, Any] = {key: object() for key in keys}
    state = add_prefix(state) if prefixed else state
    legacy = to_legacy(state)
    returned = to_modern(legacy)
    assert list(legacy) == [_make_legacy_key(key) for key in state]
    assert sum(map(operator.ne, legacy, state)) == 3 * 9
    assert list(returned) == list(state)
    assert all(map(operator.is_, legacy.values(), state.values()))
    assert all(map(operator.is_, returned.values(), state.values()))
    assert (detect_key_style(legacy), detect_key_style(returned)) == ("legacy", "modern")
    assert list(to_legacy(legacy)) == list(legacy)
    assert list(to_modern(state)) == list(state)


@pytest.mark.parametrize(
    "added",
    [
        "head.deconv_layers_4.0.weight",
        "head.deconv_layers_1.3.weight",
        "head.deconv_layers_1.0",
        "head.deconv_layers_1.0.weight.extra",
    ],
)
def test_to_modern_unknown_head_key_is_unchanged(added: str, keys: list[str]) -> None:
    """The comparison with the architecture names it."""
    assert list(to_modern(dict.fromkeys([*keys, added], 0))) == [*keys, added]


@pytest.mark.parametrize(
    "prefix",
    [
        "", "module.", "_orig_mod.module.", "model.", "net.", "_forward_module.model.",
    ],
)  # fmt: skip
@pytest.mark.parametrize("is_legacy", [False, True])
def test_find_and_strip_prefix_of_training_wrappers(
    prefix: str, is_legacy: bool, keys: list[str]
) -> None:
    written = [prefix + (_make_legacy_key(key) if is_legacy else key) for key in keys]
    state = dict.fromkeys(written, 0)
    assert find_prefix(state) == prefix
    assert list(to_modern(strip_prefix(state))) == keys
    assert detect_key_style(state) == ("legacy" if is_legacy else "modern")


@pytest.mark.parametrize("added", ["n_averaged", "model.w"])
def test_find_prefix_key_with_another_prefix_is_named(added: str, keys: list[str]) -> None:
    """Such as the counter that ``AveragedModel`` adds, or a second copy of the weights."""
    state = [added, *(f"module.{key}" for key in keys)]
    with pytest.raises(ConvNeXtPoseCheckError, match=rf"^\[wrong-keys\] '{added}' and '") as caught:
        strip_prefix(dict.fromkeys(state, 0))
    assert f"'module.{keys[0]}' have different prefixes" in caught.value.problem
    assert "without wrappers" in caught.value.remedy


@pytest.mark.parametrize("mapper", [to_modern, to_legacy])
def test_key_mapping_mixed_styles_raises_wrong_keys(mapper: Mapper, keys: list[str]) -> None:
    head_keys = [key for key in keys if key != _make_legacy_key(key)]
    for changed in (head_keys[:1], head_keys[-1:], head_keys[:-1]):
        mixed = [_make_legacy_key(key) if key in changed else key for key in keys]
        with pytest.raises(ConvNeXtPoseCheckError, match=r"^\[wrong-keys\] expected head keys of"):
            mapper(dict.fromkeys(mixed, 0))


def test_detect_key_style_without_head_raises_wrong_keys() -> None:
    with pytest.raises(ConvNeXtPoseCheckError, match=r"^\[wrong-keys\] .*head\.deconv_layers_"):
        detect_key_style(["backbone.norm.weight", "head.final_layer.bias"])
