"""Recorded hashes of the published tensors, and hashes of a checkpoint.

Tensors are compared under modern keys, independent of container and key style.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.files.json_files import read_json
from convnextpose_check.variants import Name

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Fingerprint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sha256 of each tensor's little-endian values, by modern key; empty if not recorded."""

    source: str = ""
    sha256: dict[str, Sha256] = {}


class Fingerprints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of ``fixtures/published_tensors.json``."""

    about: str
    variants: dict[Name, Fingerprint]


def read_fingerprints(fixtures: Path, names: Iterable[str]) -> dict[str, Fingerprint]:
    """The recorded hashes of the named variants; empty for a variant without any."""
    known = read_json(fixtures / "published_tensors.json", Fingerprints).variants
    return {name: known.get(name, Fingerprint()) for name in names}


def tensor_digests(checkpoint: Checkpoint) -> dict[str, str]:
    """The sha256 of every tensor, by modern key and in the file's order."""
    return {
        key: hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
        for key, tensor in checkpoint.state.items()
    }


def fingerprint(checkpoint: Checkpoint, source: str) -> Fingerprint:
    """Hash a checkpoint, so that other files can be compared with it."""
    return Fingerprint(source, tensor_digests(checkpoint))
