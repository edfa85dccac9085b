"""Write checkpoints as ``.pth`` files for the authors' tools, and as safetensors.

``model_dump/snapshot_<epoch>.pth`` contains ``epoch`` and ``network`` with the prefix and the
modern head keys that the authors' ``main/test.py`` loads. That script looks for ``.pth.tar``, so a
copy has that name. Without a recorded epoch, the variant's name takes its place. Another file of
such a name, such as the user's own training, is not overwritten: the new file then goes to
``model_dump/<variant>_<sha256>/``.
"""

import io
from pathlib import Path

import torch
from safetensors.torch import save

from convnextpose_check.checkpoints.load import Checkpoint
from convnextpose_check.files.folders import is_file, path_exists
from convnextpose_check.files.regular_files import write_atomically
from convnextpose_check.network.keymap import add_prefix
from convnextpose_check.paths import DUMP_FOLDER


def write_snapshot(checkpoint: Checkpoint, variant: str, results_dir: Path) -> Path:
    """Write the checkpoint below ``results_dir/model_dump``; returns the ``.pth``."""
    epoch = {} if checkpoint.epoch is None else {"epoch": checkpoint.epoch}
    name = f"snapshot_{epoch.get('epoch', variant)}.pth"
    content = {**epoch, "network": add_prefix(checkpoint.state)}
    buffer = io.BytesIO()
    torch.save(content, buffer)  # written to a file, it would raise a RuntimeError on a full disk
    folder, names = results_dir / DUMP_FOLDER, (name, f"{name}.tar")
    present = [folder / each for each in names if path_exists(folder / each)]
    if not all(is_file(path) and path.read_bytes() == buffer.getbuffer() for path in present):
        folder /= f"{variant}_{checkpoint.sha256[:8]}"
    for each in names:
        with write_atomically(folder / each) as temporary:
            temporary.write_bytes(buffer.getbuffer())
    return folder / name


def write_safetensors(checkpoint: Checkpoint, variant: str, snapshot: Path) -> Path:
    """Write the tensors, under modern keys, beside the ``.pth``; returns the path.

    The metadata contain variant, the source file's sha256 and, if recorded, the epoch.
    """
    path = snapshot.with_suffix(".safetensors")
    # Copies, since safetensors refuses tensors that share a storage.
    tensors = {k: t.clone().contiguous() for k, t in checkpoint.state.items()}
    metadata = {"format": "pt", "variant": variant, "source_sha256": checkpoint.sha256}
    if checkpoint.epoch is not None:
        metadata["epoch"] = str(checkpoint.epoch)
    with write_atomically(path) as temporary:
        temporary.write_bytes(save(tensors, metadata))
    return path
