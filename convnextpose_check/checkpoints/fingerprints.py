"""Recorded hashes of the published tensors, and those of a checkpoint.

Tensors are compared under the network's own keys, independent of container and key style.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.files.json_files import read_json
from convnextpose_check.network.layout import modern_state
from convnextpose_check.variants import Name

FINGERPRINTS_FILE = "published_tensors.json"

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class KnownTensors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sha256 of each tensor's numbers in memory, little-endian, by modern key."""

    source: str
    sha256: dict[str, Sha256]


class Fingerprints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of ``fixtures/published_tensors.json``."""

    about: str
    variants: dict[Name, KnownTensors]


def read_fingerprints(fixtures: Path, names: Iterable[str]) -> dict[str, KnownTensors]:
    """The recorded hashes of the published variants, empty ones where none are recorded."""
    known = read_json(fixtures / FINGERPRINTS_FILE, Fingerprints).variants
    return {name: known.get(name, KnownTensors("", {})) for name in names}


def tensor_digests(checkpoint: Checkpoint) -> dict[str, str]:
    """The sha256 of every tensor, under the network's own keys and in the file's order."""
    return {
        key: hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
        for key, tensor in modern_state(checkpoint.network).items()
    }


def fingerprint(checkpoint: Checkpoint, source: str) -> KnownTensors:
    """The hashes of a checkpoint, to compare other files with."""
    return KnownTensors(source, tensor_digests(checkpoint))
