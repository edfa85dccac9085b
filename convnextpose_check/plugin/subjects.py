"""The two trials of a run: the published models on the user's files, and the miniature."""

from __future__ import annotations

from pathlib import Path

from convnextpose_check.miniature.build import cached_miniature
from convnextpose_check.miniature.record import read_record, setting_name
from convnextpose_check.miniature.reference import miniature_catalogue
from convnextpose_check.progress import Screen
from convnextpose_check.settings.read import Settings
from convnextpose_check.trial.files import Files, Sources
from convnextpose_check.trial.networks import Networks
from convnextpose_check.trial.published import published_trial
from convnextpose_check.trial.trial import SubjectName, Trial
from convnextpose_check.variants import Catalogue, Figure, read_catalogue, unknown_variant


def open_trials(settings: Settings, fixtures: Path, screen: Screen) -> dict[SubjectName, Trial]:
    """Both trials of a session; nothing is read yet but their figures.

    Raises ``ConvNeXtPoseCheckError`` where those cannot be read, or neither has a chosen variant.
    """
    trials: dict[SubjectName, Trial] = {
        "published": published_trial(settings, fixtures=fixtures, screen=screen),
        "miniature": _miniature_trial(settings, fixtures, screen),
    }
    known = dict.fromkeys(name for trial in trials.values() for name in trial.catalogue.names)
    for name in settings.variants or ():
        if name not in known:
            raise unknown_variant(name, known)
    return trials


def _miniature_trial(settings: Settings, fixtures: Path, screen: Screen) -> Trial:
    record = read_record(fixtures)

    def find_sources() -> Sources:
        miniature = cached_miniature(fixtures, screen.stream)
        return Sources(miniature.dataset, (miniature.checkpoints,))

    def reference(variant: str) -> Figure:
        setting = setting_name(settings.protocol, settings.bbox, settings.flip)
        return record.reference(setting, variant)

    files = Files(
        settings, _models(settings), record.dataset, find_sources, are_users=False, screen=screen
    )
    return Trial(
        "miniature",
        files,
        Networks(files, "cpu"),
        reference,
    )


def _models(settings: Settings) -> Catalogue:
    """A network of the user's own is built for the published variants, and knows no other."""
    return read_catalogue() if settings.network else miniature_catalogue()
