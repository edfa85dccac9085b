"""The published bits: what is known of the very tensors and files, and whether these are they.

Tensors are compared under the network's own names, so that neither the container nor the style of
the keys matters. Whole files are named as git names them, for a repository keeps copies of two.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.files.json_files import read_json
from convnextpose_check.network.layout import modern_state
from convnextpose_check.variants import Catalogue, Name, read_catalogue

FINGERPRINTS_FILE = "published_tensors.json"

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
GitBlob = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{40}\Z")]


class KnownTensors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sha256 of each tensor's numbers as they lie in memory, little-endian, by modern key."""

    source: str
    sha256: dict[str, Sha256]


class KnownFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The id that git gives the whole file (``git hash-object FILE``)."""

    source: str
    git_blob: GitBlob


class Fingerprint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of one variant's bits; what is not known is None."""

    file: KnownFile | None = None
    tensors: KnownTensors | None = None


class Fingerprints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of ``fixtures/published_tensors.json``."""

    about: str
    variants: dict[Name, Fingerprint]


def read_fingerprints(fixtures: Path, catalogue: Catalogue) -> dict[str, Fingerprint]:
    """What is known of those variants that the catalogue calls the published ones, if anything.

    A model of a user's own may have a published name; it is not on the authors' Drive.
    """
    known = read_json(fixtures / FINGERPRINTS_FILE, Fingerprints).variants
    published = {v.name: v.checkpoint.drive_id for v in read_catalogue().variants}
    return {
        variant.name: known.get(variant.name, Fingerprint())
        for variant in catalogue.variants
        if variant.name in published and variant.checkpoint.drive_id == published[variant.name]
    }


def tensor_digests(checkpoint: Checkpoint) -> dict[str, str]:
    """The sha256 of every tensor, under the network's own names and in the file's order."""
    return {
        key: hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
        for key, tensor in modern_state(checkpoint.network).items()
    }


def fingerprint(checkpoint: Checkpoint, source: str) -> Fingerprint:
    """All that can be known of a file, ready to be compared with other files."""
    blob = checkpoint.git_blob
    return Fingerprint(
        KnownFile(source, blob) if blob else None, KnownTensors(source, tensor_digests(checkpoint))
    )


def file_told(known: Fingerprint | None, checkpoint: Checkpoint) -> str:
    """Whether the whole file is a copy of the known one, which no verdict rests on."""
    if known is None or known.file is None:
        return ""
    if checkpoint.git_blob is None:
        return f"an unpacked folder, so not compared with the file of {known.file.source}"
    if checkpoint.git_blob == known.file.git_blob:
        return f"the very file of {known.file.source}"
    return (
        f"another file than that of {known.file.source}, which may hold the same: git calls this"
        f" one {checkpoint.git_blob[:12]}"
    )


def fingerprints_json(variants: Mapping[str, Fingerprint]) -> str:
    """The variants as they stand in ``fixtures/published_tensors.json``."""
    content = msgspec.json.encode(msgspec.to_builtins(variants))
    return msgspec.json.format(content, indent=2).decode()
