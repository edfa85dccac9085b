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
from tests.faults import change
from tests.faults.fault import Fault
from tests.faults.scene import Scene

State = dict[str, Any]

SQUARE = "head.deconv_layers_2.pwconv.weight"
"""A tensor that has the same shape when it is transposed."""


def set_one_nan(state: State) -> None:
    state[SQUARE] = state[SQUARE].clone()
    state[SQUARE][5, 3] = float("nan")


def swap_mean_and_variance(state: State) -> None:
    mean, variance = (f"backbone.norm.running_{name}" for name in ("mean", "var"))
    state[mean], state[variance] = state[variance], state[mean]


def reset_one_head_layer(scene: Scene) -> None:
    initial = initial_state(scene.variant.architecture, seed=1)
    layer = {key: tensor for key, tensor in initial.items() if "deconv_layers_3" in key}
    scene.set_weights(lambda state: state.update(layer))


def set_counters(content: State, count: int) -> None:
    """Set the counters of all BatchNorms and of the optimizer."""
    for key in content["network"]:
        if key.endswith("num_batches_tracked"):
            content["network"][key] = torch.tensor(count)
    for each in content["optimizer"]["state"].values():
        each["step"] = torch.tensor(float(count))


def train_further(content: State) -> None:
    set_counters(content, 69 * PROTOCOL_2_ITERATIONS + 3 * 5_000)
    content["epoch"] += 3


def change_last_bit(state: State) -> None:
    weight = state["backbone.stages.2.3.pwconv1.weight"].clone()
    weight[7, 5] = torch.nextafter(weight[7, 5], torch.tensor(torch.inf))
    state["backbone.stages.2.3.pwconv1.weight"] = weight


def rename_by_substring(state: State) -> State:
    return {
        key.replace(".0.", ".dwconv.").replace(".1.", ".norm.").replace(".2.", ".pwconv."): each
        for key, each in state.items()
    }


FAULTS = [
    Fault("half a gigabyte of memory free", "machine",
          change.attribute(machine, "get_free_ram_gb", lambda: 0.5), "check_memory"),
    Fault("half a gigabyte of the disk free", "machine",
          change.attribute(shutil, "disk_usage", lambda _folder:
                           SimpleNamespace(free=0.5 * machine.GB)),
          "check_disk"),
    Fault("a file where the results folder should be", "machine",
          lambda scene: (scene.folder / "out").touch(), "check_can_write"),
    Fault("weights of another variant, S for M", "archive",
          lambda scene: scene.take_archive_of("S"), "check_holds_variant", {"variant_name": "M"}),
    Fault("another training of the same variant", "archive",
          lambda scene: scene.take_archive_of("XS"), "check_epoch", words="weights are not"),
    Fault("one weight is NaN", "archive", change.weights(set_one_nan), "check_weights_are_finite"),
    Fault("a BatchNorm's mean and variance swapped", "archive",
          change.weights(swap_mean_and_variance), "check_batchnorm_variances"),
    Fault("one tensor transposed", "archive",
          change.weights(lambda state: state.update(
              {SQUARE: state[SQUARE].transpose(0, 1).contiguous()})), words="weights are not"),
    Fault("one head layer left at its initial values", "archive", reset_one_head_layer,
          words="weights are not"),
    Fault("weights rounded to half precision", "archive",
          change.weights(lambda state: state.update(
              {key: t.half().float() for key, t in state.items() if t.ndim == 4})),
          setting={"variant_name": "XS"}),
    Fault("trained on six subjects", "archive",
          lambda scene: scene.set_content(lambda content: set_counters(content, 69 * 23_487)),
          "check_training_record", {"variant_name": "XS"}),
    Fault("trained further on other data", "archive",
          lambda scene: scene.set_content(train_further), "check_training_record",
          {"variant_name": "XS"}, words="weights are not"),
    Fault("one weight another in its last bit", "archive", change.weights(change_last_bit),
          "check_published_tensors"),
    Fault("norm and pwconv swapped", "key map",
          change.attribute(keymap, "LEGACY_TO_MODERN", {"0": "dwconv", "1": "pwconv", "2": "norm"}),
          "check_holds_variant", {"variant_name": "M"}),
    Fault("keys renamed wherever they hold .0.", "key map",
          change.attribute(archives, "to_modern", rename_by_substring), "check_key_map_round_trip",
          {"variant_name": "M"}),
    Fault("written in half precision", "snapshot",
          change.result(snapshots, "add_prefix", lambda state:
                        {key: tensor.half() for key, tensor in state.items()}), "check_snapshot"),
]  # fmt: skip
