"""Writes checkpoints in the authors' container format, that of torch 1.12 to 2.0.

An uncompressed zip with the suffix ``.tar``: one top folder with ``data.pkl``, the storages sorted
by name, and ``version``; no ``byteorder``.
"""

import io
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from convnextpose_check.checkpoints.training_record import PROTOCOL_2_ITERATIONS
from convnextpose_check.network.keymap import StateDict, add_prefix, to_legacy
from convnextpose_check.variants import Variant


def write_archive(variant: Variant, weights: StateDict, path: Path) -> None:
    """Write a checkpoint of the variant with these weights."""
    write_container(snapshot_content(variant, weights), snapshot_folder(variant), path)


def generated_epoch(variant: Variant) -> int:
    """The epoch on record, the first if there are several, or 0."""
    known = variant.checkpoint.epoch
    return known.values[0] if known else 0


def snapshot_folder(variant: Variant) -> str:
    """The archive's top folder: the one on record, or torch's default."""
    return variant.checkpoint.folder or "archive"


def snapshot_content(variant: Variant, weights: StateDict) -> dict[str, Any]:
    """The content of a checkpoint, as the authors' script saves it.

    Counters match the variant's training record, or training on five subjects if it has none.
    """
    facts, epoch = variant.checkpoint, generated_epoch(variant)
    iterations = facts.iterations.values[0] if facts.iterations else PROTOCOL_2_ITERATIONS
    count = (epoch + 1) * iterations
    state = {
        key: torch.tensor(count) if key.endswith("num_batches_tracked") else tensor
        for key, tensor in add_prefix(weights).items()
    }
    if facts.head_keys == "legacy":
        state = to_legacy(state)
    parameters = [
        tensor
        for key, tensor in state.items()
        if not key.endswith(("running_mean", "running_var", "num_batches_tracked"))
    ]
    # AdamW's state: a step and two small tensors, different from the weights, per parameter.
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
    return {"epoch": epoch, "network": add_module_versions(state), "optimizer": optimizer}


def add_module_versions(state: dict[str, Tensor]) -> OrderedDict[str, Tensor]:
    """Add the module versions that ``Module.state_dict`` keeps in ``_metadata``."""
    saved = OrderedDict(state)
    modules = dict.fromkeys(key.rpartition(".")[0] for key in state)
    norms = {key.rpartition(".")[0] for key in state if key.endswith("running_mean")}
    saved._metadata = OrderedDict(  # type: ignore[attr-defined]  # torch's own attribute
        (module, {"version": 2 if module in norms else 1}) for module in modules
    )
    return saved


def write_container(content: dict[str, Any], folder: str, path: Path) -> None:
    """Save the content in the authors' container format."""
    current = io.BytesIO()
    torch.save(content, current)
    with zipfile.ZipFile(current) as saved, zipfile.ZipFile(path, "w") as archive:
        members = {name.partition("/")[2]: name for name in saved.namelist()}
        storages = sorted(name for name in members if name.startswith("data/"))
        for name in ["data.pkl", *storages, "version"]:
            archive.writestr(zipfile.ZipInfo(f"{folder}/{name}"), saved.read(members[name]))
