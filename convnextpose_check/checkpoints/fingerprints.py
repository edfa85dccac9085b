"""Recorded hashes of the published tensors and files, and hashes of a checkpoint.

Tensors are compared under modern keys, independent of container and key style. Files have git's
object ids, since a public repository contains copies of two of them.
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
GitBlob = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{40}\Z")]


class KnownTensors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sha256 of each tensor's little-endian values, by modern key."""

    source: str
    sha256: dict[str, Sha256]


class KnownFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Git's object id of the file (``git hash-object FILE``)."""

    source: str
    git_blob: GitBlob


class Fingerprint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The recorded hashes of one variant; None if not recorded."""

    file: KnownFile | None = None
    tensors: KnownTensors | None = None


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
    return Fingerprint(
        KnownFile(source, checkpoint.git_blob) if checkpoint.git_blob else None,
        KnownTensors(source, tensor_digests(checkpoint)),
    )


def describe_copy(known: Fingerprint | None, checkpoint: Checkpoint) -> str:
    """Describe which recorded file this is a copy of, ``""`` if none; no check."""
    if known is None or known.file is None or known.file.git_blob != checkpoint.git_blob:
        return ""
    return f"identical to the file of {known.file.source}"
