"""The miniature's trained model: an XS that was shown the training split.

It is kept in ``fixtures/reference`` in the authors' container as it was trained, with its
convolutions in half precision. The miniature gets it in float32 and in the published XS's numbers.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from convnextpose_check.checkpoints.provenance import FIVE_SUBJECTS
from convnextpose_check.miniature.archives import as_torch_saves, made_epoch, write_container
from convnextpose_check.miniature.rescaling import rescaled
from convnextpose_check.network.keymap import StateDict, with_prefix, without_prefix
from convnextpose_check.variants import (
    REFERENCE,
    Catalogue,
    CheckpointFacts,
    Paper,
    Variant,
    WholeFigure,
    read_catalogue,
)

if TYPE_CHECKING:
    from torch import Tensor

REFERENCE_FILE = "ConvNeXtPose_reference.tar"
REFERENCE_EPOCH = 9
"""How often the training saw each of its pictures, on average."""
REFERENCE_ITERATIONS = 770
"""A tenth of the training's 7,700 steps. The statistics of BatchNorm were averaged anew at its end,
over 80 batches; the file that is kept counts those, the miniature's archive the whole training."""

MADE_HERE = "convnextpose_check/miniature"
"""The source of what the miniature's archives say of themselves."""


def reference_variant() -> Variant:
    """The trained model as a variant: an XS of which no paper speaks."""
    return msgspec.structs.replace(
        read_catalogue()["XS"],
        name=REFERENCE,
        paper=Paper(None, None, None, None),
        checkpoint=CheckpointFacts(
            REFERENCE_FILE,
            "modern",
            WholeFigure(REFERENCE_EPOCH, MADE_HERE),
            WholeFigure(REFERENCE_ITERATIONS, MADE_HERE),
        ),
    )


def miniature_catalogue() -> Catalogue:
    """The models of the miniature: the published architectures, and the trained one.

    Of archives that are made here epoch and iterations are known, so that both decide.
    """
    published = read_catalogue()
    made = tuple(_made_here(variant) for variant in published.variants)
    return msgspec.structs.replace(published, variants=(reference_variant(), *made))


def _made_here(variant: Variant) -> Variant:
    checkpoint = msgspec.structs.replace(
        variant.checkpoint,
        epoch=WholeFigure(made_epoch(variant), MADE_HERE),
        iterations=WholeFigure(FIVE_SUBJECTS.iterations, MADE_HERE),
    )
    return msgspec.structs.replace(variant, checkpoint=checkpoint)


def write_reference(state: StateDict, folder: Path) -> None:
    """Write the archive that is kept, the convolutions rounded to half precision.

    BatchNorm keeps float32: the variances of 0 to 255 pixels are beyond half precision.
    """
    halved = {
        key: (tensor.half() if tensor.ndim == 4 else tensor).contiguous()
        for key, tensor in state.items()
    }
    content = {"epoch": REFERENCE_EPOCH, "network": as_torch_saves(with_prefix(halved))}
    write_container(content, "archive", folder / REFERENCE_FILE)


def reference_file(fixtures: Path) -> Path:
    """Where the archive is kept."""
    return fixtures / "reference" / REFERENCE_FILE


def reference_state(fixtures: Path) -> dict[str, Tensor]:
    """The reference model as the miniature holds it, under the network's own names."""
    return rescaled(trained_state(fixtures), reference_variant().architecture)


def trained_state(fixtures: Path) -> dict[str, Tensor]:
    """The weights that are kept, in float32, under the network's own names."""
    import torch

    content = torch.load(reference_file(fixtures), map_location="cpu", weights_only=True)
    return {
        key: tensor.float() if tensor.is_floating_point() else tensor
        for key, tensor in without_prefix(content["network"]).items()
    }
