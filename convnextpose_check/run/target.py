"""The target of a run: the published models, or the synthetic ones that the suite carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from convnextpose_check.checkpoints.fingerprints import Fingerprint, read_fingerprints
from convnextpose_check.human36m.samples import DatasetFacts, read_facts
from convnextpose_check.settings.options import Settings
from convnextpose_check.variants import Catalogue, Variant, read_catalogue

TargetName = Literal["published", "miniature"]


@dataclass(frozen=True)
class Target:
    """The variants with their reported values, and what is known of their data and files.

    ``fingerprints`` holds the published hashes of each variant's file, where they are on record.
    """

    name: TargetName
    catalogue: Catalogue
    facts: DatasetFacts
    fingerprints: Mapping[str, Fingerprint] = field(default_factory=dict)

    def variants(self, settings: Settings) -> tuple[Variant, ...]:
        """The variants that the settings choose.

        Raises ``ConvNeXtPoseCheckError`` (``bad-option``) for a name that this target lacks.
        """
        names = settings.variants or self.catalogue.names
        return tuple(self.catalogue[name] for name in names)


def published_target(settings: Settings, fixtures: Path | None = None) -> Target:
    """The published models, or the user's own if ``--variants-file`` describes them.

    ``fixtures`` is the folder with the published hashes. Raises ``ConvNeXtPoseCheckError`` if a
    file cannot be read.
    """
    catalogue = read_catalogue(settings.variants_file)
    known: Mapping[str, Fingerprint] = {}
    if fixtures is not None and not settings.has_own_models:
        known = read_fingerprints(fixtures, catalogue.names)
    return Target("published", catalogue, read_facts(), known)
