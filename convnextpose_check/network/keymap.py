"""Convert the head's keys from legacy (M, L) to modern style (XS, S) and back.

Legacy files number the modules of a head layer, modern files name them. Only keys that start with
``head.deconv_layers_`` differ: ``backbone.downsample_layers.0.0`` has numbers in both styles.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Literal, TypeVar

from torch import Tensor

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode

KeyStyle = Literal["modern", "legacy"]
T = TypeVar("T")

StateDict = Mapping[str, "Tensor"]

LEGACY_TO_MODERN = {"0": "dwconv", "1": "norm", "2": "pwconv"}
MODERN_TO_LEGACY = {modern: legacy for legacy, modern in LEGACY_TO_MODERN.items()}

_WRAPPERS = r"(?:(?:module|_orig_mod|_forward_module|model|network|net)\.)*"
"""Prefixes that DataParallel, ``torch.compile``, Lightning and scripts add to the keys."""

_HEAD_KEY = re.compile(
    rf"({_WRAPPERS}head\.deconv_layers_[123]\.)(0|1|2|dwconv|norm|pwconv)(\.\w+)"
)


def detect_key_style(keys: Iterable[str]) -> KeyStyle:
    """Return the style of the head keys: ``legacy`` (numbered) or ``modern`` (named).

    Raises ``ConvNeXtPoseCheckError`` (``wrong-keys``) if styles are mixed or head keys are missing.
    """
    keys = tuple(keys)
    is_legacy = {
        match[2] in LEGACY_TO_MODERN for key in keys if (match := _HEAD_KEY.fullmatch(key))
    }
    if len(is_legacy) != 1:
        raise _wrong_keys(
            "expected head keys of one style, all like 'head.deconv_layers_1.0.weight' or all like"
            f" 'head.deconv_layers_1.dwconv.weight'; {describe_keys(keys)}"
        )
    return "legacy" if is_legacy.pop() else "modern"


def to_modern(state: Mapping[str, T]) -> dict[str, T]:
    """Convert legacy head keys to modern ones; order, values and other keys stay."""
    return _rename_head_keys(state, LEGACY_TO_MODERN)


def to_legacy(state: Mapping[str, T]) -> dict[str, T]:
    """Convert modern head keys to legacy ones: the inverse of ``to_modern``."""
    return _rename_head_keys(state, MODERN_TO_LEGACY)


def find_prefix(keys: Iterable[str]) -> str:
    """The prefix of every key, such as ``module.``; empty for none.

    Raises ``ConvNeXtPoseCheckError`` (``wrong-keys``) if a key has another prefix.
    """
    keys = tuple(keys)
    prefix = _key_prefix(keys[0]) if keys else ""
    for key in keys:
        if _key_prefix(key) != prefix:
            raise _wrong_keys(f"'{keys[0]}' and '{key}' have different prefixes")
    return prefix


def describe_prefix(prefix: str) -> str:
    """Describe the prefix that ``strip_prefix`` removed."""
    return f"prefix '{prefix}' removed" if prefix else "no prefix"


def describe_keys(keys: Iterable[str]) -> str:
    """Describe the first key and its prefix."""
    first = next(iter(keys), "")
    return f"the first key is '{first}' ({describe_prefix(_key_prefix(first))})"


def strip_prefix(state: Mapping[str, T]) -> dict[str, T]:
    """Remove the prefix; raises the errors of ``find_prefix``."""
    prefix = find_prefix(state)
    return {key.removeprefix(prefix): value for key, value in state.items()}


def add_prefix(state: Mapping[str, T]) -> dict[str, T]:
    """Add the DataParallel prefix, which the authors' code expects, to keys without a prefix."""
    return {f"module.{key}": value for key, value in state.items()}


def _key_prefix(key: str) -> str:
    match = re.match(_WRAPPERS, key)
    return match[0] if match else ""


def _wrong_keys(problem: str) -> ConvNeXtPoseCheckError:
    remedy = "Use the published file, or save the state dict of the network without wrappers"
    return ConvNeXtPoseCheckError(ErrorCode.WRONG_KEYS, problem, remedy)


def _rename_head_keys(state: Mapping[str, T], parts: Mapping[str, str]) -> dict[str, T]:
    detect_key_style(state)  # raises for mixed styles, where two keys could become equal
    matches = {key: _HEAD_KEY.fullmatch(key) for key in state}
    return {
        f"{match[1]}{parts.get(match[2], match[2])}{match[3]}" if match else key: state[key]
        for key, match in matches.items()
    }
