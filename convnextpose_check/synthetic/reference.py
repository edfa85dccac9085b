"""The synthetic trained model: an XS trained on the training split.

``fixtures/reference`` has it in the authors' container with its convolutions in half precision. In
the synthetic data set it is float32 and has the value ranges of the published XS.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from convnextpose_check.checkpoints.training_record import FIVE_SUBJECTS
from convnextpose_check.network.keymap import strip_prefix
from convnextpose_check.synthetic.archives import made_epoch
from convnextpose_check.synthetic.rescaling import rescaled
from convnextpose_check.variants import (
    REFERENCE,
    Catalogue,
    CheckpointFacts,
    Paper,
    ReportedCount,
    Variant,
    read_catalogue,
)

if TYPE_CHECKING:
    from torch import Tensor

REFERENCE_FILE = "ConvNeXtPose_reference.tar"
REFERENCE_EPOCH = 9
"""The training saw each of its images this often, on average."""
REFERENCE_ITERATIONS = 770
"""A tenth of the training's 7,700 steps. The BatchNorm statistics were averaged anew at its end,
over 80 batches; the file in ``fixtures`` counts those, the synthetic archive the training."""

MADE_HERE = "convnextpose_check/synthetic"
"""The source of the training record of the synthetic archives."""


def reference_variant() -> Variant:
    """The trained model as a variant: an XS without values of the paper."""
    return msgspec.structs.replace(
        read_catalogue()["XS"],
        name=REFERENCE,
        paper=Paper(None, None, None, None),
        guide=None,
        checkpoint=CheckpointFacts(
            REFERENCE_FILE,
            "modern",
            ReportedCount(REFERENCE_EPOCH, MADE_HERE),
            ReportedCount(REFERENCE_ITERATIONS, MADE_HERE),
        ),
    )


def synthetic_catalogue() -> Catalogue:
    """The synthetic models: the trained one, and one of each published architecture.

    Their epochs and iterations are known, so a wrong one fails a check.
    """
    published = read_catalogue()
    seeded = tuple(
        msgspec.structs.replace(
            variant,
            checkpoint=msgspec.structs.replace(
                variant.checkpoint,
                epoch=ReportedCount(made_epoch(variant), MADE_HERE),
                iterations=ReportedCount(FIVE_SUBJECTS, MADE_HERE),
            ),
        )
        for variant in published.variants
    )
    return msgspec.structs.replace(published, variants=(reference_variant(), *seeded))


def reference_file(fixtures: Path) -> Path:
    """The archive below the ``fixtures`` folder."""
    return fixtures / "reference" / REFERENCE_FILE


def reference_state(fixtures: Path) -> dict[str, Tensor]:
    """The trained weights as the synthetic data set has them, with modern keys."""
    return rescaled(trained_state(fixtures), reference_variant().architecture)


def trained_state(fixtures: Path) -> dict[str, Tensor]:
    """The weights of the archive in ``fixtures``, in float32, with modern keys."""
    import torch

    content = torch.load(reference_file(fixtures), map_location="cpu", weights_only=True)
    return {
        key: tensor.float() if tensor.is_floating_point() else tensor
        for key, tensor in strip_prefix(content["network"]).items()
    }
