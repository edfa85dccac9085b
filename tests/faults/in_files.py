"""Faults of the machine, of checkpoints and of the files written from them."""

from __future__ import annotations

import shutil
from types import SimpleNamespace
from typing import Any

import torch

from convnextpose_check.checkpoints import snapshot as snapshots
from convnextpose_check.checkpoints.training_record import PROTOCOL_2_ITERATIONS
from convnextpose_check.checks import archives, machine
from convnextpose_check.network import keymap
from convnextpose_check.synthetic.weights import initial_state
from tests.faults.fault import fault
from tests.faults.scene import Scene

SQUARE = "head.deconv_layers_2.pwconv.weight"
"""A tensor that has the same shape when it is transposed."""


@fault("half a gigabyte of memory free", "machine", "check_memory")
def no_memory(scene: Scene) -> None:
    scene.patch.setattr(machine, "get_free_ram_gb", lambda: 0.5)


@fault("half a gigabyte of the disk free", "machine", "check_disk")
def no_space(scene: Scene) -> None:
    usage = SimpleNamespace(free=0.5 * machine.GB)
    scene.patch.setattr(shutil, "disk_usage", lambda _folder: usage)


@fault("a file where the results folder should be", "machine", "check_can_write")
def file_for_a_folder(scene: Scene) -> None:
    (scene.folder / "out").write_bytes(b"")


@fault("weights of another variant, S for M", "archive", "check_holds_variant", variant_name="M")
def weights_of_another_variant(scene: Scene) -> None:
    scene.take_archive_of("S")


@fault("another training of the same variant", "archive", "check_epoch")
def another_training(scene: Scene) -> None:
    scene.take_archive_of("XS")


@fault("one weight is NaN", "archive", "check_weights_are_finite")
def one_nan(scene: Scene) -> None:
    def change(state: dict[str, Any]) -> None:
        state[SQUARE] = state[SQUARE].clone()
        state[SQUARE][5, 3] = float("nan")

    scene.set_weights(change)


@fault("a BatchNorm's mean and variance swapped", "archive", "check_batchnorm_variances")
def mean_and_variance_swapped(scene: Scene) -> None:
    def change(state: dict[str, Any]) -> None:
        mean, variance = (f"backbone.norm.running_{name}" for name in ("mean", "var"))
        state[mean], state[variance] = state[variance], state[mean]

    scene.set_weights(change)


@fault("one tensor transposed", "archive", "check_error_is_within")
def one_tensor_transposed(scene: Scene) -> None:
    def change(state: dict[str, Any]) -> None:
        state[SQUARE] = state[SQUARE].transpose(0, 1).contiguous()

    scene.set_weights(change)


@fault("one head layer left at its initial values", "archive", "check_error_is_within")
def one_head_layer_initial(scene: Scene) -> None:
    def change(state: dict[str, Any]) -> None:
        initial = initial_state(scene.variant.architecture, seed=1)
        state |= {key: initial[key] for key in state if "deconv_layers_3" in key}

    scene.set_weights(change)


@fault("weights rounded to half precision", "archive", "check_error_is_within", variant_name="XS")
def weights_in_half(scene: Scene) -> None:
    def change(state: dict[str, Any]) -> None:
        state |= {key: t.half().float() for key, t in state.items() if t.ndim == 4}

    scene.set_weights(change)


@fault("trained on six subjects", "archive", "check_training_record", variant_name="XS")
def six_subjects(scene: Scene) -> None:
    scene.set_content(lambda content: _set_counters(content, 69 * 23_487))


@fault("trained further on other data", "archive", "check_training_record", variant_name="XS")
def fine_tuned(scene: Scene) -> None:
    def change(content: dict[str, Any]) -> None:
        _set_counters(content, 69 * PROTOCOL_2_ITERATIONS + 3 * 5_000)
        content["epoch"] += 3

    scene.set_content(change)


def _set_counters(content: dict[str, Any], count: int) -> None:
    """Set the counters of all BatchNorms and of the optimizer."""
    for key in content["network"]:
        if key.endswith("num_batches_tracked"):
            content["network"][key] = torch.tensor(count)
    for each in content["optimizer"]["state"].values():
        each["step"] = torch.tensor(float(count))


@fault("one weight another in its last bit", "archive", "check_published_tensors")
def last_bit(scene: Scene) -> None:
    def change(state: dict[str, Any]) -> None:
        weight = state["backbone.stages.2.3.pwconv1.weight"].clone()
        weight[7, 5] = torch.nextafter(weight[7, 5], torch.tensor(torch.inf))
        state["backbone.stages.2.3.pwconv1.weight"] = weight

    scene.set_weights(change)


@fault("norm and pwconv swapped", "key map", "check_holds_variant", variant_name="M")
def norm_and_pwconv_swapped(scene: Scene) -> None:
    swapped = {"0": "dwconv", "1": "pwconv", "2": "norm"}
    scene.patch.setattr(keymap, "LEGACY_TO_MODERN", swapped)


@fault(
    "keys renamed wherever they hold .0.", "key map", "check_key_map_round_trip", variant_name="M"
)
def renamed_by_substring(scene: Scene) -> None:
    def renamed(state: dict[str, Any]) -> dict[str, Any]:
        return {
            key.replace(".0.", ".dwconv.").replace(".1.", ".norm.").replace(".2.", ".pwconv."): each
            for key, each in state.items()
        }

    scene.patch.setattr(archives, "to_modern", renamed)


@fault("written in half precision", "snapshot", "check_snapshot")
def snapshot_in_half(scene: Scene) -> None:
    def halved(state: dict[str, Any]) -> dict[str, Any]:
        return {key: tensor.half() for key, tensor in keymap.add_prefix(state).items()}

    scene.patch.setattr(snapshots, "add_prefix", halved)
