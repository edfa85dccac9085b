"""The two trials of a run: the published models on the user's files, and the miniature."""

from __future__ import annotations

from pathlib import Path

from convnextpose_check.miniature.build import cached_miniature
from convnextpose_check.miniature.record import read_record, setting_name
from convnextpose_check.miniature.reference import miniature_catalogue
from convnextpose_check.plugin.session import Session
from convnextpose_check.progress import Screen
from convnextpose_check.settings.read import Settings
from convnextpose_check.trial.files import Files, Sources
from convnextpose_check.trial.networks import Networks
from convnextpose_check.trial.published import published_trial
from convnextpose_check.trial.trial import Trial
from convnextpose_check.variants import Catalogue, Figure, read_catalogue, unknown_variant


def open_trials(session: Session, fixtures: Path, screen: Screen) -> None:
    """Make both trials of the session; nothing is read yet but their figures.

    Raises ``ConvNeXtPoseCheckError`` where those cannot be read, or neither has a chosen variant.
    """
    published = published_trial(
        session.settings,
        fixtures=fixtures,
        screen=screen,
        ranks=session.ranks,
        on_outcome=session.recorders["published"].hear,
    )
    session.trials["published"] = published
    session.trials["miniature"] = _miniature_trial(session, fixtures, screen)
    known = dict.fromkeys(name for t in session.trials.values() for name in t.catalogue.names)
    for name in session.settings.variants or ():
        if name not in known:
            raise unknown_variant(name, known)


def _miniature_trial(session: Session, fixtures: Path, screen: Screen) -> Trial:
    settings, record = session.settings, read_record(fixtures)

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
        Networks(files, "cpu", session.ranks),
        reference,
        on_outcome=session.recorders["miniature"].hear,
        ranks=session.ranks,
    )


def _models(settings: Settings) -> Catalogue:
    """A network of the user's own is built for the published variants, and knows no other."""
    return read_catalogue() if settings.network else miniature_catalogue()
