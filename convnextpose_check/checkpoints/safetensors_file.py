"""The weights as safetensors, which runs no code when it is read and needs no torch to be read."""

from __future__ import annotations

from pathlib import Path

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.files.whole import written_whole
from convnextpose_check.network.layout import modern_state


def write_safetensors(checkpoint: Checkpoint, variant: str, snapshot: Path) -> Path:
    """Write the checkpoint's tensors beside its ``.pth``; returns the path.

    Keys are the network's own, as ``load_state_dict`` takes them; values are those of the file, bit
    for bit. The metadata name variant, epoch and the sha256 of the file that they are from. A file
    of another origin that has the name is left alone: the new one then goes to a folder of its own.
    Raises ``ConvNeXtPoseCheckError`` (``cannot-write``).
    """
    import torch
    from safetensors.torch import save

    path = snapshot.with_suffix(".safetensors")
    if path.exists() and source_sha256(path) != checkpoint.sha256:
        path = path.parent / f"{variant}_{checkpoint.sha256[:8]}" / path.name
    # Each with memory of its own: views of one storage are refused.
    tensors = {
        key: tensor.detach().clone(memory_format=torch.contiguous_format)
        for key, tensor in modern_state(checkpoint.network).items()
    }
    metadata = {
        "format": "pt",  # what readers ask for
        "variant": variant,
        "epoch": str(checkpoint.epoch),
        "source_sha256": checkpoint.sha256,
    }
    content = save(tensors, metadata)
    with written_whole(path) as temporary:
        temporary.write_bytes(content)
    return path


def source_sha256(path: Path) -> str | None:
    """The sha256 of the file that a safetensors file was made from, None if it does not say."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as opened:
            metadata: dict[str, str] = opened.metadata() or {}
    except (SafetensorError, OSError):
        return None
    return metadata.get("source_sha256")
