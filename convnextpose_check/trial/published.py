"""The trial that the suite is for: the published models, or a user's own, on the user's data."""

from __future__ import annotations

from pathlib import Path

from convnextpose_check.checkpoints.fingerprints import read_fingerprints
from convnextpose_check.human36m.samples import read_facts
from convnextpose_check.progress import Screen
from convnextpose_check.settings.read import Settings
from convnextpose_check.trial.files import Files, Sources
from convnextpose_check.trial.networks import Networks
from convnextpose_check.trial.trial import Trial
from convnextpose_check.variants import Catalogue, Figure, read_catalogue


def published_trial(
    settings: Settings,
    *,
    catalogue: Catalogue | None = None,
    fixtures: Path | None = None,
    screen: Screen | None = None,
) -> Trial:
    """The user's own files, held against the figures that the settings name.

    ``catalogue`` has those, where they are others than the settings' file has; ``fixtures`` is the
    folder with what is known of the published bits.
    Raises ``ConvNeXtPoseCheckError`` where one of these files cannot be read.
    """
    catalogue = catalogue or read_catalogue(settings.variants_file)
    sources = Sources(settings.h36m_root, settings.checkpoints)

    def reference(variant: str) -> Figure | None:
        return catalogue[variant].paper.error_mm(settings.protocol)

    files = Files(
        settings,
        catalogue,
        read_facts(),
        lambda: sources,
        are_users=True,
        screen=screen or Screen(),
    )
    return Trial(
        "published",
        files,
        Networks(files, "cpu" if settings.weights_only else "cuda"),
        reference,
        read_fingerprints(fixtures, catalogue) if fixtures and not settings.has_own_models else {},
    )
