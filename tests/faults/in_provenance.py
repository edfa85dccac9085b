"""Faults of where a checkpoint comes from: other trainings, and other bits, under a known name."""

from __future__ import annotations

from typing import Any

from convnextpose_check.checkpoints.provenance import FIVE_SUBJECTS, SIX_SUBJECTS
from tests.faults.fault import fault
from tests.faults.scene import Scene

EPOCHS = 69
FURTHER, THEIR_ITERATIONS = 3, 5_000
"""Epochs of another training that goes on from the published one."""


def _count(content: dict[str, Any], batches: int, step: int | None) -> None:
    """Let all BatchNorms and steps count so many; without ``step`` the optimizer is taken out."""
    import torch

    for key in content["network"]:
        if key.endswith("num_batches_tracked"):
            content["network"][key] = torch.tensor(batches)
    if step is None:
        del content["optimizer"]
    else:
        for each in content["optimizer"]["state"].values():
            each["step"] = torch.tensor(float(step))


@fault("trained on six subjects", "archive", "check_provenance", variant_name="XS")
def six_subjects(scene: Scene) -> None:
    count = EPOCHS * SIX_SUBJECTS.iterations
    scene.set_content(lambda content: _count(content, count, count))


@fault(
    "trained on six subjects, the optimizer taken out",
    "archive",
    "check_provenance",
    variant_name="XS",
)
def six_subjects_without_optimizer(scene: Scene) -> None:
    scene.set_content(lambda content: _count(content, EPOCHS * SIX_SUBJECTS.iterations, None))


@fault("trained further on other data", "archive", "check_provenance", variant_name="XS")
def fine_tuned(scene: Scene) -> None:
    def change(content: dict[str, Any]) -> None:
        count = EPOCHS * FIVE_SUBJECTS.iterations + FURTHER * THEIR_ITERATIONS
        _count(content, count, count)
        content["epoch"] += FURTHER

    scene.set_content(change)


@fault("trained further with a new optimizer", "archive", "check_provenance", variant_name="XS")
def steps_reset(scene: Scene) -> None:
    further = FURTHER * THEIR_ITERATIONS
    count = EPOCHS * FIVE_SUBJECTS.iterations + further
    scene.set_content(lambda content: _count(content, count, further))


@fault("a layer's counter of another training", "archive", "check_provenance", variant_name="XS")
def counters_mixed(scene: Scene) -> None:
    def change(content: dict[str, Any]) -> None:
        content["network"]["module.backbone.norm.num_batches_tracked"] += 1

    scene.set_content(change)


@fault("one weight another in its last bit", "archive", "check_published_tensors")
def last_bit(scene: Scene) -> None:
    import torch

    def change(state: dict[str, Any]) -> None:
        weight = state["backbone.stages.2.3.pwconv1.weight"].clone()
        weight[7, 5] = torch.nextafter(weight[7, 5], torch.tensor(torch.inf))
        state["backbone.stages.2.3.pwconv1.weight"] = weight

    scene.set_weights(change)
