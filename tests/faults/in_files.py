"""Faults of checkpoints: in the archive, its weights and keys, and in what is written from it."""

from __future__ import annotations

from typing import Any

from convnextpose_check.checkpoints import snapshot as snapshots
from convnextpose_check.checks import archives
from convnextpose_check.miniature.weights import initial_state
from convnextpose_check.network import keymap
from tests.faults.fault import fault
from tests.faults.scene import Scene

SQUARE = "head.deconv_layers_2.pwconv.weight"
"""A tensor that has the same shape when it is transposed."""


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
        return {key: tensor.half() for key, tensor in keymap.to_modern(state).items()}

    scene.patch.setattr(snapshots, "to_modern", halved)
