"""Write checkpoints as ``.pth`` files for the authors' tools, and as safetensors.

``model_dump/snapshot_<epoch>.pth`` contains ``epoch`` and ``network`` with the prefix and the
modern head keys that the authors' ``main/test.py`` loads. That script looks for ``.pth.tar``, so a
copy has that name. Without a recorded epoch, the variant's name takes its place. A file of either
name from another checkpoint, such as the user's own training, is not overwritten: the new file then
goes to ``model_dump/<variant>_<sha256>/``.
"""

import io
from pathlib import Path

from convnextpose_check.checkpoints.load import Checkpoint, load_checkpoint
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.folders import path_exists
from convnextpose_check.files.regular_files import write_atomically
from convnextpose_check.network.keymap import add_prefix
from convnextpose_check.paths import DUMP_FOLDER


def write_snapshot(checkpoint: Checkpoint, variant: str, results_dir: Path) -> Path:
    """Write the checkpoint below ``results_dir/model_dump``; returns the ``.pth``."""
    import torch

    epoch = {} if checkpoint.epoch is None else {"epoch": checkpoint.epoch}
    name = f"snapshot_{epoch.get('epoch', variant)}.pth"
    path = _choose_path(results_dir / DUMP_FOLDER / name, variant, checkpoint)
    content = {
        **epoch,
        "network": add_prefix(checkpoint.state),
        "variant": variant,
        "source_sha256": checkpoint.sha256,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)  # written to a file, it would raise a RuntimeError on a full disk
    for target in (path, _tar_copy_path(path)):
        with write_atomically(target) as temporary:
            temporary.write_bytes(buffer.getbuffer())
    return path


def write_safetensors(checkpoint: Checkpoint, variant: str, snapshot: Path) -> Path:
    """Write the tensors, under modern keys, beside the ``.pth``; returns the path.

    The metadata contain variant, the source file's sha256 and, if recorded, the epoch.
    """
    from safetensors.torch import save

    path = _choose_path(snapshot.with_suffix(".safetensors"), variant, checkpoint)
    # Copies, since safetensors refuses tensors that share a storage.
    tensors = {k: t.clone().contiguous() for k, t in checkpoint.state.items()}
    metadata = {"format": "pt", "variant": variant, "source_sha256": checkpoint.sha256}
    if checkpoint.epoch is not None:
        metadata["epoch"] = str(checkpoint.epoch)
    with write_atomically(path) as temporary:
        temporary.write_bytes(save(tensors, metadata))
    return path


def _tar_copy_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.tar")


def _choose_path(path: Path, variant: str, checkpoint: Checkpoint) -> Path:
    """``path``, or one in a separate folder if another checkpoint's file is there."""
    present = [file for file in (path, _tar_copy_path(path)) if path_exists(file)]
    if all(read_source_sha256(file) == checkpoint.sha256 for file in present):
        return path
    return path.parent / f"{variant}_{checkpoint.sha256[:8]}" / path.name


def read_source_sha256(path: Path) -> str | None:
    """The source's sha256 in a file that this module wrote, None for any other file."""
    try:
        return load_checkpoint(path).metadata.get("source_sha256")
    except ConvNeXtPoseCheckError:  # not written by this module
        return None
