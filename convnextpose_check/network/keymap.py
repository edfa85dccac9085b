"""Map the head's keys from legacy (M, L) to modern (XS, S) and back.

Legacy files number the parts of a head layer, modern files name them. Only keys below
``head.deconv_layers_`` are renamed: ``backbone.downsample_layers.0.0`` has numbers in both.
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
"""Prefix of every network key of the published files, from training in DataParallel."""

_HEAD_LAYER = "head.deconv_layers_"
_HEAD_KEY = re.compile(r"((?:module\.)?head\.deconv_layers_[123]\.)(\w+)(\.\w+)")


def detect_key_style(keys: Iterable[str]) -> KeyStyle:
    """Whether the head keys are numbered or named.

    Raises ``ConvNeXtPoseCheckError`` (``wrong-keys``) for a head key of neither style, for a
    mixture of styles, and without a head key.
    """
    styles: dict[KeyStyle, str] = {}
    for key in keys:
        if (part := _head_part(key)) is not None:
            styles.setdefault("legacy" if part in LEGACY_TO_MODERN else "modern", key)
    if len(styles) == 2:
        raise ConvNeXtPoseCheckError(
            ErrorCode.WRONG_KEYS,
            f"the keys mix styles: '{styles['legacy']}' is legacy, '{styles['modern']}' is modern",
            "Use the published file",
        )
    if not styles:
        raise ConvNeXtPoseCheckError(ErrorCode.WRONG_KEYS, f"no key begins with '{_HEAD_LAYER}'")
    return next(iter(styles))


def to_modern(state: Mapping[str, T]) -> dict[str, T]:
    """Name the head's parts, keeping order and values; modern keys stay."""
    return _renamed(state, LEGACY_TO_MODERN)


def to_legacy(state: Mapping[str, T]) -> dict[str, T]:
    """Number the head's parts: the inverse of ``to_modern``, with the same errors."""
    return _renamed(state, MODERN_TO_LEGACY)


def strip_prefix(state: Mapping[str, T]) -> dict[str, T]:
    """Remove the prefix of DataParallel, which all keys or none must have."""
    bare = [key for key in state if not key.startswith(DATA_PARALLEL_PREFIX)]
    if bare and len(bare) < len(state):
        raise ConvNeXtPoseCheckError(
            ErrorCode.WRONG_KEYS,
            f"'{bare[0]}' lacks the prefix '{DATA_PARALLEL_PREFIX}' that others have",
        )
    return {key.removeprefix(DATA_PARALLEL_PREFIX): value for key, value in state.items()}


def add_prefix(state: Mapping[str, T]) -> dict[str, T]:
    """Add the prefix of DataParallel, which the authors' code expects."""
    return {DATA_PARALLEL_PREFIX + key: value for key, value in strip_prefix(state).items()}


def _head_part(key: str) -> str | None:
    """The part of the head layer in ``key``, None for a key outside the head layers."""
    if not key.removeprefix(DATA_PARALLEL_PREFIX).startswith(_HEAD_LAYER):
        return None
    match = _HEAD_KEY.fullmatch(key)
    if match is None or match[2] not in LEGACY_TO_MODERN | MODERN_TO_LEGACY:
        raise ConvNeXtPoseCheckError(
            ErrorCode.WRONG_KEYS,
            f"'{key}' is not a key of a head layer: expected"
            f" {', '.join(MODERN_TO_LEGACY)} or 0, 1, 2 after '{_HEAD_LAYER}1', '2' or '3'",
        )
    return match[2]


def _renamed(state: Mapping[str, T], parts: Mapping[str, str]) -> dict[str, T]:
    detect_key_style(state)  # of one style, no two keys become the same one
    matches = {key: _HEAD_KEY.fullmatch(key) for key in state}
    return {
        f"{match[1]}{parts.get(match[2], match[2])}{match[3]}" if match else key: state[key]
        for key, match in matches.items()
    }
