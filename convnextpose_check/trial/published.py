"""The subject that the suite is for: the published models, or a user's own, on the user's data."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from convnextpose_check.checkpoints.fingerprints import read_fingerprints
from convnextpose_check.errors import ConvNeXtPoseCheckError
from convnextpose_check.evaluation.ranks import Ranks
from convnextpose_check.human36m.samples import read_facts
from convnextpose_check.miniature.reference import REFERENCE
from convnextpose_check.settings.read import Settings
from convnextpose_check.trial.subjects import Sources, Subject
from convnextpose_check.variants import Figure, read_catalogue


def published_subject(
    settings: Settings,
    progress_stream: TextIO | None = None,
    ranks: Ranks | None = None,
    fixtures: Path | None = None,
) -> Subject:
    """The user's own files, held against the figures that the settings name.

    ``fixtures`` is the folder with what is known of the published bits.
    Raises ``ConvNeXtPoseCheckError`` where those cannot be read or lack a chosen variant.
    """
    catalogue = read_catalogue(settings.variants_file)
    for name in settings.variants or ():
        if name != REFERENCE and name not in catalogue.names:
            raise ConvNeXtPoseCheckError(
                "unknown-variant",
                f"no variant is named '{name}'",
                f"Choose from {', '.join(catalogue.names)}, or {REFERENCE} for the miniature's"
                " trained model",
            )

    def reference(variant: str) -> Figure | None:
        return catalogue[variant].paper.error_mm(settings.protocol)

    sources = Sources(settings.h36m_root, settings.checkpoints)
    return Subject(
        "published", settings, catalogue, read_facts(), lambda: sources, reference,
        progress_stream, ranks, read_fingerprints(fixtures, catalogue) if fixtures else {},
    )  # fmt: skip
