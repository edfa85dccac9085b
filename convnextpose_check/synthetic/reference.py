"""The trained synthetic model ``reference``: an XS trained on the synthetic training split.

The archive in ``fixtures/reference`` has convolutions in half precision. In the synthetic data set,
the model is in float32 and has the value ranges of the published XS.
"""

from pathlib import Path

import msgspec
import torch
from torch import Tensor

from convnextpose_check.checkpoints.training_record import PROTOCOL_2_ITERATIONS
from convnextpose_check.network.keymap import strip_prefix
from convnextpose_check.synthetic.archives import generated_epoch
from convnextpose_check.synthetic.rescaling import rescale_weights
from convnextpose_check.variants import (
    REFERENCE,
    Catalogue,
    CheckpointFacts,
    Paper,
    ReportedCount,
    Variant,
    read_catalogue,
)

REFERENCE_FILE = "ConvNeXtPose_reference.tar"
REFERENCE_EPOCH = 9
"""Average number of times that the training used each image."""
REFERENCE_ITERATIONS = 770
"""Per epoch: a tenth of the training's 7,700 steps. The archive in ``fixtures`` instead counts the
80 batches over which the BatchNorm statistics were recomputed after training."""

SYNTHETIC_SOURCE = "convnextpose_check/synthetic"
"""The source on record for the training record of the synthetic archives."""


def reference_variant() -> Variant:
    """The trained model as a variant: an XS without reported values."""
    return msgspec.structs.replace(
        read_catalogue()["XS"],
        name=REFERENCE,
        paper=Paper(None, None, None, None),
        guide=None,
        checkpoint=CheckpointFacts(
            REFERENCE_FILE,
            "modern",
            ReportedCount(REFERENCE_EPOCH, SYNTHETIC_SOURCE),
            ReportedCount(REFERENCE_ITERATIONS, SYNTHETIC_SOURCE),
        ),
    )


def synthetic_catalogue() -> Catalogue:
    """The synthetic variants: the trained model, and a seeded one per published architecture.

    Their epochs and iterations are verified values, so a different one fails a check.
    """
    published = read_catalogue()
    seeded = tuple(
        msgspec.structs.replace(
            variant,
            checkpoint=msgspec.structs.replace(
                variant.checkpoint,
                epoch=ReportedCount(generated_epoch(variant), SYNTHETIC_SOURCE),
                iterations=ReportedCount(PROTOCOL_2_ITERATIONS, SYNTHETIC_SOURCE),
            ),
        )
        for variant in published.variants
    )
    return msgspec.structs.replace(published, variants=(reference_variant(), *seeded))


def reference_file(fixtures: Path) -> Path:
    """The trained model's archive in the ``fixtures`` folder."""
    return fixtures / "reference" / REFERENCE_FILE


def reference_state(fixtures: Path) -> dict[str, Tensor]:
    """The trained weights with published value ranges and modern keys."""
    return rescale_weights(trained_state(fixtures), reference_variant().architecture)


def trained_state(fixtures: Path) -> dict[str, Tensor]:
    """The trained weights of the archive in ``fixtures``, in float32, with modern keys."""
    content = torch.load(reference_file(fixtures), map_location="cpu", weights_only=True)
    return {
        key: tensor.float() if tensor.is_floating_point() else tensor
        for key, tensor in strip_prefix(content["network"]).items()
    }
