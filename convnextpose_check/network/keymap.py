"""Convert the head's keys from legacy (M, L) to modern style (XS, S) and back.

Legacy files number the modules of a head layer, modern files name them. Only keys that start with
``head.deconv_layers_`` differ: ``backbone.downsample_layers.0.0`` has numbers in both styles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Literal, TypeVar

from convnextpose_check.errors import ConvNeXtPoseCheckError, ErrorCode

if TYPE_CHECKING:
    from torch import Tensor

KeyStyle = Literal["modern", "legacy"]
T = TypeVar("T")

StateDict = Mapping[str, "Tensor"]

LEGACY_TO_MODERN = {"0": "dwconv", "1": "norm", "2": "pwconv"}
MODERN_TO_LEGACY = {modern: legacy for legacy, modern in LEGACY_TO_MODERN.items()}

DATA_PARALLEL_PREFIX = "module."
"""Prefix of every key of the published state dicts, from training with DataParallel."""

_WRAPPERS = r"(?:(?:module|_orig_mod|_forward_module|model|network|net)\.)*"
"""Prefixes that DataParallel, ``torch.compile``, Lightning and scripts add to the keys."""

SAVE_UNWRAPPED = "Use the published file, or save the state dict of the network without wrappers"

HEAD_LAYER = "head.deconv_layers_"
_PREFIX = re.compile(_WRAPPERS)
_HEAD_KEY = re.compile(rf"({_WRAPPERS}head\.deconv_layers_[123]\.)(\w+)(\.\w+)")


def detect_key_style(keys: Iterable[str]) -> KeyStyle:
    """Return the style of the head keys: ``legacy`` (numbered) or ``modern`` (named).

    Raises ``ConvNeXtPoseCheckError`` (``wrong-keys``) if a head key has neither style, if styles
    are mixed, or if head keys are missing.
    """
    styles: dict[KeyStyle, str] = {}
    keys = tuple(keys)
    for key in keys:
        if (part := _head_part(key)) is not None:
            styles.setdefault("legacy" if part in LEGACY_TO_MODERN else "modern", key)
    if len(styles) == 2:
        raise _wrong_keys(
            f"the keys mix styles: '{styles['legacy']}' is legacy, '{styles['modern']}' is modern"
        )
    if not styles:
        raise _wrong_keys(f"no key begins with '{HEAD_LAYER}'; {describe_keys(keys)}")
    return next(iter(styles))


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
    prefixes = {key: _key_prefix(key) for key in keys}
    most_common = max(prefixes.values(), key=[*prefixes.values()].count, default="")
    for key, prefix in prefixes.items():
        if prefix != most_common:
            problem = f"'{key}' has the prefix '{prefix}', but most keys have '{most_common}'"
            raise _wrong_keys(problem)
    return most_common


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
    """Add the DataParallel prefix, which the authors' code expects."""
    return {DATA_PARALLEL_PREFIX + key: value for key, value in strip_prefix(state).items()}


def _key_prefix(key: str) -> str:
    match = _PREFIX.match(key)
    return match[0] if match else ""


def _head_part(key: str) -> str | None:
    """The module name or number in a head layer's key; None for other keys."""
    if not key.removeprefix(_key_prefix(key)).startswith(HEAD_LAYER):
        return None
    match = _HEAD_KEY.fullmatch(key)
    if match is None or match[2] not in LEGACY_TO_MODERN | MODERN_TO_LEGACY:
        raise _wrong_keys(
            f"'{key}' is not a key of a head layer: expected"
            f" {', '.join(MODERN_TO_LEGACY)} or 0, 1, 2 after '{HEAD_LAYER}1', '2' or '3'"
        )
    return match[2]


def _wrong_keys(problem: str) -> ConvNeXtPoseCheckError:
    return ConvNeXtPoseCheckError(ErrorCode.WRONG_KEYS, problem, SAVE_UNWRAPPED)


def _rename_head_keys(state: Mapping[str, T], parts: Mapping[str, str]) -> dict[str, T]:
    detect_key_style(state)  # raises for mixed styles, where two keys could become equal
    matches = {key: _HEAD_KEY.fullmatch(key) for key in state}
    return {
        f"{match[1]}{parts.get(match[2], match[2])}{match[3]}" if match else key: state[key]
        for key, match in matches.items()
    }
