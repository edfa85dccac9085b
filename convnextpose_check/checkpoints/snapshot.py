"""Write checkpoints as ``.pth`` files for the authors' tools, and as safetensors.

``model_dump/snapshot_<epoch>.pth`` holds ``epoch`` and ``network`` with the prefix and the modern
head keys that the authors' ``main/test.py`` loads. That script looks for ``.pth.tar``, so the same
file also has that name.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from convnextpose_check.checkpoints.load import Checkpoint, load_content
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.whole import link_or_copy, written_whole
from convnextpose_check.network.keymap import to_modern, with_prefix
from convnextpose_check.network.layout import modern_state
from convnextpose_check.paths import DUMP_FOLDER


def write_snapshot(checkpoint: Checkpoint, variant: str, results_dir: Path) -> Path:
    """Write the checkpoint under ``results_dir/model_dump`` and return the path of the ``.pth``.

    A file of that name from another checkpoint is kept: the new one then goes to
    ``model_dump/<variant>_<sha256>/``. Raises ``ConvNeXtPoseCheckError`` (``cannot-write``).
    """
    import torch

    path = results_dir / DUMP_FOLDER / f"snapshot_{checkpoint.epoch}.pth"
    present = [file for file in (path, _twin_of(path)) if file.exists()]
    if any(_source_of(file) != checkpoint.sha256 for file in present):
        path = _separate_path(path, variant, checkpoint)
    content = {
        "epoch": checkpoint.epoch,
        "network": with_prefix(to_modern(checkpoint.network)),
        "variant": variant,
        "source_sha256": checkpoint.sha256,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)  # to a file, it would raise a RuntimeError on a full disk
    with written_whole(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
    with written_whole(_twin_of(path)) as temporary:
        temporary.unlink()
        link_or_copy(path, temporary)
    return path


def _twin_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.tar")


def _separate_path(path: Path, variant: str, checkpoint: Checkpoint) -> Path:
    return path.parent / f"{variant}_{checkpoint.sha256[:8]}" / path.name


def _source_of(path: Path) -> Any:
    """The sha256 of the file that a snapshot was made from, None if it does not name one."""
    try:
        content, _ = load_content(path)
    except ConvNeXtPoseCheckError:  # not written by this module
        return None
    return content.get("source_sha256") if type(content) is dict else None


def write_safetensors(checkpoint: Checkpoint, variant: str, snapshot: Path) -> Path:
    """Write the tensors, under the network's own keys, beside the ``.pth``; returns the path.

    The metadata name variant, epoch and the source file's sha256. A file of that name from another
    checkpoint is kept, as by ``write_snapshot``. Raises ``ConvNeXtPoseCheckError``
    (``cannot-write``).
    """
    import torch
    from safetensors.torch import save

    path = snapshot.with_suffix(".safetensors")
    if path.exists() and source_sha256(path) != checkpoint.sha256:
        path = _separate_path(path, variant, checkpoint)
    # Cloned, since safetensors refuses views that share a storage.
    tensors = {
        key: tensor.detach().clone(memory_format=torch.contiguous_format)
        for key, tensor in modern_state(checkpoint.network).items()
    }
    metadata = {
        "format": "pt",
        "variant": variant,
        "epoch": str(checkpoint.epoch),
        "source_sha256": checkpoint.sha256,
    }
    with written_whole(path) as temporary:
        temporary.write_bytes(save(tensors, metadata))
    return path


def source_sha256(path: Path) -> str | None:
    """The sha256 of the file that a safetensors file was made from, None if it names none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as opened:
            metadata: dict[str, str] = opened.metadata() or {}
    except (SafetensorError, OSError):
        return None
    return metadata.get("source_sha256")
