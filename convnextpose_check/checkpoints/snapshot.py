"""Modern ``.pth`` files for the authors' own tools, written from any archive.

``model_dump/snapshot_<epoch>.pth`` holds ``epoch`` and ``network`` with the prefix and the modern
head keys that the authors' ``main/test.py`` loads. That script looks for ``.pth.tar``, so the same
file is there under that name too.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from convnextpose_check.checkpoints.load import Checkpoint, load_content
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.files.whole import link_or_copy, written_whole
from convnextpose_check.network.keymap import to_modern, with_prefix
from convnextpose_check.paths import DUMP_FOLDER


def write_snapshot(checkpoint: Checkpoint, variant: str, results_dir: Path) -> Path:
    """Write the checkpoint under ``results_dir/model_dump`` and return the path of the ``.pth``.

    A snapshot of the same epoch from another file, or a file that this suite did not write, is
    left alone: the new one then goes to a folder of its own, ``model_dump/<variant>_<sha256>/``.
    """
    import torch

    dump = results_dir / DUMP_FOLDER
    name = f"snapshot_{checkpoint.epoch}.pth"
    path = dump / name
    twin_name = f"{name}.tar"
    present = [file for file in (path, dump / twin_name) if file.exists()]
    if any(_source_of(file) != checkpoint.sha256 for file in present):
        path = dump / f"{variant}_{checkpoint.sha256[:8]}" / name
    content = {
        "epoch": checkpoint.epoch,
        "network": with_prefix(to_modern(checkpoint.network)),
        "variant": variant,
        "source_sha256": checkpoint.sha256,
    }
    buffer = io.BytesIO()
    torch.save(content, buffer)  # to a file, it would raise a RuntimeError where the disk is full
    with written_whole(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
    with written_whole(path.with_name(twin_name)) as temporary:
        temporary.unlink()
        link_or_copy(path, temporary)
    return path


def _source_of(path: Path) -> Any:
    """The sha256 of the file that an existing snapshot was made from, None if it does not say."""
    try:
        content, _ = load_content(path)
    except ConvNeXtPoseCheckError:  # whatever it is, it is not ours to overwrite
        return None
    return content.get("source_sha256") if type(content) is dict else None
