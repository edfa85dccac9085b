"""Writes checkpoints in the authors' container, as torch 1.12 to 2.0 wrote them.

A stored zip with the suffix ``.tar``: one top folder with ``data.pkl``, the storages in the order
of their names and ``version``, and no ``byteorder``.
"""

from __future__ import annotations

import io
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convnextpose_check.checkpoints.training_record import BUFFERS, FIVE_SUBJECTS
from convnextpose_check.network.keymap import StateDict, add_prefix, to_legacy
from convnextpose_check.variants import Variant

if TYPE_CHECKING:
    from torch import Tensor


def write_archive(variant: Variant, weights: StateDict, path: Path) -> None:
    """Write a training snapshot of the variant with these weights."""
    write_container(snapshot_content(variant, weights), snapshot_folder(variant), path)


def made_epoch(variant: Variant) -> int:
    """The epoch of a generated archive: the known one, or the first that is claimed."""
    known = variant.checkpoint.epoch
    return known.values[0] if known else 0


def snapshot_folder(variant: Variant) -> str:
    """The top folder of a generated archive; torch calls it ``archive`` by default."""
    return variant.checkpoint.folder or "archive"


def snapshot_content(variant: Variant, weights: StateDict) -> dict[str, Any]:
    """What the authors' script saves; all counters match the variant's training record.

    Without a training record they are those of a training on five subjects.
    """
    import torch

    facts, epoch = variant.checkpoint, made_epoch(variant)
    iterations = facts.iterations.values[0] if facts.iterations else FIVE_SUBJECTS
    count = (epoch + 1) * iterations
    state = {
        key: torch.tensor(count) if key.endswith("num_batches_tracked") else tensor
        for key, tensor in add_prefix(weights).items()
    }
    if facts.head_keys == "legacy":
        state = to_legacy(state)
    parameters = [tensor for key, tensor in state.items() if not key.endswith(BUFFERS)]
    # AdamW's state: three tensors for each parameter, small and unlike the weights.
    optimizer = {
        "state": {
            index: {
                "step": torch.tensor(float(count)),
                "exp_avg": tensor * 2.0**-10,
                "exp_avg_sq": tensor.square() * 2.0**-20,
            }
            for index, tensor in enumerate(parameters)
        },
        "param_groups": [{"lr": 0.001, "params": list(range(len(parameters)))}],
    }
    return {"epoch": epoch, "network": as_torch_saves(state), "optimizer": optimizer}


def as_torch_saves(state: dict[str, Tensor]) -> OrderedDict[str, Tensor]:
    """The state dict with the version notes that ``Module.state_dict`` attaches."""
    saved = OrderedDict(state)
    modules = dict.fromkeys(key.rpartition(".")[0] for key in state)
    norms = {key.rpartition(".")[0] for key in state if key.endswith("running_mean")}
    saved._metadata = OrderedDict(  # type: ignore[attr-defined]  # torch's own attribute
        (module, {"version": 2 if module in norms else 1}) for module in modules
    )
    return saved


def write_container(content: dict[str, Any], folder: str, path: Path) -> None:
    """Write what ``torch.save`` writes, in the form of the authors' files."""
    import torch

    current = io.BytesIO()
    torch.save(content, current)
    with zipfile.ZipFile(current) as saved, zipfile.ZipFile(path, "w") as archive:
        members = {name.partition("/")[2]: name for name in saved.namelist()}
        storages = sorted(name for name in members if name.startswith("data/"))
        for name in ["data.pkl", *storages, "version"]:
            archive.writestr(zipfile.ZipInfo(f"{folder}/{name}"), saved.read(members[name]))
